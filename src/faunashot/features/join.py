"""Features of several backbones or layers side by side: nothing is embedded again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import StoreError
from faunashot.features.names import BY
from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features


def join(parts: Sequence[Features]) -> Features:
    """Join the features of one corpus.

    A row is a window of the part whose windows are longest; the columns of each other part are
    the mean of its windows that overlap it, weighted by the overlap; where none does, those of the
    last window that begins before it.

    Raises
    ------
    StoreError
        The parts are not of the same clips.
    """
    if len(parts) == 1:
        return parts[0]
    clips = [set(part.index["clip_id"]) for part in parts]
    if odd := set.union(*clips) - set.intersection(*clips):
        names = BY.join(part.spec.backbone for part in parts)
        raise StoreError(f"{names}: {sorted(odd)[0]} is not in the features of all of them")
    longest = max(parts, key=lambda part: part.spec.window_s)
    rows = [part.windows if part is longest else _averaged(part, longest.index) for part in parts]
    return Features(np.hstack(rows), longest.index, _spec(parts, longest.spec), longest.bad)


def _averaged(part: Features, index: pd.DataFrame) -> npt.NDArray[np.float32]:
    """Rows of `part` averaged to the rows of `index`."""
    of_clip = part.index.groupby("clip_id", sort=False).indices
    start, end = (part.index[name].to_numpy() for name in ("start_s", "end_s"))
    result = np.zeros((len(index), part.spec.dim), np.float32)
    for clip_id, at in index.groupby("clip_id", sort=False).indices.items():
        rows = np.asarray(of_clip[clip_id])
        first, last = (index[name].to_numpy()[at, None] for name in ("start_s", "end_s"))
        overlap = np.minimum(last, end[rows]) - np.maximum(first, start[rows])
        weight = np.maximum(overlap, 0.0)
        # rounding may leave a last window of a few samples beside the other's grid
        lost = weight.sum(axis=1) <= 0
        before = np.searchsorted(start[rows], first[lost, 0], side="right") - 1
        weight[lost, np.maximum(before, 0)] = 1.0
        weight /= weight.sum(axis=1, keepdims=True)
        result[at] = weight @ part.windows[rows]
    return result


def _spec(parts: Sequence[Features], longest: FeatureSpec) -> FeatureSpec:
    specs = [part.spec for part in parts]
    layers = [spec.layer for spec in specs]
    runtimes = [spec.runtime for spec in specs]
    return FeatureSpec(
        backbone=BY.join(spec.backbone for spec in specs),
        version=BY.join(spec.version for spec in specs),
        weights_hash=BY.join(spec.weights_hash for spec in specs),
        sample_rate=longest.sample_rate,
        window_s=longest.window_s,
        hop_s=longest.hop_s,
        dim=sum(spec.dim for spec in specs),
        layer=BY.join(layers) if any(layers) else "",
        channel=longest.channel,
        time_expansion=longest.time_expansion,
        runtime=BY.join(runtimes) if any(runtimes) else "",
        blocks=tuple(block for spec in specs for block in spec.blocks or (spec.dim,)),
    )
