"""Held-out window scores to the figures of a run: with intervals, at windows and at clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation.calibration import mean_gap, reliability
from faunashot.evaluation.figures import clip_intervals, label_intervals
from faunashot.evaluation.metrics import OF_CLASS, confusion, pool_windows
from faunashot.evaluation.significance import paired_runs
from faunashot.evaluation.uncertainty import Interval

MAIN = "main"
"""Condition of the run itself."""

DIGITS = 4
"""Decimals of every figure, so that all places that print it agree."""

CONDITION_COLUMNS = (
    *("condition", "k", "macro_f1", "macro_f1_low", "macro_f1_high", "accuracy"),
    *("difference", "difference_low", "difference_high", "p_value"),
)


@dataclass(frozen=True)
class Summary:
    """The figures of a run.

    Attributes
    ----------
    metrics : at the headline k; ``NAME``, ``NAME_low``, ``NAME_high`` for clips, ``window`` for
        windows, counts; ``per_class`` by label, and ``conditions`` by name.
    curve : one row a k: k, runs, then each figure with its interval.
    per_class : label, precision, recall, f1, support at the headline k, each but support with
        ``_low`` and ``_high``; missing where there is no interval.
    confusion : counts over all scored clips at the headline k, rows true, columns predicted.
    predictions : one row a scored clip: episode, fold, clip_id, group, label, predicted,
        p_<class>.
    conditions : one row a further condition and k: macro-F1 with its interval, accuracy, and the
        difference in macro-F1 of the run itself from it, with interval and p-value.
    calibration : the table of `calibration.reliability` at the headline k, twice: temperature is
        "before" or "after" scaling.
    """

    metrics: dict[str, Any]
    curve: pd.DataFrame
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    predictions: pd.DataFrame
    conditions: pd.DataFrame
    calibration: pd.DataFrame


def summarise(
    held_out: pd.DataFrame,
    classes: Sequence[str],
    *,
    headline_k: int,
    windows: pd.DataFrame | None = None,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> Summary:
    """Summarise scores of held-out clips or of their windows.

    Parameters
    ----------
    windows : the same columns for windows at the headline k, where `held_out` has whole clips.
    held_out : columns k, episode (-1 where nothing is drawn), fold, clip_id, label, group,
        start_s, end_s and a column ``p_<class>`` for each of `classes`. Where there is a column
        condition, rows in which it is neither missing nor ``main`` are of the same clips scored
        under another condition, over the same episodes.

    Raises
    ------
    ParameterError
        If a condition was scored at another k, or not on the episodes or clips of the run itself.

    Notes
    -----
    A window counts in its clip by the seconds of it that it covers: what is padding says nothing.
    Figures and their intervals are those of `figures.clip_intervals`, differences those of
    `significance.paired_runs`.
    """
    columns = [f"p_{name}" for name in classes]
    settings: dict[str, Any] = {"level": level, "draws": draws, "seed": seed}
    main, others = _conditions(held_out)
    curve, tables = [], {}
    for k, of_k in _by_k(main).items():
        clips = tables[k] = _clips(of_k, columns)
        found = clip_intervals(clips, classes, **settings)
        curve.append({"k": k, "runs": clips["episode"].nunique(), **flat(found.overall)})
        if k == headline_k:
            headline = found
            rows = of_k if windows is None else windows
            of_windows = label_intervals(_decide(rows, columns), classes, **settings)
            calibration = _calibration(of_k, columns)
    if headline_k not in tables:
        raise ValueError(f"nothing was scored at k = {headline_k}")
    clips = tables[headline_k]
    support = clips["label"].value_counts().reindex(list(classes), fill_value=0).to_numpy()
    per_class = headline.of_class.round(DIGITS).assign(support=support)
    conditions = _compared(tables, others, classes, columns=columns, settings=settings)
    metrics = {
        **flat(headline.overall),
        "calibration_error_before": round(mean_gap(calibration["before"]), DIGITS),
        "window": flat(of_windows),
        "k": headline_k,
        "classes": len(classes),
        "clips": int(clips["clip_id"].nunique()),
        "scored": len(clips),
        "per_class": _by(per_class, "label"),
    }
    if not conditions.empty:
        at_headline = conditions[conditions["k"] == headline_k].drop(columns="k")
        metrics["conditions"] = _by(at_headline, "condition")
    kept = ["episode", "fold", "clip_id", "group", "label", "predicted", *columns]
    first = ["label", *OF_CLASS, "support"]
    return Summary(
        metrics=metrics,
        curve=pd.DataFrame(curve),
        per_class=per_class[[*first, *per_class.columns.difference(first, sort=False)]],
        confusion=confusion(clips["label"], clips["predicted"], classes),
        predictions=clips[kept].round(dict.fromkeys(columns, 6)),
        conditions=conditions,
        calibration=pd.concat(calibration, names=["temperature"]).reset_index(level=0),
    )


def _conditions(held_out: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Rows of the run itself, and those of each further condition."""
    if "condition" not in held_out:
        return held_out, {}
    name = held_out["condition"].astype(object).fillna(MAIN)
    rows = {str(condition): of for condition, of in held_out.groupby(name, sort=True)}
    return rows.pop(MAIN, held_out.iloc[:0]), rows


def _compared(
    tables: Mapping[int, pd.DataFrame],
    others: Mapping[str, pd.DataFrame],
    classes: Sequence[str],
    *,
    columns: list[str],
    settings: dict[str, Any],
) -> pd.DataFrame:
    """The table `Summary.conditions`, from the run's clips by k and the rows of conditions."""
    rows = []
    for condition, held_out in others.items():
        for k, of_k in _by_k(held_out).items():
            if k not in tables:
                raise ParameterError(f"condition {condition!r}: scored at k = {k}, the run is not")
            clips = _clips(of_k, columns)
            # which clips belong together does not change with what a condition made of them
            group = tables[k].drop_duplicates("clip_id").set_index("clip_id")["group"]
            clips["group"] = clips["clip_id"].map(group)
            difference = paired_runs(tables[k], clips, classes, **settings)
            found = label_intervals(clips, classes, **settings)
            row = {"condition": condition, "k": k, **flat(found)}
            row |= flat({"difference": difference.macro_f1})
            rows.append(row | {"p_value": round(difference.p_value, DIGITS)})
    return pd.DataFrame(rows, columns=list(CONDITION_COLUMNS))


def _by_k(held_out: pd.DataFrame) -> dict[int, pd.DataFrame]:
    return {int(str(k)): of_k for k, of_k in held_out.groupby("k", sort=True)}


def _clips(windows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """LogOpinionPool probabilities of every clip of an episode, and the class decided for."""
    covered_s = windows["end_s"] - windows["start_s"]
    pooled = pool_windows(windows, columns, by=("episode", "fold", "clip_id"), weight=covered_s)
    return _decide(_normalised(pooled, columns), columns)


def _calibration(rows: pd.DataFrame, columns: list[str]) -> dict[str, pd.DataFrame]:
    """Reliability of clips before and after temperature scaling.

    Tempering keeps the logarithms of a row in proportion, so that its temperature undoes it.
    """
    tempered = rows.get("temperature", pd.Series(1.0, index=rows.index)).to_numpy(dtype=float)
    values = rows[columns].to_numpy(dtype=float)
    powers = values ** tempered[:, None]
    total = powers.sum(axis=1, keepdims=True)
    share = np.divide(powers, total, out=np.zeros_like(powers), where=total > 0)
    before = rows.copy()
    before[columns] = share * values.sum(axis=1, keepdims=True)
    tables = {}
    for name, of in (("before", before), ("after", rows)):
        clips = _clips(of, columns)
        confidence = clips[columns].to_numpy().max(axis=1)
        tables[name] = reliability(confidence, clips["label"] == clips["predicted"])
    return tables


def _normalised(clips: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Scores of a clip to probabilities; a clip with no score at all is a uniform guess."""
    values = clips[columns].to_numpy(dtype=float)
    total = values.sum(axis=1, keepdims=True)
    even = np.full_like(values, 1 / len(columns))
    return clips.assign(
        **pd.DataFrame(
            np.divide(values, total, out=even, where=total > 0), columns=columns, index=clips.index
        )
    )


def _decide(table: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    names = np.array([name.removeprefix("p_") for name in columns], dtype=object)
    return table.assign(predicted=names[table[columns].to_numpy().argmax(axis=1)])


def flat(intervals: Mapping[str, Interval]) -> dict[str, float | None]:
    """Intervals in columns of their own, ``NAME``, ``NAME_low`` and ``NAME_high``, rounded."""
    flat: dict[str, float | None] = {}
    for name, found in intervals.items():
        for suffix, value in (("", found.value), ("_low", found.low), ("_high", found.high)):
            flat[name + suffix] = None if value is None else round(float(value), DIGITS)
    return flat


def _by(table: pd.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    """Rows by `key`, with None for what is missing: JSON has no NaN."""
    named = table.set_index(key).astype(object)
    rows = named.where(named.notna(), None).T.to_dict()
    return {str(name): {str(k): v for k, v in row.items()} for name, row in rows.items()}
