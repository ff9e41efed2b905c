"""The contract of everything that learns targets from features: heads and networks alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from faunashot.estimators.examples import Examples, FloatArray, Scores

Level = Literal["clip", "window"]


@dataclass(frozen=True)
class TrainingContext:
    """What training a whole network needs beside its examples; heads ignore it.

    Attributes
    ----------
    backbone : callable
        Loads the pretrained backbone whose layers are trained, where the system trains one.
    checkpoint : path, optional
        Where training is kept, so that a run that was killed goes on; nothing is kept without it.
    on_epoch : callable
        Is told the facts of each epoch, JSON-ready, once its checkpoint is written.
    noise : callable
        Loads the features of recordings of noise, shape (N, dim), or None where there are none.
    """

    backbone: Callable[[], Any] | None = None
    checkpoint: Path | None = None
    on_epoch: Callable[[Mapping[str, Any]], None] = field(default=lambda facts: None)
    noise: Callable[[], npt.NDArray[np.float32] | None] = field(default=lambda: None)


@dataclass(frozen=True)
class LearningSet:
    """What one estimator learns from: the arguments of `Estimator.fit`."""

    train: Examples
    unlabelled: Examples | None = None
    validation: Examples | None = None
    context: TrainingContext | None = None


class Estimator(ABC):
    """Learns targets from features. How it pools the windows of a clip is its own business.

    Attributes
    ----------
    packages : tuple of str
        Python packages that it needs when it is served.
    KIND : str
        Its name, by which a stored one is loaded.
    level : "clip" or "window"
        What a row that it learns from is.
    uses_validation : bool
        Whether clips are held back from it to choose on (when to stop, how to pool).
    takes_source : bool
        Whether it can learn from a source corpus beside the one that is scored.
    multi_label : bool
        Whether it can learn several labels a clip.
    least_k : int
        Labelled clips a class that it needs.
    threads_setting : str
        The setting that bounds its threads, where it has one.
    reads_class_scores : bool
        Whether its features are the backbone's scores of the backbone's own classes.
    classes_ : sequence of str
        The classes it has learned, once fitted.
    """

    KIND: ClassVar[str]
    packages: ClassVar[tuple[str, ...]] = ()
    level: ClassVar[Level]
    uses_validation: ClassVar[bool] = False
    takes_source: ClassVar[bool] = False
    reads_class_scores: bool = False
    multi_label: ClassVar[bool] = False
    least_k: ClassVar[int] = 1
    threads_setting: ClassVar[str] = ""
    classes_: Any

    @abstractmethod
    def fit(
        self,
        train: Examples,
        *,
        unlabelled: Examples | None = None,
        validation: Examples | None = None,
        context: TrainingContext | None = None,
    ) -> Self:
        """Learn from examples.

        Parameters
        ----------
        train : Examples
            Labelled clips.
        unlabelled : Examples, optional
            Clips of the training side whose labels are not known.
        validation : Examples, optional
            Labelled clips to choose on, of other source recordings than `train`.
        context : TrainingContext, optional
            What training a network needs beside.

        Raises
        ------
        ParameterError
            A setting is out of range, or there are fewer than two classes.
        """

    @classmethod  # noqa: B027 (most need no more)
    def require(cls) -> None:
        """Raise `ParameterError` where the machine lacks what packages of Python do not bring."""

    @classmethod
    def fit_many(cls, estimators: Sequence[Self], sets: Sequence[LearningSet]) -> Iterator[Self]:
        """Fit estimators of equal settings, each on its own set; gives them as they are fitted."""
        for estimator, one in zip(estimators, sets, strict=True):
            yield estimator.fit(
                one.train,
                unlabelled=one.unlabelled,
                validation=one.validation,
                context=one.context,
            )

    @abstractmethod
    def predict(self, examples: Examples) -> Scores:
        """Scores of windows and clips, whose targets are not looked at."""

    def predict_clips(self, examples: Examples) -> FloatArray:
        """Scores of clips alone, shape (n, C), for those to whom windows are further work."""
        return self.predict(examples).clips

    def chosen(self) -> dict[str, Any]:
        """What was chosen on the validation clips, JSON-ready."""
        return {}

    @classmethod
    def settled(cls, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """Settings to learn from all clips with, once several fits have chosen.

        Parameters
        ----------
        chosen : sequence of mapping
            Of each fit its ``settings``, and what `chosen` says.

        Returns
        -------
        dict or None
            None where some clips have to be held back all the same.
        """
        settings: dict[str, Any] = most_frequent([facts["settings"] for facts in chosen])
        return settings

    def fits_beside_others(self, n_clips: int) -> bool:
        """Whether two, of so many labelled clips each, are fitted sooner side by side."""
        return False

    def cost(self) -> dict[str, int] | None:
        """Parameters and multiply-adds (``macs``) of a network, None of anything else."""
        return None

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was learned into `folder`, without pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""


def most_frequent(values: Sequence[Any]) -> Any:
    """The value that occurs most often, the first of several."""
    return max(values, key=values.count)


def columns(
    scores: FloatArray, learned: Sequence[str], classes: Sequence[str], *, multi_label: bool = False
) -> FloatArray:
    """Scores of `classes` from those of the classes that were learned.

    Where others were learned, those are left out and, of one label a clip, the rest made to sum
    to 1; a class that was not learned scores 0.

    Parameters
    ----------
    scores : ndarray, shape (N, len(learned))

    Returns
    -------
    ndarray, shape (N, len(classes))
    """
    have = [str(name) for name in learned]
    if have == list(classes):
        return scores
    picked = np.zeros((len(scores), len(classes)))
    for column, name in enumerate(classes):
        if name in have:
            picked[:, column] = scores[:, have.index(name)]
    if multi_label:
        return picked
    total = picked.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(picked, total, out=picked, where=total > 0))
