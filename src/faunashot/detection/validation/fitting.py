"""What checked detections say: precision by score of each class, and thresholds for a model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.detection.validation.folder import NO, UNCERTAIN, YES
from faunashot.errors import AnnotationError
from faunashot.evaluation.precision_curve import PrecisionCurve
from faunashot.evaluation.uncertainty import Interval
from faunashot.systems.record import ClassThreshold

SOURCE = "checked by ear"
"""As `ClassThreshold` says it."""


@dataclass(frozen=True)
class CheckedClass:
    """The checked detections of a class.

    Attributes
    ----------
    label : str
    scores : ndarray, shape (N,)
        Of all detections that the checked ones were drawn from.
    checked : DataFrame
        ``score`` and ``answer`` of those that have an answer, at least one of them yes or no.
    waiting : int
        Drawn ones without an answer yet.
    confidence_level : float
        Of intervals.
    """

    label: str
    scores: npt.NDArray[np.float64]
    checked: pd.DataFrame = field(repr=False)
    waiting: int = 0
    confidence_level: float = 0.95

    def count(self, answer: str) -> int:
        """How often an answer was given."""
        return int((self.checked["answer"] == answer).sum())

    @cached_property
    def curve(self) -> PrecisionCurve:
        """Precision by score; those that are uncertain are left out."""
        return self.curve_with(uncertain=None)

    def curve_with(self, *, uncertain: bool | None) -> PrecisionCurve:
        """Precision by score were the uncertain ones all right, all wrong, or (None) left out."""
        used = self.checked
        if uncertain is None:
            used = used[used["answer"] != UNCERTAIN]
        right = (used["answer"] == YES) | ((used["answer"] == UNCERTAIN) & bool(uncertain))
        return PrecisionCurve(
            used["score"], right, among=self.scores, confidence_level=self.confidence_level
        )

    def bounds(self, threshold: float) -> tuple[Interval, Interval] | None:
        """Precision above a score were all uncertain ones wrong, and right; None without any."""
        if not self.count(UNCERTAIN):
            return None
        wrong, right = (self.curve_with(uncertain=answer) for answer in (False, True))
        return wrong.above(threshold), right.above(threshold)

    def class_threshold(self, precision: float, *, shown: bool = False) -> ClassThreshold | None:
        """The threshold for a wished precision, as a model keeps it; None if it is not reached."""
        found = self.curve.threshold(precision, shown=shown)
        if found is None:
            return None
        reached = self.curve.above(found.value)
        return ClassThreshold(
            value=found.value,
            source=SOURCE,
            precision=reached.value,
            precision_low=reached.low,
            precision_high=reached.high,
            n=self.count(YES) + self.count(NO),
        )


def checked_classes(
    answers: pd.DataFrame, *, confidence_level: float = 0.95
) -> tuple[list[CheckedClass], list[str]]:
    """Classes with a yes or no, and a line for each that has none.

    Parameters
    ----------
    answers : DataFrame
        As `faunashot.detection.validation.folder.read_answers` gives it.
    confidence_level : float
        Of intervals.

    Raises
    ------
    AnnotationError
        No detection has been answered yes or no.
    """
    found, lines = [], []
    for label, rows in answers.groupby("label", sort=True):
        given = rows[rows["answer"] != ""]
        waiting = int((rows["check"] != "").sum()) - len(given)
        if given["answer"].isin([YES, NO]).any():
            scores = rows["score"].to_numpy(np.float64)
            checked = given[["score", "answer"]].reset_index(drop=True)
            found.append(CheckedClass(str(label), scores, checked, waiting, confidence_level))
        else:
            lines.append(f"{label}: none of its {waiting + len(given)} checks is a yes or a no")
    if not found:
        raise AnnotationError(
            "no check has an answer: fill the column `correct` with yes, no or uncertain"
        )
    return found, lines


def table_of(classes: Iterable[CheckedClass], at: Iterable[float]) -> list[dict[str, Any]]:
    """A row for each class and score: the precision from there on, what is kept, and the chance.

    Scores that no detection of a class reaches have no row.
    """
    rows = []
    for one in classes:
        for score in at:
            if score > one.scores.max():
                continue
            precision, kept = one.curve.above(score), one.curve.kept(score)
            chance = Interval.of(one.curve.at(score)[:, 0])
            row = {"label": one.label, "score": score}
            row["detections"] = int((one.scores >= score).sum())
            row["checked"] = int((one.checked["score"] >= score).sum())
            for name, of in (("precision", precision), ("kept", kept), ("chance", chance)):
                row |= {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
            rows.append(row)
    return rows
