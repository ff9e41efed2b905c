"""Draws of labelled clips to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import pandas as pd

from faunashot.data.labels import carry_several, names_by_clip


def draw_support(clips: pd.DataFrame, k: int, *, rng: np.random.Generator) -> dict[str, list[str]]:
    """Draw k labelled clips of each class, distinct source recordings first.

    The first j of a draw are the draw for j, so that figures along a curve are paired.

    Parameters
    ----------
    clips : DataFrame
        Columns clip_id, label, group, and ``multi_label`` where clips carry several classes.
    k : int
        Clips a class; a class that has fewer is drawn whole.
    rng : Generator
        What is drawn from.

    Returns
    -------
    dict
        Clip ids of each class in drawn order, at most k. A clip that carries several classes
        counts for each and is listed under each; one of no class is never drawn.
    """
    ordered = clips.sort_values("clip_id", ignore_index=True)
    names = names_by_clip(ordered)
    clip_id, group = (ordered[key].to_numpy(dtype=object) for key in ("clip_id", "group"))
    drawn: dict[str, list[str]] = {}
    labels, of = np.unique(names.to_numpy(dtype=str), return_inverse=True)
    for number, label in enumerate(labels):
        rows = names.index.to_numpy()[of == number]
        shuffled = rows[rng.permutation(len(rows))]
        first = np.argsort(_repeats(group[shuffled]), kind="stable")
        drawn[str(label)] = clip_id[shuffled[first]].tolist()
    if carry_several(clips):
        drawn = _in_rounds(drawn, dict(zip(clips["clip_id"], clips["group"], strict=True)), k=k)
    return {label: ids[:k] for label, ids in drawn.items()}


def _repeats(values: Iterable[str]) -> list[int]:
    """How many equal ones stand before each."""
    seen: Counter[str] = Counter()
    found = []
    for value in values:
        found.append(seen[value])
        seen[value] += 1
    return found


def _in_rounds(
    order: dict[str, list[str]], group: dict[str, str], *, k: int
) -> dict[str, list[str]]:
    """Clip ids of each class in the order drawn, where a clip may count for several classes.

    In each round the classes take turns, those of the fewest clips first; one that has as many
    clips as there were rounds, by what was drawn for others, draws none. Of its `order` a class
    draws the first of a recording that it has the fewest clips of.
    """
    drawn: dict[str, list[str]] = {label: [] for label in order}
    names: dict[str, list[str]] = {}
    for label, ids in order.items():
        for clip_id in ids:
            names.setdefault(clip_id, []).append(label)
    turns = sorted(order, key=lambda label: (len(order[label]), label))
    for wanted in range(1, k + 1):
        for label in turns:
            if len(drawn[label]) >= min(wanted, len(order[label])):
                continue
            mine = set(drawn[label])
            seen = Counter(group[i] for i in mine)
            left = (i for i in order[label] if i not in mine)
            chosen = min(left, key=lambda i: seen[group[i]])
            for name in names[chosen]:
                drawn[name].append(chosen)
    return drawn
