"""Runs by name, and those that were scored on the same clips against one another."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from faunashot.errors import TrackingError
from faunashot.evaluation.labels_saved import is_ahead, labels_saved
from faunashot.evaluation.metrics import HEADLINE
from faunashot.evaluation.significance import Difference, holm, paired_runs
from faunashot.evaluation.summary import DIGITS, flat
from faunashot.tracking import store
from faunashot.tracking.comparison import evaluated_table, predictions_of
from faunashot.tracking.experiments import DVC_EXPERIMENT, KIND, WORKSPACE, find_runs, name_of

_SHORT = 8
"""Characters of a run's id that are shown; a name has to have half as many to be taken for one."""


@dataclass(frozen=True)
class ScoredRun:
    """A run with what it said of every clip.

    Attributes
    ----------
    name : str
        Of the experiment, with the run's id where two of them are named the same.
    facts : dict
        Corpus, k, and seed where episodes were drawn.
    predictions : DataFrame
        As in ``predictions.csv``.
    curve : DataFrame or None
        As in ``curve.csv``, None where there is none.
    """

    name: str
    run_id: str
    facts: dict[str, Any]
    predictions: pd.DataFrame
    curve: pd.DataFrame | None

    @property
    def classes(self) -> list[str]:
        """Classes that could be predicted."""
        columns = map(str, self.predictions.columns)
        return [name.removeprefix("p_") for name in columns if name.startswith("p_")]

    @property
    def multi_label(self) -> bool:
        """Whether clips carry several labels, joined, or none, or were taken for that."""
        labels = {*self.predictions["label"], *self.predictions["predicted"]}
        return not labels <= set(self.classes)

    @property
    def is_drawn(self) -> bool:
        """Whether it was scored in episodes."""
        return bool((self.predictions["episode"] >= 0).any())


@dataclass(frozen=True)
class Pair:
    """Two runs on the same clips.

    Attributes
    ----------
    run, less : DataFrame
        What `significance.paired_runs` takes.
    what : str
        Which clips, recordings and episodes are paired, and what else differs.
    """

    run: pd.DataFrame
    less: pd.DataFrame
    what: str


def scored_runs(root: Path, names: Sequence[str]) -> list[ScoredRun]:
    """Find runs by the name of their experiment, or by how their parent run's id begins.

    Raises
    ------
    TrackingError
        If a name is unknown or that of several runs, if a run is named twice, or has no
        predictions.
    """
    client = store.connect(root)
    parents = find_runs(client, {KIND: "experiment"})
    found = [_named(parents, name) for name in names]
    for (one, a), (two, b) in combinations(zip(names, found, strict=True), 2):
        if a.info.run_id == b.info.run_id:
            raise TrackingError(f"{one} and {two} are the same run: name two that differ")
    shown = [name_of(run) for run in found]
    return [_scored(client, run, unique=shown.count(name_of(run)) == 1) for run in found]


def differences(runs: Sequence[ScoredRun]) -> list[dict[str, Any]]:
    """Every run less the first, JSON-ready.

    Returns
    -------
    list of dict
        Of each run but the first ``experiment``, ``against``; ``difference`` in macro-F1 and
        ``NAME_difference`` in every other metric of labels, with their intervals (`flat`);
        ``p_value``, ``p_holm`` (corrected for the number of runs) and ``p_mcnemar``, of
        `significance.Difference`; ``pairing``, which says what was paired.

    Raises
    ------
    TrackingError
        If a run cannot be paired with the first; says what differs.
    """
    first, *others = runs
    pairs = [pair(run, first) for run in others]
    found = [
        paired_runs(
            each.run,
            each.less,
            first.classes,
            multi_label=first.multi_label or run.multi_label,
        )
        for run, each in zip(others, pairs, strict=True)
    ]
    corrected = holm([each.p_value for each in found])
    return [
        _row(run, first, each, p_holm=p) | {"pairing": pair.what}
        for run, pair, each, p in zip(others, pairs, found, corrected, strict=True)
    ]


def saved(runs: Sequence[ScoredRun]) -> list[dict[str, Any]]:
    """Labels that the better of the first run and each other saves, where both have a curve.

    Returns
    -------
    list of dict
        ``experiment`` (the better), ``against``, and the columns of `labels_saved`.
    """
    first, *others = runs
    rows: list[dict[str, Any]] = []
    for other in others:
        if first.curve is None or other.curve is None:
            continue
        if first.curve[["k", HEADLINE]].equals(other.curve[["k", HEADLINE]]):
            continue  # the same system at another headline k
        ahead = is_ahead(first.curve, other.curve)
        better, worse = (first, other) if ahead else (other, first)
        table = labels_saved(*(run.curve for run in (better, worse) if run.curve is not None))
        table = table.round({"macro_f1": DIGITS, "needed": 2, "saved": 2}).astype(object)
        pair = {"experiment": better.name, "against": worse.name}
        rows += [
            {**pair, **{str(key): value for key, value in row.items()}}
            for row in table.where(table.notna(), None).to_dict("records")
        ]
    return rows


def pair(run: ScoredRun, first: ScoredRun, *, of_one_corpus: bool = True) -> Pair:
    """Bring what two runs said of the same clips together.

    Where one of them scored every clip once, as fine_tune does, and the other in episodes, the
    clips of each episode are compared with what the first said of them. Both have to be of one
    corpus, unless told otherwise.

    Raises
    ------
    TrackingError
        They cannot be paired; says what differs.
    """
    if what := _unlike(first, run, of_one_corpus=of_one_corpus):
        raise TrackingError(f"{first.name} and {run.name} cannot be paired: {what}")
    tables = [run.predictions, first.predictions]
    drawn = [each.is_drawn for each in (run, first)]
    if drawn[0] != drawn[1]:
        in_episodes = tables[drawn.index(True)][["episode", "clip_id"]]
        at = drawn.index(False)
        tables[at] = in_episodes.merge(tables[at].drop(columns="episode"), on="clip_id")
    if what := _other_clips(first.name, tables[1], run.name, tables[0]):
        raise TrackingError(f"{first.name} and {run.name} cannot be paired: {what}")
    return Pair(tables[0], tables[1], what=_pairing(run, first, tables[0]))


def _pairing(run: ScoredRun, first: ScoredRun, table: pd.DataFrame) -> str:
    """What was paired, in words."""
    said = f"{table['clip_id'].nunique()} clips of {table['group'].nunique()} source recordings"
    episodes = table["episode"].nunique()
    drawn = [each for each in (run, first) if each.is_drawn]
    if len(drawn) == 2:
        said += f", in the same {episodes} episodes"
    elif drawn:
        (once,) = (each for each in (run, first) if not each.is_drawn)
        said += f"; {once.name}, which scored each once, by the {episodes} episodes of "
        said += drawn[0].name
    else:
        said += ", each scored once"
    for key, value in first.facts.items():
        other = run.facts.get(key, value)
        if value != other:
            what = "k" if key == "k" else "draws of labelled clips: seed"
            said += f"; {what} {other} against {value}"
    return said


def _unlike(a: ScoredRun, b: ScoredRun, *, of_one_corpus: bool) -> str:
    if of_one_corpus and a.facts["corpus"] != b.facts["corpus"]:
        return f"corpus {a.facts['corpus']} against {b.facts['corpus']}"
    if apart := set(a.classes) ^ set(b.classes):
        where = a.name if min(apart) in a.classes else b.name
        return f"class {min(apart)!r} is in {where} alone"
    for run in (a, b):
        if "group" not in run.predictions:
            return f"{run.name} says nothing of source recordings: run its evaluate stage again"
    episodes = [run.predictions["episode"].nunique() for run in (a, b) if run.is_drawn]
    if len(set(episodes)) > 1:
        return f"{episodes[0]} episodes against {episodes[1]}: draw as many in both"
    return ""


def _other_clips(one: str, of_one: pd.DataFrame, two: str, of_two: pd.DataFrame) -> str:
    both = of_one.merge(of_two, on=["episode", "clip_id"], how="outer", indicator=True)
    alone = both[both["_merge"] != "both"]
    if len(alone):
        row = alone.iloc[0]
        where = one if row["_merge"] == "left_only" else two
        return f"{_clip(row)} is in {where} alone, and {len(alone) - 1} further ones in one alone"
    differs = both[both["label_x"] != both["label_y"]]
    if len(differs):
        row = differs.iloc[0]
        return f"label of {_clip(row)} is {row['label_x']} against {row['label_y']}"
    return ""


def _clip(row: pd.Series) -> str:
    drawn = f" of episode {row['episode']}" if row["episode"] >= 0 else ""
    return f"clip {row['clip_id']}{drawn}"


def _row(run: ScoredRun, first: ScoredRun, found: Difference, *, p_holm: float) -> dict[str, Any]:
    figures = {
        "difference" if name == HEADLINE else f"{name}_difference": interval
        for name, interval in found.figures.items()
    }
    p_values = {"p_value": found.p_value, "p_holm": p_holm, "p_mcnemar": found.p_mcnemar}
    rounded = {name: None if p is None else round(p, DIGITS) for name, p in p_values.items()}
    draws = dict(zip(figures, found.draws.values(), strict=False))
    return {"experiment": run.name, "against": first.name, **flat(figures, draws), **rounded}


def _named(parents: Sequence[Run], name: str) -> Run:
    """The one parent run of that name, or whose id begins so."""
    found = [run for run in parents if name in _names(run)]
    if not found and len(name) >= _SHORT // 2:
        found = [run for run in parents if run.info.run_id.startswith(name)]
    if not found:
        known = sorted({each for run in parents for each in _names(run)})
        near = difflib.get_close_matches(name, known, n=1, cutoff=0)
        hint = f"the nearest is {near[0]!r}" if near else "none has been run here"
        raise TrackingError(f"no experiment {name!r}; {hint}")
    if len(found) > 1:
        ids = ", ".join(run.info.run_id[:_SHORT] for run in found)
        raise TrackingError(f"{name!r} is {len(found)} runs; name one by its id: {ids}")
    return found[0]


def _names(run: Run) -> set[str]:
    return {name_of(run), run.data.tags.get(DVC_EXPERIMENT, "")} - {"", WORKSPACE}


def _scored(client: MlflowClient, run: Run, *, unique: bool) -> ScoredRun:
    name = name_of(run)
    predictions = predictions_of(client, run)
    if predictions is None:
        raise TrackingError(f"{name} has no predictions in MLflow: run its evaluate stage")
    k = run.data.metrics.get("k")
    facts = {"corpus": run.data.params.get("corpus"), "k": None if k is None else int(k)}
    if (predictions["episode"] >= 0).any():
        facts["seed"] = run.data.params.get("seed")
    curve = evaluated_table(client, run, "curve.csv")
    if not unique:
        name = f"{name} ({run.info.run_id[:_SHORT]})"
    is_curve = curve is not None and len(curve) > 1
    return ScoredRun(name, run.info.run_id, facts, predictions, curve if is_curve else None)
