"""Detections and annotations brought together: one name for a recording, and one for a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from faunashot.annotations.matching import match_recordings
from faunashot.annotations.reading import EventTables
from faunashot.errors import AnnotationError

SLACK_S = 0.5
"""Seconds by which an annotation may reach beyond a recording's end: people draw boxes by hand."""

MOST_LINES = 5
"""Lines about single recordings; how many more there are is said in one."""


@dataclass
class Sides:
    """Two tables whose recordings and labels have the same names.

    Attributes
    ----------
    detections, annotations : DataFrame
        As `faunashot.annotations.table.as_table` gives it, of recordings that were annotated.
    recordings : list of str
        Those that are scored, by the name that the annotations have for them.
    duration_s : dict of str to float
        Of the recordings whose length is known.
    notes : list of str
        What was left out, and why, a line each.
    """

    detections: pd.DataFrame
    annotations: pd.DataFrame
    recordings: list[str]
    duration_s: dict[str, float]
    notes: list[str] = field(default_factory=list)


def brought_together(
    detected: EventTables,
    annotated: EventTables,
    *,
    labels: Mapping[str, str] | None = None,
    duration_s: Mapping[str, float] | None = None,
    all_recordings: bool = False,
    points: bool = False,
) -> Sides:
    """Match recordings, rename labels, and leave out what cannot be scored.

    Parameters
    ----------
    detected, annotated : EventTables
        As `faunashot.annotations.reading.read_all` gives them.
    labels : mapping of str to str, optional
        Labels of either side, and what they are called here.
    duration_s : mapping of str to float, optional
        Seconds of recordings, by any of their names.
    all_recordings : bool
        Whether recordings without an annotation table count as annotated with nothing; else their
        detections are left out.
    points : bool
        Whether events of no length can be scored.

    Raises
    ------
    AnnotationError
        No recording is on both sides.
    """
    matched = match_recordings(detected.recordings, annotated.recordings)
    if detected.recordings and annotated.recordings and not (matched.pairs or all_recordings):
        raise AnnotationError(
            f"no recording is on both sides: detections are of {detected.recordings[0]}, ..., "
            f"annotations of {annotated.recordings[0]}, ...; " + (matched.ambiguous or [""])[0]
        )
    notes = [*matched.ambiguous]
    recordings = list(annotated.recordings)
    names = dict(matched.pairs)
    if extra := matched.only_first:
        if all_recordings:
            recordings += extra
            names |= {name: name for name in extra}
            notes.append(f"{_named(extra)}: no annotations; taken as annotated with nothing")
        else:
            notes.append(
                f"{_named(extra)}: no annotations, left out; `--all` takes it as annotated with "
                "nothing"
            )
    if lacking := matched.only_second:
        notes.append(f"{_named(lacking)}: annotated, but no detections: all of it counts as missed")
    detections = _renamed(detected.events, names, labels or {})
    annotations = _renamed(annotated.events, {name: name for name in recordings}, labels or {})
    lengths = match_recordings(duration_s or {}, recordings)
    known = {ours: float((duration_s or {})[name]) for name, ours in lengths.pairs.items()}
    annotations, beyond = _within(annotations, known)
    sides = Sides(detections, annotations, recordings, known, [*notes, *beyond])
    for what in ("detections", "annotations"):
        _leave_out(sides, what, points=points)
    sides.notes += label_notes(
        *(of["label"].unique() for of in (sides.detections, sides.annotations))
    )
    return sides


def label_notes(detected: Iterable[str], annotated: Iterable[str]) -> list[str]:
    """Lines about labels of one side alone, and which of them may be the same."""
    ours, theirs = set(detected), set(annotated)
    notes = []
    plain = {_plain(label): label for label in sorted(theirs - ours)}
    alike = {
        label: plain[_plain(label)] for label in sorted(ours - theirs) if _plain(label) in plain
    }
    for label, other in alike.items():
        notes.append(
            f"{label!r} is detected and {other!r} annotated: if they are the same, give a map "
            f"with the line {label},{other} (--labels map.csv)"
        )
    if never := sorted(theirs - ours - {*alike.values()}):
        notes.append(f"annotated, but never detected: {_listed(never)}")
    if more := sorted(ours - theirs - {*alike}):
        notes.append(f"detected, but never annotated, all false alarms: {_listed(more)}")
    return notes


def _plain(label: str) -> str:
    """A label without case, and with one blank for all that is neither letter nor digit."""
    letters = (letter if letter.isalnum() else " " for letter in label.casefold())
    return " ".join("".join(letters).split())


def _renamed(
    events: pd.DataFrame, names: Mapping[str, str], labels: Mapping[str, str]
) -> pd.DataFrame:
    known = events[events["file"].isin(names.keys())]
    label = known["label"].map(lambda text: labels.get(text, text))
    return known.assign(file=known["file"].map(names), label=label).reset_index(drop=True)


def _within(
    annotations: pd.DataFrame, known: Mapping[str, float]
) -> tuple[pd.DataFrame, list[str]]:
    """Annotations cut to their recordings, and lines about those that lie beyond the end."""
    end = annotations["file"].map(known).to_numpy(np.float64)
    with np.errstate(invalid="ignore"):
        beyond = annotations["start_s"].to_numpy() >= end
        over = ~beyond & (annotations["end_s"].to_numpy() > end + SLACK_S)
    lines = []
    for which, said in ((beyond, "begin after its end, left out"), (over, "end after it, cut off")):
        lines += [
            f"{name}: {n} annotations {said} (it is {known[str(name)]:g} s long)"
            for name, n in annotations["file"][which].value_counts(sort=False).items()
        ]
    cut = annotations["end_s"].where(np.isnan(end), np.minimum(annotations["end_s"], end))
    kept = annotations.assign(end_s=cut)[~beyond].reset_index(drop=True)
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} more recordings"]
    return kept, lines


def _leave_out(sides: Sides, what: str, *, points: bool) -> None:
    """Drop events without a label, and those of no length where they cannot be scored."""
    events = getattr(sides, what)
    unlabelled = (events["label"] == "").to_numpy()
    if unlabelled.any():
        sides.notes.append(f"{unlabelled.sum()} {what} have no label: left out")
    empty = (events["end_s"] <= events["start_s"]).to_numpy() & ~unlabelled
    if empty.any() and not points:
        sides.notes.append(
            f"{empty.sum()} {what} have no length: left out; `--overlap any` scores them"
        )
    kept = ~unlabelled & (points | ~empty)
    setattr(sides, what, events[kept].reset_index(drop=True))


def _named(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more recordings"


def _listed(labels: list[str]) -> str:
    more = f" and {len(labels) - 8} more" if len(labels) > 8 else ""
    return ", ".join(map(repr, labels[:8])) + more


def read_labels_map(path: Path) -> dict[str, str]:
    """Labels and what they are called, from a CSV file of two columns without a header.

    Raises
    ------
    AnnotationError
        A line has not two cells.
    """
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [row for row in csv.reader(file) if row]
    if bad := next((n for n, row in enumerate(rows, 1) if len(row) != 2), None):
        raise AnnotationError(f"{path}: line {bad}: needs two cells, a label and its name here")
    return {old.strip(): new.strip() for old, new in rows}
