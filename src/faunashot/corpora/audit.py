"""What would leak: the same recording under several names, labels, folds or corpora."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

TARGET, SOURCE = "target", "source"


@dataclass(frozen=True)
class Audited:
    """Clips fit to be split.

    Attributes
    ----------
    clips : of target and source (column ``role``), groups of duplicates joined, clips with
        conflicting labels and source clips that are in the target left out.
    report : lists ``exact_duplicates``, ``crossing`` (groups of paths whose copies sit in several
        folds), ``conflicts`` and ``across_corpora``.
    """

    clips: pd.DataFrame
    report: dict[str, Any]


def audit(target: pd.DataFrame, source: pd.DataFrame) -> Audited:
    """Find exact duplicates by hash and join their groups."""
    clips = pd.concat([target.assign(role=TARGET), source.assign(role=SOURCE)], ignore_index=True)
    clips["group"] = clips["role"] + "/" + clips["group"].astype(str)
    # A set of copies may be both: several in the target, and one more in the source.
    within = [g for _, g in clips.groupby(["role", "sha256"], sort=True) if len(g) > 1]
    across = [g for _, g in clips.groupby("sha256", sort=True) if g["role"].nunique() > 1]
    conflicts = [g for g in within if g["label"].nunique() > 1]
    crossing = [g for g in within if g["fold"].nunique(dropna=False) > 1]
    clips["group"] = _joined(clips["group"], clips["sha256"])
    left_out = {i for g in conflicts for i in g.index}
    left_out |= {i for g in across for i in g.index[g["role"] == SOURCE]}
    report = {
        "clips": len(target),
        "exact_duplicates": _paths(within),
        "crossing": _paths(crossing),
        "conflicts": _paths(conflicts),
        "across_corpora": _paths(across),
        "groups": int(clips.loc[clips["role"] == TARGET, "group"].nunique()),
        "left_out": len(left_out),
    }
    return Audited(clips.drop(index=sorted(left_out)).reset_index(drop=True), report)


def _joined(group: pd.Series, same: pd.Series) -> pd.Series:
    """Join groups that share a value of `same`: the first name of each connected set."""
    if group.empty:
        return group
    names, of_clip = np.unique(group.to_numpy(dtype=str), return_inverse=True)
    _, of_value = np.unique(same.to_numpy(dtype=str), return_inverse=True)
    n = len(names)
    edges = coo_matrix(
        (np.ones(len(group)), (of_clip, of_value + n)), shape=(n + of_value.max() + 1,) * 2
    )
    _, component = connected_components(edges, directed=False)
    first = pd.Series(names).groupby(component[:n]).transform("first")
    return pd.Series(first.to_numpy()[of_clip], index=group.index)


def _paths(groups: list[pd.DataFrame]) -> list[list[str]]:
    return sorted(sorted(g["path"]) for g in groups)
