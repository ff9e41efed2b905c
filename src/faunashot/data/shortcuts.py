"""How much of a label the recorder alone gives away: a forest that never hears the animal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score, f1_score

from faunashot.data.labels import carry_several
from faunashot.data.splits import Splits
from faunashot.errors import SplitError

HEADER = ["sample_rate", "bit_depth", "codec", "channels", "duration_s"]
"""Facts that a file's header holds."""

FACTS = [*HEADER, "rms_db", "noise_floor_db", "bandwidth_hz"]
"""Those, and what `faunashot.audio.levels` measures."""

TREES, SHUFFLES, PERMUTATIONS = 100, 3, 5

MANY = 10_000
"""Clips from which on trees are grown in two threads; with fewer these wait for each other."""

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.str_]
Rows = npt.NDArray[np.intp]


def shortcut_score(clips: pd.DataFrame, *, seed: int) -> dict[str, Any]:
    """Predict the labels from `FACTS` alone, in stratified folds that keep groups together.

    Parameters
    ----------
    clips : DataFrame
        Columns clip_id, label, group and `FACTS`; official folds are ignored.
    seed : int
        Of the folds, the forests and the shuffles.

    Returns
    -------
    dict
        Ready for JSON: ``accuracy`` and ``macro_f1`` of a random forest; ``header``, the same from
        `HEADER` alone; ``chance_accuracy`` and ``chance_macro_f1``, the same after the labels are
        shuffled among the groups; ``largest_class``, its share of the clips; ``importance``, the
        macro-F1 that is lost when one fact is permuted among the scored clips, the largest first.
        Clips that make no folds, of one class or of several each, give only ``skipped``: the
        reason.

    Notes
    -----
    A score above chance says that a model could go by the recorder, not that it does. The measures
    hear a little of the animal too; the header does not. On the whole public Animal-Sound-Dataset
    rate, depth, channels and length alone give accuracy 0.53 (largest class 0.23), macro-F1 0.32.
    """
    if carry_several(clips):
        return {"skipped": "its clips carry several classes each, and one label is needed"}
    if clips["label"].nunique() < 2:
        return {"skipped": f"classes to tell apart: {clips['label'].nunique()}"}
    try:
        folds = _folds(clips, seed=seed)
    except SplitError as error:
        return {"skipped": str(error)}
    rng = np.random.default_rng(seed)
    label = clips["label"].to_numpy(dtype=str)
    facts = clips[FACTS].assign(codec=pd.factorize(clips["codec"], sort=True)[0]).astype(float)
    X, header = facts.to_numpy(), facts[HEADER].to_numpy()
    forests = _forests(X, label, folds, seed=seed)
    score = _score(label, _predicted(forests, X, folds))
    of_header = _predicted(_forests(header, label, folds, seed=seed), header, folds)
    chance = []
    for _ in range(SHUFFLES):
        other = _shuffled(label, clips["group"], rng=rng)
        chance.append(_score(other, _predicted(_forests(X, other, folds, seed=seed), X, folds)))
    chances = {f"chance_{name}": np.mean([drawn[name] for drawn in chance]) for name in score}
    without = _predicted(forests, _permuted(X, rng=rng), folds)
    lost = {
        fact: score["macro_f1"] - np.mean([_score(label, found)["macro_f1"] for found in drawn])
        for fact, drawn in zip(FACTS, without, strict=True)
    }
    return {
        "clips": len(clips),
        **_rounded(score),
        **_rounded(chances),
        "largest_class": round(float(clips["label"].value_counts(normalize=True).iloc[0]), 4),
        "header": _rounded(_score(label, of_header)),
        "importance": _rounded(dict(sorted(lost.items(), key=lambda item: -item[1]))),
    }


def _folds(clips: pd.DataFrame, *, seed: int) -> list[tuple[Rows, Rows]]:
    """Row numbers to learn from and to score, a pair a fold."""
    row = pd.Series(np.arange(len(clips)), index=clips["clip_id"])
    splits = Splits(clips.assign(fold=None), seed=seed)
    return [(row[[*s.learnable]].to_numpy(), row[[*s.test]].to_numpy()) for s in splits]


def _forests(
    X: Floats, label: Labels, folds: list[tuple[Rows, Rows]], *, seed: int
) -> list[RandomForestClassifier]:
    threads = 2 if len(X) >= MANY else 1  # which changes no tree
    return [
        RandomForestClassifier(TREES, random_state=seed, n_jobs=threads).fit(X[train], label[train])
        for train, _ in folds
    ]


def _predicted(
    forests: list[RandomForestClassifier], X: Floats, folds: list[tuple[Rows, Rows]]
) -> Labels:
    """Labels, (..., n), of facts, (..., n, facts), each by the forest that did not see its clip."""
    found = np.empty(X.shape[:-1], dtype=object)
    for forest, (_, test) in zip(forests, folds, strict=True):
        scored = X[..., test, :]
        found[..., test] = forest.predict(scored.reshape(-1, X.shape[-1])).reshape(
            scored.shape[:-1]
        )
    return found.astype(str)


def _permuted(X: Floats, *, rng: np.random.Generator) -> Floats:
    """Copies of `X`, (facts, PERMUTATIONS, n, facts); in the copies of a fact it is permuted."""
    copies = np.tile(X, (X.shape[1], PERMUTATIONS, 1, 1))
    for at, of_fact in enumerate(copies):
        of_fact[..., at] = rng.permuted(of_fact[..., at], axis=1)
    return copies


def _shuffled(label: Labels, group: pd.Series, *, rng: np.random.Generator) -> Labels:
    """The labels handed to other groups: clips of one group keep one label."""
    _, first, of_clip = np.unique(group.to_numpy(dtype=str), return_index=True, return_inverse=True)
    return np.asarray(rng.permutation(label[first])[of_clip])


def _score(label: Labels, found: Labels) -> dict[str, float]:
    macro_f1 = f1_score(label, found, average="macro", zero_division=0)
    return {"accuracy": accuracy_score(label, found), "macro_f1": macro_f1}


def _rounded(scores: Mapping[str, Any]) -> dict[str, float]:
    return {name: round(float(value), 4) for name, value in scores.items()}
