"""A linear head that learns how to pool the windows of a clip, from the labels of clips alone."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit, log_expit, log_softmax, softmax

from faunashot import options
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, Level, TrainingContext
from faunashot.estimators.examples import Examples, FloatArray, Scores
from faunashot.estimators.steps import Steps
from faunashot.estimators.stored import load_object, save_object

FACTS, ARRAYS, STEPS = "pooling.json", "pooling.npz", "steps.skops"
FIXED = "fixed_"
"""How the names of stored arrays begin that are made once, and not fitted."""

Arrays = dict[str, FloatArray]

Backward = Callable[[FloatArray], tuple[FloatArray, Arrays]]
"""From the gradient of logits, (n, C), to those of the projections and of the pooling's arrays."""


class Bags:
    """Which windows are of which clip, and the share of its clip that each covers.

    Parameters
    ----------
    first : ndarray of int, shape (n,)
        Number of the first window of each clip.
    clip_of : ndarray of int, shape (N,)
    share : ndarray, shape (N,)
    """

    def __init__(
        self, first: npt.NDArray[np.intp], clip_of: npt.NDArray[np.intp], share: FloatArray
    ) -> None:
        self.first, self.clip_of, self.share = first, clip_of, share[:, None]

    @classmethod
    def of(cls, examples: Examples) -> Bags:
        """Those of examples."""
        return cls(examples.first, examples.clip_of, examples.coverage)

    @classmethod
    def alone(cls, n: int) -> Bags:
        """`n` windows, each by itself."""
        return cls(np.arange(n), np.arange(n), np.ones(n))

    def sums(self, values: FloatArray) -> FloatArray:
        """Sums over the windows of each clip, (N, ...) -> (n, ...)."""
        return np.asarray(np.add.reduceat(values, self.first))

    def weights(self, energy: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Softmax over the windows of each clip, each counted by its share.

        Parameters
        ----------
        energy : ndarray, shape (N, K)

        Returns
        -------
        ndarray, shape (N, K)
            Weights, which sum to 1 in a clip.
        ndarray, shape (n, K)
            Logarithm of the mean of exp(energy) by share.
        """
        highest = np.maximum.reduceat(energy, self.first)
        raised = self.share * np.exp(energy - highest[self.clip_of])
        total = self.sums(raised)
        return raised / total[self.clip_of], highest + np.log(total)


class LearnedPooling(Estimator):
    """Linear projections of windows, pooled to the logits of clips in a way that is learned.

    Parameters
    ----------
    seed : int
        Of where the pooling starts.
    **settings
        Of `Options`.
    """

    class Options(options.Options):
        """Settings.

        Attributes
        ----------
        C : float
            Inverse strength of the penalty on the projections.
        steps : tuple of str
            That bring windows into shape, see `faunashot.estimators.steps`.
        tol : float
            Largest entry of the gradient at which fitting stops.
        iterations : int
            After which fitting stops all the same.
        """

        C: float = Field(30.0, gt=0)
        steps: tuple[str, ...] = ("power", "centre", "unit")
        tol: float = Field(1e-3, gt=0)
        iterations: int = Field(300, ge=1)

    level: ClassVar[Level] = "window"
    multi_label = True

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        self.seed = seed
        self.fixed_: Arrays = {}
        self.options: Any = self.Options.read(settings, key=f"head {self.KIND}")

    @abstractmethod
    def start(self, H: FloatArray, n_classes: int) -> Arrays:
        """Where fitting starts: ``projections``, shape (D, K), and the pooling's own arrays.

        What is made of the windows once, and not fitted, goes to `fixed_`.
        """

    def read(self, H: FloatArray) -> FloatArray:
        """What the pooling reads of windows beside their projections, (N, D) -> (N, ...)."""
        return H

    @abstractmethod
    def pooled(
        self, read: FloatArray, projected: FloatArray, bags: Bags, arrays: Arrays
    ) -> tuple[FloatArray, Backward]:
        """Logits of clips, (n, C), and what leads their gradient back.

        Parameters
        ----------
        read : ndarray, shape (N, ...)
            What `read` makes of windows.
        projected : ndarray, shape (N, K)
            Windows on the projections.
        """

    def penalty(self, name: str) -> float:
        """Strength of the penalty on an array."""
        return 0.0 if name == "intercept" else 1 / float(self.options.C)

    def fit(
        self,
        train: Examples,
        *,
        unlabelled: Examples | None = None,
        validation: Examples | None = None,
        context: TrainingContext | None = None,
    ) -> Self:
        """Learn projections and pooling together, by L-BFGS from the labels of clips."""
        self.multi_label_ = train.multi_label
        present = np.flatnonzero(train.targets.any(axis=0))
        if len(present) < 2:
            raise ParameterError("a classifier needs clips of at least two classes to learn from")
        kept = np.arange(len(train.classes)) if self.multi_label_ else present
        self.classes_ = [train.classes[at] for at in kept]
        blocks = train.features.spec.blocks or None
        windows = train.windows().astype(np.float64)
        self.steps_ = Steps(list(self.options.steps), blocks).fit(windows)
        H, bags = self.steps_.transform(windows), Bags.of(train)
        weight = np.ones(len(train)) if train.clip_weights is None else train.clip_weights
        self.arrays_ = self._minimised(H, bags, train.targets[:, kept], weight)
        return self

    def _minimised(
        self, H: FloatArray, bags: Bags, targets: npt.NDArray[Any], weight: FloatArray
    ) -> Arrays:
        start = self.start(H, targets.shape[1]) | {"intercept": np.zeros(targets.shape[1])}
        ends = np.cumsum([array.size for array in start.values()])[:-1]
        read = self.read(H)

        def unpacked(flat: FloatArray) -> Arrays:
            parts = np.split(flat, ends)
            return {n: p.reshape(a.shape) for (n, a), p in zip(start.items(), parts, strict=True)}

        def objective(flat: FloatArray) -> tuple[float, FloatArray]:
            arrays = unpacked(flat)
            logits, backward = self.pooled(read, H @ arrays["projections"], bags, arrays)
            logits = logits + arrays["intercept"]
            loss, of_logits = _loss(logits, targets, several=self.multi_label_)
            of_logits = weight[:, None] * of_logits
            of_projected, gradients = backward(of_logits)
            gradients["projections"] = H.T @ of_projected
            gradients["intercept"] = of_logits.sum(axis=0)
            total = float(weight @ loss)
            for name, array in arrays.items():
                strength = self.penalty(name)
                total += strength * float((array**2).sum()) / 2
                gradients[name] = gradients[name] + strength * array
            return total, np.concatenate([gradients[name].ravel() for name in arrays])

        found = minimize(
            objective,
            np.concatenate([array.ravel() for array in start.values()]),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self.options.iterations, "gtol": self.options.tol, "ftol": 1e-9},
        )
        return {name: array.copy() for name, array in unpacked(found.x).items()}

    def predict(self, examples: Examples) -> Scores:
        """Scores of clips, and of each window as if it were a clip by itself."""
        H = self.steps_.transform(examples.windows().astype(np.float64))
        windows, clips = (self._scores(H, bags) for bags in (Bags.alone(len(H)), Bags.of(examples)))
        return Scores(tuple(self.classes_), windows, clips)

    def _scores(self, H: FloatArray, bags: Bags) -> FloatArray:
        projected = H @ self.arrays_["projections"]
        logits, _ = self.pooled(self.read(H), projected, bags, self.arrays_)
        logits = logits + self.arrays_["intercept"]
        return np.asarray(expit(logits) if self.multi_label_ else softmax(logits, axis=1))

    def save(self, folder: Path) -> None:
        """Write what was learned into `folder`, which is made, without pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        save_object(self.steps_, folder / STEPS)
        fixed = {f"{FIXED}{name}": array for name, array in self.fixed_.items()}
        np.savez(folder / ARRAYS, **self.arrays_, **fixed)  # type: ignore[arg-type]
        facts = {
            "kind": self.KIND,
            "settings": self.options.model_dump(),
            "seed": self.seed,
            "classes": self.classes_,
            "multi_label": self.multi_label_,
        }
        (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            if facts["kind"] != cls.KIND:
                raise StoreError(f"{folder} holds {facts['kind']}, not {cls.KIND}")
            found = cls(seed=facts["seed"], **facts["settings"])
            found.classes_, found.multi_label_ = facts["classes"], facts["multi_label"]
            with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                found.arrays_ = {n: a for n, a in arrays.items() if not n.startswith(FIXED)}
                found.fixed_ = {
                    n.removeprefix(FIXED): a for n, a in arrays.items() if n.startswith(FIXED)
                }
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise StoreError(f"{folder} holds no {cls.KIND} head ({error})") from error
        found.steps_ = load_object(folder / STEPS)
        return found


def _loss(
    logits: FloatArray, targets: npt.NDArray[Any], *, several: bool
) -> tuple[FloatArray, FloatArray]:
    """Negative log-likelihood of each clip, (n,), and its gradient by the logits, (n, C)."""
    if several:
        loss = -(targets * log_expit(logits) + (1 - targets) * log_expit(-logits)).sum(axis=1)
        return loss, expit(logits) - targets
    told = log_softmax(logits, axis=1)
    return -(targets * told).sum(axis=1), np.exp(told) - targets
