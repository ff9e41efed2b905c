"""What makes an event of window scores: each setting with what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from faunashot import options
from faunashot.errors import ParameterError
from faunashot.systems.record import TrainedSystem

DEFAULT_THRESHOLD = 0.5
"""Of a class for which neither the user nor the model says one."""

ALL = ""
"""Key of the threshold of all classes that have none of their own."""

Unit = Annotated[float, Field(ge=0, le=1)]


class DetectionSettings(options.Options):
    """What makes an event.

    Attributes
    ----------
    thresholds : dict of float
        Score from which on a window is taken for one of a class, by class; under the empty name
        of all classes that are not named. Where both are silent, the model's own are taken, and
        0.5 where it has none.
    go_on : float
        Share of its threshold down to which an event goes on once a window has reached it
        (hysteresis), so that a call whose score wavers is one event; 1 is none.
    gap_s : float
        Events of one class with no more than so many seconds between them are one.
    min_s : float
        Shorter events are left out, once those close together are one.
    unknown : "events", "suppress" or "ignore"
        What becomes of events of which no window is like anything that was learned, as the model's
        detector of the unknown says: they get the label ``unknown``, are left out, or keep that
        of the class, as if there were no detector.
    """

    thresholds: Annotated[dict[str, Unit], Field(default_factory=dict)]
    go_on: Unit = 0.5
    gap_s: Annotated[float, Field(ge=0)] = 0.0
    min_s: Annotated[float, Field(ge=0)] = 0.0
    unknown: Literal["events", "suppress", "ignore"] = "events"

    def of_classes(self, record: TrainedSystem) -> npt.NDArray[np.float64]:
        """The threshold of each class of a model, shape (C,)."""
        own = {name: threshold.value for name, threshold in record.thresholds.items()}
        everywhere = self.thresholds.get(ALL)
        return np.array(
            [
                self.thresholds.get(name, own.get(name, DEFAULT_THRESHOLD))
                if everywhere is None
                else self.thresholds.get(name, everywhere)
                for name in record.classes
            ]
        )

    def refuse_unknown_classes(self, records: Sequence[TrainedSystem]) -> None:
        """Raise `ParameterError` where a threshold is of a class that no model has."""
        known = {name for record in records for name in record.classes}
        for name in self.thresholds:
            if name != ALL and name not in known:
                raise ParameterError.unknown("--threshold", name, known)


def parse_thresholds(written: Sequence[str]) -> Mapping[str, float]:
    """Thresholds as the command line takes them: ``0.5`` for all classes, ``frog=0.3`` for one.

    Raises
    ------
    ParameterError
        One is no number from 0 to 1, or is given twice.

    Examples
    --------
    >>> parse_thresholds(["0.5", "frog=0.3"])
    {'': 0.5, 'frog': 0.3}
    """
    found: dict[str, float] = {}
    for text in written:
        name, _, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not 0 <= value <= 1:
            raise ParameterError(f"--threshold {text}: needs a number from 0 to 1, or CLASS=NUMBER")
        if name in found:
            raise ParameterError(f"--threshold {text}: given twice for {name or 'all classes'}")
        found[name] = value
    return found
