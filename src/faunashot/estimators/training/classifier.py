"""What all classifiers that are networks share: probabilities, saving and loading."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax

from faunashot import options
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, Level, TrainingContext
from faunashot.estimators.calibration import fit_temperature, temper
from faunashot.estimators.examples import Examples, Scores
from faunashot.estimators.pooling import MEAN, pool
from faunashot.estimators.training.checkpoint import read_arrays, write_arrays
from faunashot.estimators.training.cost import cost
from faunashot.estimators.training.windows import Windows
from faunashot.runtimes.keras_network import Network

FORMAT = 3
WEIGHTS, FACTS = "network.npz", "network.json"
AT_ONCE = 128
"""Windows that pass through a network at once where none is trained on, unless it is large."""

LEAST = 1e-7
"""Probability that the validation loss takes for a smaller one."""

Rows = npt.NDArray[np.float32]


class NetworkClassifier(Estimator):
    """An estimator that is a whole network, which learns from windows.

    Attributes
    ----------
    classes_ : ndarray of str, shape (C,)
        The classes that the clips which it learned from are of, sorted.
    network_ : Network
        Fitted.
    history_ : list of dict
        Facts of each epoch, JSON-ready.
    multi_label_ : bool
        Whether it learned several labels a clip, each a probability of its own.
    """

    KIND: ClassVar[str]
    """Its name; its files carry it."""

    Options: ClassVar[type[options.Options]]
    """Its settings; ``threads`` among them, which changes nothing of what is learned."""

    level: ClassVar[Level] = "window"
    uses_validation = True
    least_k = 5
    threads_setting = "threads"
    multi_label = True
    packages: ClassVar[tuple[str, ...]] = ("tensorflow",)

    classes_: npt.NDArray[Any]
    network_: Network
    history_: list[dict[str, Any]]
    multi_label_: bool

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        self.seed = seed
        self.options: Any = self.Options.read(settings, key=f"head {self.KIND}")

    @property
    def at_once(self) -> int:
        """Windows that pass through the network at once where none is trained on."""
        return AT_ONCE

    @property
    def pooling(self) -> str:
        """How windows of a clip are pooled, one of `faunashot.estimators.pooling.METHODS`."""
        return MEAN

    @property
    @abstractmethod
    def best_epoch_(self) -> int:
        """The epoch whose weights are kept."""

    @classmethod
    def settled(cls, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """Settings to learn from all clips with, from what several fits have `chosen`.

        None where some clips have to be held back all the same.
        """
        return None

    def chosen(self) -> dict[str, Any]:
        """What the validation clips chose, JSON-ready."""
        return {"best_epoch": self.best_epoch_}

    def fit(
        self,
        train: Examples,
        *,
        unlabelled: Examples | None = None,
        validation: Examples | None = None,
        context: TrainingContext | None = None,
    ) -> Self:
        """Learn from the windows of clips; see the class for what is raised beside.

        Parameters
        ----------
        train : Examples
            Labelled clips.
        unlabelled : Examples, optional
            Not learned from.
        validation : Examples, optional
            Clips to choose on, as they are: never augmented.
        context : TrainingContext, optional
            The pretrained backbone, noise, where the checkpoint is, and who is told of epochs.

        Raises
        ------
        ParameterError
            A setting is out of range, there are fewer than two classes, or the loss is no longer
            finite.
        StoreError
            The checkpoint is damaged, or was written with other settings, weights or windows.
        """
        self.multi_label_ = train.multi_label
        present = train.targets.any(axis=0)
        self.classes_ = np.asarray(train.classes)[present]
        if len(self.classes_) < 2:
            raise ParameterError("a network needs clips of at least two classes to learn from")
        learn = self._windows(train)
        held = None if validation is None else self._windows(validation)
        self._train(learn, held, context or TrainingContext())
        return self

    def _windows(self, examples: Examples) -> Windows:
        """What is learned from, or chosen on."""
        return Windows.of(examples, self.classes_)

    @abstractmethod
    def _train(self, learn: Windows, held: Windows | None, context: TrainingContext) -> None:
        """Make `network_` for `classes_` and train it, to be stopped by the windows of `held`."""

    @abstractmethod
    def _rebuild(self, architecture: Mapping[str, Any]) -> None:
        """Make `network_` for `classes_` as it was built, from what `_architecture` told."""

    def _architecture(self) -> dict[str, Any]:
        """What `_rebuild` needs beside the settings and the classes, JSON-ready."""
        return {}

    @abstractmethod
    def _logits(self, X: Rows) -> Any:
        """Logits of at most `at_once` rows of features, shape (N, dim) to (N, C)."""

    def cost(self) -> dict[str, int]:
        """Parameters and ``macs`` of the fitted network, see `training.cost.cost`."""
        return cost(self.network_.model)

    def predict(self, examples: Examples) -> Scores:
        """Probabilities of `classes_` in windows, and in clips, pooled from them."""
        rows, windows = examples.rows, examples.features.windows
        scores = self._probabilities(lambda part: np.asarray(windows[rows[part]]), len(rows))
        clips = pool(scores, examples, how=self.pooling)
        return Scores(tuple(map(str, self.classes_)), scores, clips)

    def predict_proba(self, X: Rows) -> npt.NDArray[np.float64]:
        """Probabilities of `classes_` from rows of features.

        Parameters
        ----------
        X : ndarray, shape (N, dim)

        Returns
        -------
        ndarray, shape (N, C)
            Rows sum to 1, but where clips carry several labels.
        """
        return self._probabilities(X.__getitem__, len(X))

    def _probabilities(self, rows: Callable[[slice], Rows], n: int) -> npt.NDArray[np.float64]:
        logits = in_parts(lambda part: self._logits(rows(part)), n, at_once=self.at_once)
        scores = expit(logits) if self.multi_label_ else softmax(logits, axis=1)
        return np.asarray(scores, dtype=np.float64)

    def save(self, folder: Path) -> None:
        """Write the fitted network into `folder`, which is made, as arrays and JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "format": FORMAT,
            "kind": self.KIND,
            "settings": self.options.model_dump(),
            "seed": self.seed,
            "classes": self.classes_.tolist(),
            "multi_label": self.multi_label_,
            "history": self.history_,
            **self._architecture(),
        }
        write_arrays(folder / WEIGHTS, self.network_.arrays())
        (folder / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote.

        Raises
        ------
        StoreError
            The folder holds no network, one of another kind, or one of another format.
        WeightsError
            Its arrays are those of another network.
        """
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            if facts["format"] != FORMAT:
                raise StoreError(f"{folder} has format {facts['format']}, this reads {FORMAT}")
            if facts["kind"] != cls.KIND:
                raise StoreError(f"{folder} holds a network {facts['kind']}, not {cls.KIND}")
            model = cls(seed=facts["seed"], **facts["settings"])
            model.classes_, model.history_ = np.asarray(facts["classes"]), facts["history"]
            model.multi_label_ = facts["multi_label"]
            model._rebuild(facts)
        except (OSError, ValueError, KeyError, TypeError, ParameterError) as error:
            raise StoreError(f"{folder} holds no network that can be read ({error})") from error
        model.network_.assign(read_arrays(folder / WEIGHTS))
        return model

    def _pooled(self, held: Windows) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """What `validated` takes of clips."""
        return self._as_choices(*self._clips(held))

    def _clips(self, held: Windows) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Probabilities of clips, shape (n, C), and which classes each is of."""
        pooled = pool(self.predict_proba(held.X), held.examples, how=self.pooling)
        return pooled, held.target[held.examples.first] > 0

    def _as_choices(
        self, pooled: npt.NDArray[np.float64], hit: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """As they are; or of several labels a clip, (n * C, 2): each label without and with it."""
        if self.multi_label_:
            pooled = np.stack([1 - pooled, pooled], axis=-1).reshape(-1, 2)
            hit = np.stack([~hit, hit], axis=-1).reshape(-1, 2)
        return pooled, hit


def validated(
    pooled: npt.NDArray[np.float64], hit: npt.NDArray[np.bool_], *, tempered: bool
) -> dict[str, float]:
    """Loss and accuracy of validation clips.

    Parameters
    ----------
    pooled, hit : ndarray, shape (n, C)
        Probabilities of the clips, and which class each is of; of a class that was not learned
        there may be none.
    tempered : bool
        Whether the loss is that under the best temperature: the surer network is not the
        better one.
    """
    known = hit.any(axis=1)
    scores = pooled
    if tempered:
        truth = hit[known].argmax(axis=1)
        scores = temper(pooled, fit_temperature(pooled[known], np.arange(known.sum()), truth=truth))
    own = np.where(hit, scores, 0).sum(axis=1)
    return {
        "validation_loss": float(-np.log(np.fmax(own, LEAST)).mean()),
        "validation_accuracy": float(hit[np.arange(len(hit)), pooled.argmax(axis=1)].mean()),
    }


def in_parts(function: Callable[[slice], Any], n: int, *, at_once: int) -> npt.NDArray[np.float32]:
    """What a function gives of `n` rows, so many at a time."""
    starts = range(0, max(n, 1), at_once)
    return np.concatenate([function(slice(at, at + at_once)) for at in starts])
