"""The contract of everything that learns targets from features: heads and networks alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from faunashot.estimators.examples import Examples, Scores

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


class Estimator(ABC):
    """Learns targets from features. How it pools the windows of a clip is its own business.

    Attributes
    ----------
    level : "clip" or "window"
        What a row that it learns from is.
    uses_validation : bool
        Whether clips are held back from it to choose on (when to stop, how to pool).
    classes_ : tuple of str
        The classes it has learned, once fitted.
    """

    level: ClassVar[Level]
    uses_validation: ClassVar[bool] = False
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

    @abstractmethod
    def predict(self, examples: Examples) -> Scores:
        """Scores of windows and clips, whose targets are not looked at."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write what was learned into `folder`, without pickle."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
