"""What ``faunashot validate fit`` prints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from faunashot.cli.output import answer, note

if TYPE_CHECKING:
    from faunashot.detection.validation.fitting import CheckedClass
    from faunashot.evaluation.uncertainty import Interval

ENDS = ("", "_low", "_high")
"""Of the names of a figure and of its interval's ends."""


def row_of(one: CheckedClass) -> dict[str, Any]:
    """What is said of a class, whatever precision is wished."""
    lowest = float(one.scores.min())
    return {
        "label": one.label,
        "detections": len(one.scores),
        "right": one.count("yes"),
        "wrong": one.count("no"),
        "uncertain": one.count("uncertain"),
        "precision": one.curve.above(lowest),
        "bounds": one.bounds(lowest),
    }


def not_reached(one: CheckedClass, precision: float, *, shown: bool) -> str:
    """A line about a class whose detections reach a precision nowhere."""
    score, best = one.curve.best()
    how = "is not shown" if shown else "is not reached"
    return (
        f"{one.label}: a precision of {precision:g} {how}; it is at most {_written(best)}, from a "
        f"score of {score:.3f} on"
    )


def print_rows(rows: Sequence[dict[str, Any]], precision: float | None) -> None:
    """Print a table of the classes, one by score where scores were asked for, and notes."""
    shown: list[dict[str, Any]] = []
    at_scores: list[dict[str, Any]] = []
    for row in rows:
        line = {
            "label": row["label"],
            "detections": row["detections"],
            "right": f"{row['right']} of {row['right'] + row['wrong']}",
            "precision": _cell(row["precision"]),
        }
        if precision is not None:
            threshold, ends = row.get("threshold"), row.get("threshold_interval")
            line[f"threshold for {precision:g}"] = _cell(ends, digits=3) if ends else "none"
            if threshold:
                there = (threshold[f"precision{end}"] for end in ENDS)
                line |= {"there": _cell(there), "kept": _cell(row["kept"])}
        shown.append(line)
        for at in row["scores"]:
            found = {"label": at["label"], "from": at["score"], "detections": at["detections"]}
            for name in ("precision", "kept", "chance"):
                found[name] = _cell(at[f"{name}{end}"] for end in ENDS)
            at_scores.append(found)
    answer(shown, as_json=False)
    if at_scores:
        answer(at_scores, as_json=False)
    for row in rows:
        if row["bounds"]:
            wrong, right = row["bounds"]
            note(
                f"{row['label']}: {row['uncertain']} uncertain ones are left out; were they all "
                f"wrong, precision {_written(wrong)}, were they all right, {_written(right)}"
            )


def _cell(of: Iterable[float | None], *, digits: int = 2) -> str:
    """A figure, and its interval below it."""
    value, low, high = ("none" if end is None else f"{end:.{digits}f}" for end in of)
    return f"{value}\n{low} to {high}"


def _written(of: Interval, *, digits: int = 2) -> str:
    low, high = ("none" if end is None else f"{end:.{digits}f}" for end in (of.low, of.high))
    return f"{of.value:.{digits}f} [{low}, {high}]"


def jsonable(row: dict[str, Any]) -> dict[str, Any]:
    """A row with dictionaries in place of intervals."""
    from faunashot.evaluation.uncertainty import Interval

    def plain(value: Any) -> Any:
        if isinstance(value, Interval):
            return value._asdict()
        if isinstance(value, tuple):
            return dict(zip(("all_wrong", "all_right"), map(plain, value), strict=True))
        return value

    return {name: plain(value) for name, value in row.items()}
