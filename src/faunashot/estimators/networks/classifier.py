"""What all classifiers that are networks share: probabilities, saving and loading."""

from __future__ import annotations

import importlib
import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.calibration import fit_temperature, temper
from faunashot.estimators.networks.base import Network
from faunashot.estimators.networks.checkpoint import read_arrays, write_arrays
from faunashot.estimators.networks.cost import cost
from faunashot.estimators.networks.windows import Windows

FORMAT = 2
WEIGHTS, FACTS = "network.npz", "network.json"
AT_ONCE = 128
"""Windows that pass through the network at once where none is trained on."""

LEAST = 1e-7
"""Probability that the validation loss takes for a smaller one."""

CLASSIFIERS = {
    "end_to_end": "faunashot.estimators.networks.finetune:FineTuned",
    "from_scratch": "faunashot.estimators.networks.from_scratch:FromScratch",
}
"""Heads of systems that are networks."""

Rows = npt.NDArray[np.float32]


class NetworkClassifier(ClassifierMixin, BaseEstimator):
    """A classifier that is a network, on rows of features.

    Attributes
    ----------
    classes_ : labels, sorted.
    network_ : the fitted network.
    history_ : facts of each epoch, JSON-ready.
    """

    KIND: ClassVar[str]
    """Its name among `CLASSIFIERS`; its files carry it."""

    NEEDS: ClassVar[str]
    """What fitting takes beside windows: "initial" weights, or recordings of "noise"."""

    RANGES: ClassVar[tuple[tuple[str, float, float], ...]] = ()
    """Names of settings with their least and their greatest value."""

    classes_: npt.NDArray[Any]
    network_: Network
    history_: list[dict[str, Any]]

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

    @abstractmethod
    def fit(self, X: Rows, y: npt.ArrayLike, *rest: Any, **how: Any) -> Self:
        """Fit on rows of features, (N, dim)."""

    @abstractmethod
    def _build(self) -> None:
        """Make `network_` for `classes_` from the settings."""

    @abstractmethod
    def _logits(self, X: Rows) -> Any:
        """Logits of at most `AT_ONCE` rows, (N, dim) -> (N, C)."""

    def cost(self) -> dict[str, int]:
        """Parameters and ``macs`` of the fitted network, see `networks.cost.cost`."""
        check_is_fitted(self)
        return cost(self.network_.model)

    def predict_proba(self, X: Rows) -> npt.NDArray[np.float64]:
        """Probabilities of `classes_`, (N, dim) -> (N, C), rows sum to 1."""
        check_is_fitted(self)
        return np.asarray(softmax(in_parts(self._logits, X), axis=1), dtype=np.float64)

    def predict(self, X: Rows) -> npt.NDArray[Any]:
        """The most probable class of each row."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def save(self, folder: Path) -> None:
        """Write the fitted network into `folder`, which is made, as arrays and JSON."""
        check_is_fitted(self)
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "format": FORMAT,
            "kind": self.KIND,
            "settings": self.get_params(),
            "classes": self.classes_.tolist(),
            "history": self.history_,
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
            model = cls(**facts["settings"])
            model.classes_, model.history_ = np.asarray(facts["classes"]), facts["history"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{folder} holds no network that can be read ({error})") from error
        model._build()
        model.network_.assign(read_arrays(folder / WEIGHTS))
        return model

    def _refuse_out_of_range(self) -> None:
        for names, least, most in self.RANGES:
            for name in names.split():
                value = getattr(self, name)
                if value is not None and not least <= value <= most:
                    raise ParameterError(
                        f"{name}: {value}; needs to lie from {least:g} to {most:g}"
                    )

    def _refuse_one_class(self) -> None:
        if len(self.classes_) < 2:
            raise ParameterError("a network needs clips of at least two classes to learn from")

    def _pooled(self, held: Windows) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
        """Probabilities of clips, (n, C), and which class each is of; clips of others are left out.

        Those of a clip are the mean over its windows by their weight.
        """
        clip_of, weight = held.clip_of(), held.weights()
        _, first = np.unique(clip_of, return_index=True)
        pooled = np.zeros((len(first), len(self.classes_)))
        np.add.at(pooled, clip_of, weight[:, None] * self.predict_proba(held.X))
        pooled /= np.bincount(clip_of, weight)[:, None]
        return pooled, np.asarray(held.y)[first][:, None] == self.classes_


def classifier(kind: str) -> type[NetworkClassifier]:
    """The classifier that `CLASSIFIERS` names so."""
    module, name = CLASSIFIERS[kind].split(":")
    found: type[NetworkClassifier] = getattr(importlib.import_module(module), name)
    return found


def validated(
    pooled: npt.NDArray[np.float64], hit: npt.NDArray[np.bool_], *, tempered: bool
) -> dict[str, float]:
    """Loss and accuracy of validation clips.

    Parameters
    ----------
    pooled, hit : probabilities of the clips, (n, C), and which class each is of; of a class that
        was not learned there may be none.
    tempered : whether the loss is that under the best temperature: the surer network is not the
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


def in_parts(function: Any, X: Rows) -> npt.NDArray[np.float32]:
    """What a function gives of rows, `AT_ONCE` at a time."""
    starts = range(0, max(len(X), 1), AT_ONCE)
    return np.concatenate([function(X[at : at + AT_ONCE]) for at in starts])
