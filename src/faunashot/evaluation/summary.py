"""Held-out window scores to the figures of a run: with intervals, at windows and at clips."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from faunashot.errors import ParameterError
from faunashot.evaluation import LEAKING, MAIN
from faunashot.evaluation.calibration import expected_calibration_error, reliability
from faunashot.evaluation.decisions import Decisions
from faunashot.evaluation.figures import clip_intervals
from faunashot.evaluation.labels import confusion
from faunashot.evaluation.metrics import HEADLINE, metric_names, metrics_for
from faunashot.evaluation.rejection import rejection
from faunashot.evaluation.scored import OF_CLASS
from faunashot.evaluation.significance import paired_runs
from faunashot.evaluation.uncertainty import Interval
from faunashot.targets import target_matrix

DIGITS = 4
"""Decimals of every figure, so that all places that print it agree."""

ENDS = ("", "_low", "_high")
"""What a figure's name ends in: itself, and its interval over recordings and draws together."""

DRAWS = ("_draws_low", "_draws_high")
"""The interval over draws of labelled clips alone, absent where nothing is drawn."""


@dataclass(frozen=True)
class Summary:
    """The figures of a run.

    Attributes
    ----------
    figures : dict
        At the headline k, JSON-ready: every metric for clips as `flat` writes it, ``window`` for
        windows, counts; ``per_class`` by label, ``conditions`` by name, ``salience`` by how clips
        sound where the corpus says so, and ``unknown`` where background was scored.
    curve : DataFrame
        One row a k: k, runs, then each metric with its interval; labelled_least and labelled_most
        where the scores say them: learned clips of the class that had the fewest, and the most.
    per_class : DataFrame
        label, precision, recall, f1, support at the headline k, each but support with ``_low``
        and ``_high``; missing where there is no interval.
    predictions : DataFrame
        One row a scored clip: episode, fold, clip_id, group, salience where the corpus says so,
        label, predicted, ``p_<class>``.
    conditions : DataFrame
        One row a further condition and k: macro-F1 with its interval, the other metrics of
        labels, and the difference in macro-F1 of the run itself from it, with interval and
        p-value.
    salience : DataFrame
        One row for each of foreground and background, or what else the corpus calls how clips
        sound: salience, clips, and the metrics of labels with their intervals at the headline k.
        Macro-F1 is over the classes that occur there. No rows where the corpus says nothing.
    confusion : DataFrame or None
        Counts over all scored clips at the headline k, rows true, columns predicted; None where
        clips carry several labels.
    calibration : DataFrame or None
        The table of `calibration.reliability` at the headline k, twice: temperature is "before"
        or "after" scaling; None where clips carry several labels.
    unknown : DataFrame or None
        Scores of recordings of the classes and of background; None without background.
    multi_label : bool
        Whether clips may carry several labels.
    """

    figures: dict[str, Any]
    curve: pd.DataFrame
    per_class: pd.DataFrame
    predictions: pd.DataFrame
    conditions: pd.DataFrame
    salience: pd.DataFrame
    confusion: pd.DataFrame | None
    calibration: pd.DataFrame | None
    unknown: pd.DataFrame | None
    multi_label: bool


def summarise(
    held_out: pd.DataFrame,
    classes: Sequence[str],
    *,
    headline_k: int,
    windows: pd.DataFrame | None = None,
    unknown: pd.DataFrame | None = None,
    multi_label: bool = False,
    confidence_level: float = 0.95,
    n_bootstrap: int = 2000,
    seed: int = 0,
) -> Summary:
    """Summarise scores of held-out clips or of their windows.

    Parameters
    ----------
    held_out : DataFrame
        Columns k, episode (-1 where nothing is drawn), fold, clip_id, label, group, start_s,
        end_s and a column ``p_<class>`` for each of `classes`; salience where the corpus says so.
        Where there is a column condition, rows in which it is neither missing nor ``main`` are of
        the same clips scored under another condition, over the same episodes.
    classes : sequence of str
        Every class that can be predicted.
    headline_k : int
        The k whose figures are those of the run.
    windows : DataFrame
        The same columns for windows at the headline k, where `held_out` has whole clips.
    unknown : DataFrame
        Columns score (less the model's threshold), known, group, correct: what
        `rejection.rejection` takes of recordings of the classes and of background.
    multi_label : bool
        Whether a label is the names of several classes joined, and probabilities need not sum to
        1: a clip is taken for every class that is at least as probable as not.
    confidence_level, n_bootstrap, seed : float, int, int
        Of the intervals.

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
    intervals: dict[str, Any] = {
        "confidence_level": confidence_level,
        "n_bootstrap": n_bootstrap,
        "seed": seed,
    }
    settings = {"multi_label": multi_label, **intervals}
    decide = Decisions(classes, multi_label=multi_label)
    main, others = _conditions(held_out)
    by_k = _by_k(main)
    if headline_k not in by_k:
        raise ValueError(f"nothing was scored at k = {headline_k}")
    tables = {k: decide.clips(of_k) for k, of_k in by_k.items()}
    found = {k: clip_intervals(clips, classes, **settings) for k, clips in tables.items()}
    clips, headline = tables[headline_k], found[headline_k]
    of_windows = decide.rows(by_k[headline_k] if windows is None else windows)
    calibration = None if multi_label else _calibration(by_k[headline_k], decide)
    window = clip_intervals(of_windows, classes, with_scores=False, **settings)
    per_class = _per_class(headline.of_class, clips["label"], multi_label=multi_label)
    conditions = _compared(tables, others, classes, decide=decide, settings=settings)
    figures = {
        **flat(headline.overall, headline.draws),
        **_before_scaling(calibration),
        "window": flat(window.overall, window.draws),
        "k": headline_k,
        "classes": len(classes),
        "clips": int(clips["clip_id"].nunique()),
        "scored": len(clips),
        "per_class": _by(per_class, "label"),
    }
    if not conditions.empty:
        at_headline = conditions[conditions["k"] == headline_k].drop(columns="k")
        figures["conditions"] = _by(at_headline, "condition")
    salience = _by_salience(clips, classes, settings)
    if not salience.empty:
        figures["salience"] = _by(salience, "salience")
    if unknown is not None:
        figures["unknown"] = flat(_rejection(unknown, intervals))
    first = ["label", *OF_CLASS, "support"]
    facts = ["episode", "fold", "clip_id", "group", "salience", "label", "predicted"]
    kept = [name for name in (*facts, *decide.columns) if name in clips]
    return Summary(
        figures=figures,
        curve=pd.DataFrame(
            {
                "k": k,
                **_labelled(by_k[k]),
                "runs": tables[k]["episode"].nunique(),
                **flat(found[k].overall, found[k].draws),
            }
            for k in tables
        ),
        per_class=per_class[[*first, *per_class.columns.difference(first, sort=False)]],
        predictions=clips[kept].round(dict.fromkeys(decide.columns, 6)),
        conditions=conditions,
        salience=salience,
        confusion=None if multi_label else confusion(clips["label"], clips["predicted"], classes),
        calibration=calibration,
        unknown=unknown,
        multi_label=multi_label,
    )


def headline_figures(figures: Mapping[str, Any]) -> dict[str, Any]:
    """What of a run's figures stands in ``metrics.json``, and on its parent run in MLflow.

    The headline metric with its intervals, each other metric, k, and how many classes and clips:
    few enough for ``dvc exp show`` and MLflow's list of runs to show on a screen. Where random
    folds were scored as well, what they give stands under a name that says that it leaks.
    """
    of_headline = [f"{HEADLINE}{end}" for end in (*ENDS, *DRAWS)]
    names = dict.fromkeys([*of_headline, *metric_names(figures), "k", "classes", "clips"])
    shown = {name: figures[name] for name in names if name in figures}
    if leaking := figures.get("conditions", {}).get(LEAKING):
        shown[LEAKING] = {name: value for name, value in leaking.items() if value is not None}
    return shown


def condition_columns(*, multi_label: bool = False) -> list[str]:
    """Columns of `Summary.conditions`."""
    others = [n for n in metrics_for(multi_label=multi_label, of="labels") if n != HEADLINE]
    ends = [f"{HEADLINE}{end}" for end in ENDS]
    differences = [f"difference{end}" for end in (*ENDS, *DRAWS)]
    return ["condition", "k", *ends, *others, *differences, "p_value"]


def _labelled(rows: pd.DataFrame) -> dict[str, int]:
    """The fewest and the most clips that any class was learned from, where that is known."""
    ends = {"labelled_least": "min", "labelled_most": "max"}
    return {name: int(rows[name].agg(end)) for name, end in ends.items() if name in rows}


def _per_class(of_class: pd.DataFrame, labels: pd.Series, *, multi_label: bool) -> pd.DataFrame:
    """Figures of every class, with its support."""
    classes = of_class["label"].tolist()
    targets = target_matrix(labels.tolist(), classes, multi_label=multi_label)
    return of_class.round(DIGITS).assign(support=targets.sum(axis=0).astype(int))


def _rejection(unknown: pd.DataFrame, intervals: Mapping[str, Any]) -> dict[str, Interval]:
    """Figures of the detector of recordings of no class."""
    return rejection(
        unknown["score"],
        unknown["known"],
        groups=unknown["group"],
        threshold=0.0,
        correct=unknown["correct"],
        **intervals,
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
    decide: Decisions,
    settings: dict[str, Any],
) -> pd.DataFrame:
    """The table `Summary.conditions`, from the run's clips by k and the rows of conditions."""
    rows = []
    for condition, held_out in others.items():
        for k, of_k in _by_k(held_out).items():
            if k not in tables:
                raise ParameterError(f"condition {condition!r}: scored at k = {k}, the run is not")
            clips = decide.clips(of_k)
            # which clips belong together does not change with what a condition made of them
            group = tables[k].drop_duplicates("clip_id").set_index("clip_id")["group"]
            clips["group"] = clips["clip_id"].map(group)
            difference = paired_runs(tables[k], clips, classes, **settings)
            found = clip_intervals(clips, classes, with_scores=False, **settings)
            row = {"condition": condition, "k": k, **flat(found.overall, found.draws)}
            over_draws = difference.draws.get(HEADLINE)
            drawn = {} if over_draws is None else {"difference": over_draws}
            row |= flat({"difference": difference.macro_f1}, drawn)
            rows.append(row | {"p_value": round(difference.p_value, DIGITS)})
    return pd.DataFrame(rows, columns=condition_columns(multi_label=settings["multi_label"]))


def _by_salience(
    clips: pd.DataFrame, classes: Sequence[str], settings: dict[str, Any]
) -> pd.DataFrame:
    """The table `Summary.salience`."""
    rows = []
    for name, of in clips.groupby("salience") if "salience" in clips else ():
        found = clip_intervals(of, classes, with_scores=False, **settings)
        counted = {"salience": str(name), "clips": of["clip_id"].nunique()}
        rows.append(counted | flat(found.overall, found.draws))
    return pd.DataFrame(rows)


def _by_k(held_out: pd.DataFrame) -> dict[int, pd.DataFrame]:
    return {int(str(k)): of_k for k, of_k in held_out.groupby("k", sort=True)}


def _calibration(rows: pd.DataFrame, decide: Decisions) -> pd.DataFrame:
    """The table `Summary.calibration`."""
    tables = {}
    for name, of in (("before", decide.untempered(rows)), ("after", rows)):
        clips = decide.clips(of)
        confidence = clips[decide.columns].to_numpy().max(axis=1)
        tables[name] = reliability(confidence, clips["label"] == clips["predicted"])
    return pd.concat(tables, names=["temperature"]).reset_index(level=0)


def _before_scaling(calibration: pd.DataFrame | None) -> dict[str, float]:
    """The calibration error before temperature scaling."""
    if calibration is None:
        return {}
    before = calibration[calibration["temperature"] == "before"]
    return {"calibration_error_before": round(expected_calibration_error(before), DIGITS)}


def flat(
    intervals: Mapping[str, Interval], draws: Mapping[str, Interval] | None = None
) -> dict[str, float | None]:
    """Intervals in columns of their own, ``NAME``, ``NAME_low`` and ``NAME_high``, rounded.

    None where there is no such number: JSON has no NaN. Where there are intervals over draws
    alone, they follow as ``NAME_draws_low`` and ``NAME_draws_high``.
    """
    flat: dict[str, float | None] = {}
    for name, found in intervals.items():
        ends = dict(zip(ENDS, found, strict=True))
        if draws and name in draws:
            ends |= dict(zip(DRAWS, draws[name][1:], strict=True))
        for suffix, value in ends.items():
            number = np.nan if value is None else float(value)
            flat[name + suffix] = round(number, DIGITS) if np.isfinite(number) else None
    return flat


def _by(table: pd.DataFrame, key: str) -> dict[str, dict[str, Any]]:
    """Rows by `key`, with None for what is missing: JSON has no NaN."""
    named = table.set_index(key).astype(object)
    rows = named.where(named.notna(), None).T.to_dict()
    return {str(name): {str(k): v for k, v in row.items()} for name, row in rows.items()}
