"""Score detections against annotations: figures with intervals over recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.annotations.reading import EventTables
from faunashot.audio.recorded import site_of
from faunashot.detection.scoring.overlap import (
    Criterion,
    Events,
    Matching,
    Pairs,
    one_to_one,
    overlapping,
)
from faunashot.detection.scoring.sides import Sides, brought_together
from faunashot.detection.scoring.tally import Figures, Tally, average_precision, counts
from faunashot.errors import ParameterError
from faunashot.evaluation.uncertainty import Interval, bootstrap
from faunashot.wording import records

ALL, MACRO = "all events", "mean of labels"
"""Names of the rows of all events together (micro), and of the mean over annotated labels."""

NOTHING = "(nothing)"
"""Of the confusion: nothing was annotated, or nothing was detected."""


@dataclass
class Scored:
    """What `score` found.

    Attributes
    ----------
    rows : list of dict
        A row for all events, one for the mean over labels, then one for each ``label``, ``site``
        and ``file``, as ``of`` and ``name`` say: counts, and each figure with its ends, None where
        there is nothing to judge by.
    confusion : DataFrame
        Annotations (rows) by the label of the detection of them (columns), with `NOTHING` for
        annotations that nothing was detected of, and detections of nothing.
    recordings : int
        How many were scored.
    notes : list of str
        What was left out, and why, a line each.
    """

    rows: list[dict[str, Any]]
    confusion: pd.DataFrame
    recordings: int
    notes: list[str]


def score(
    detected: EventTables,
    annotated: EventTables,
    *,
    criterion: Criterion = "iou",
    least: float = 0.5,
    matching: Matching = "greedy",
    threshold: float | None = None,
    labels: Mapping[str, str] | None = None,
    duration_s: Mapping[str, float] | None = None,
    all_recordings: bool = False,
    model: str | None = None,
    n_bootstrap: int = 1000,
    seed: int = 0,
) -> Scored:
    """Score detections against annotations of the same recordings.

    A detection is right where it has the label of an annotation and overlaps it enough, each event
    being matched once. With ``any``, a detection is right that overlaps one or several, and an
    annotation found that one or several detections overlap: for detections that are windows.

    Parameters
    ----------
    detected, annotated : EventTables
        As `faunashot.annotations.reading.read_all` gives them.
    criterion, least, matching
        As `overlapping` and `one_to_one` take them.
    threshold : float, optional
        Detections of a lower score are left out.
    labels, duration_s, all_recordings
        As `brought_together` takes them.
    model : str, optional
        Whose detections are scored, where there are those of several.
    n_bootstrap, seed : int
        Of the intervals: recordings are drawn with replacement.

    Returns
    -------
    Scored

    Raises
    ------
    ParameterError
        There are detections of several models, or an option is out of range.
    AnnotationError
        No recording is on both sides.
    """
    detections = _of_model(detected.events, model)
    if threshold is not None:
        detections = detections[detections["score"].to_numpy() >= threshold]
    chosen = EventTables(detections, detected.recordings)
    sides = brought_together(
        chosen,
        annotated,
        labels=labels,
        duration_s=duration_s,
        all_recordings=all_recordings,
        points=criterion == "any",
    )
    names = sorted({*sides.detections["label"].unique(), *sides.annotations["label"].unique()})
    tally, pairs = _tallied(sides, names, criterion=criterion, least=least, matching=matching)
    if lacking := int(np.isnan(tally.duration_s).sum()):
        sides.notes.append(
            f"the length of {lacking} of {len(sides.recordings)} recordings is not known: no false "
            "alarms an hour (--audio FOLDER or --durations FILE.csv)"
        )
    if np.isnan(tally.scores).any():
        sides.notes.append("detections without scores: no average precision")
    rows = _rows(tally, [ALL, MACRO, *names], "label", n_bootstrap=n_bootstrap, seed=seed)
    sites = np.array([site_of(Path(name)) for name in sides.recordings], dtype=object)
    if len(set(sites)) > 1:
        for site in sorted(set(sites)):
            part = tally.within(np.flatnonzero(sites == site))
            rows += _rows(part, [site], "site", n_bootstrap=n_bootstrap, seed=seed)
    rows += _file_rows(tally, sides.recordings)
    confusion = _confusion(sides, tally, pairs, names, criterion=criterion, least=least)
    return Scored(rows, confusion, len(sides.recordings), sides.notes)


def _of_model(events: pd.DataFrame, model: str | None) -> pd.DataFrame:
    models = sorted({*events["model"].unique()} - {""})
    if model is None:
        if len(models) > 1:
            raise ParameterError(
                f"detections of {len(models)} models, {', '.join(models)}: name one with --model"
            )
        return events
    if model not in models:
        raise ParameterError.unknown("model", model, models)
    return events[events["model"] == model]


def _tallied(
    sides: Sides, names: list[str], *, criterion: Criterion, least: float, matching: Matching
) -> tuple[Tally, Pairs]:
    """The tally, and the pairs of detections and annotations of one label."""
    of_d, of_a = (
        _codes(of, sides.recordings, names) for of in (sides.detections, sides.annotations)
    )
    n = max(len(names), 1)
    events = [
        Events(recording * n + label, *_times(of))
        for (recording, label), of in ((of_d, sides.detections), (of_a, sides.annotations))
    ]
    pairs = overlapping(*events, criterion=criterion, least=least)
    scores = sides.detections["score"].to_numpy(np.float64)
    if criterion != "any":
        order = np.nan_to_num(scores)
        pairs = one_to_one(pairs, order, len(sides.annotations), matching=matching)
    right = np.zeros(len(sides.detections), dtype=bool)
    found = np.zeros(len(sides.annotations), dtype=bool)
    right[pairs.detection] = found[pairs.annotation] = True
    gains = np.zeros(len(right))
    best_first = np.argsort(-np.nan_to_num(scores)[pairs.detection], kind="stable")
    _, first = np.unique(pairs.annotation[best_first], return_index=True)
    np.add.at(gains, pairs.detection[best_first][first], 1.0)
    duration = np.array([sides.duration_s.get(name, np.nan) for name in sides.recordings])
    return Tally(*of_d, *of_a, scores, right, gains, found, duration, len(names)), pairs


def _codes(
    events: pd.DataFrame, recordings: list[str], names: list[str]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    columns = (("file", recordings), ("label", names))
    recording, label = (pd.Index(of).get_indexer(pd.Index(events[name])) for name, of in columns)
    return recording.astype(np.int64), label.astype(np.int64)


def _times(events: pd.DataFrame) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return events["start_s"].to_numpy(np.float64), events["end_s"].to_numpy(np.float64)


def _rows(
    tally: Tally, names: list[str], of: str, *, n_bootstrap: int, seed: int
) -> list[dict[str, Any]]:
    """Rows of all events, of the mean over labels, and of each label, as far as they are named."""
    figures = Figures(tally, ranked=of == "label")
    found = bootstrap(
        lambda times, _: figures(times),
        len(tally.duration_s),
        n_bootstrap=n_bootstrap,
        seed=seed,
    )
    rows = []
    for n, name in enumerate(names):
        kind = of if n > 1 or of != "label" else "all"
        row: dict[str, Any] = {"of": kind, "name": name, **_counts(tally, n - 2)}
        for figure, ends in found.items():
            value, low, high = Interval.of(_judged(ends[:, n]))
            if figure == "average_precision" and n > 1:
                chosen = tally.detection_label == n - 2
                value_or_none = average_precision(
                    tally.scores[chosen],
                    tally.right[chosen],
                    row["annotated"],
                    gains=tally.gains[chosen],
                )
                value = np.nan if value_or_none is None else value_or_none
            row[figure] = None if np.isnan(value) else value
            row[f"{figure}_low"], row[f"{figure}_high"] = low, high
        rows.append(row)
    if of == "label" and len(rows) > 1:
        exact = [row["average_precision"] for row in rows[2:] if row["annotated"]]
        if exact and None not in exact:
            rows[1]["average_precision"] = float(np.mean(exact))
    return rows


def _judged(ends: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Value and ends; no ends where there is no value."""
    return np.full(3, np.nan) if np.isnan(ends[0]) else ends


def _counts(tally: Tally, label: int) -> dict[str, int]:
    """Counts of a label, or of all where it is none."""
    d = slice(None) if label < 0 else tally.detection_label == label
    a = slice(None) if label < 0 else tally.annotation_label == label
    return {
        "annotated": int(tally.found[a].size),
        "found": int(tally.found[a].sum()),
        "detected": int(tally.right[d].size),
        "right": int(tally.right[d].sum()),
    }


def _file_rows(tally: Tally, recordings: list[str]) -> list[dict[str, Any]]:
    """Counts and figures of each recording, of all its labels together; one has no interval."""
    columns = ["annotated", "found", "detected", "right"]
    of = counts(tally).groupby("recording")[columns].sum()
    of = of.reindex(range(len(recordings)), fill_value=0)
    precision = (of["right"] / of["detected"]).to_numpy()
    recall = (of["found"] / of["annotated"]).to_numpy()
    with np.errstate(invalid="ignore"):
        f1 = np.where(precision + recall > 0, 2 * precision * recall / (precision + recall), 0.0)
    f1 = np.where(np.isnan(recall), np.nan, np.nan_to_num(f1))
    wrong = (of["detected"] - of["right"]).to_numpy() / tally.duration_s * 3600
    table = of.assign(precision=precision, recall=recall, f1=f1)
    if not np.isnan(tally.duration_s).any():
        table["false_alarms_per_hour"] = wrong
    table.insert(0, "of", "file")
    table.insert(1, "name", recordings)
    return records(table)


def _confusion(
    sides: Sides,
    tally: Tally,
    pairs: Pairs,
    names: list[str],
    *,
    criterion: Criterion,
    least: float,
) -> pd.DataFrame:
    """Which label was detected of each annotation; what is left over is matched across labels."""
    names = [*names, NOTHING]
    nothing = len(names) - 1
    d_left, a_left = np.flatnonzero(~tally.right), np.flatnonzero(~tally.found)
    events = [
        Events(recording[left], *(of[left] for of in _times(table)))
        for recording, left, table in (
            (tally.detection_recording, d_left, sides.detections),
            (tally.annotation_recording, a_left, sides.annotations),
        )
    ]
    across = overlapping(*events, criterion=criterion, least=least)
    across = one_to_one(across, np.nan_to_num(tally.scores[d_left]), len(a_left))
    of_annotation = np.full(len(tally.found), nothing)
    of_annotation[tally.found] = tally.annotation_label[tally.found]
    taken = d_left[across.detection]
    of_annotation[a_left[across.annotation]] = tally.detection_label[taken]
    alone = ~tally.right
    alone[taken] = False
    rows = np.concatenate([tally.annotation_label, np.full(int(alone.sum()), nothing)])
    columns = np.concatenate([of_annotation, tally.detection_label[alone]])
    table = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(table, (rows, columns), 1)
    return pd.DataFrame(
        table, index=pd.Index(names, name="annotated"), columns=pd.Index(names, name="detected")
    )
