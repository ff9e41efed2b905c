"""Clips drawn to be labelled, of one class each or of several."""

from __future__ import annotations

import numpy as np
import pandas as pd

from faunashot.data.splits import draw_support
from faunashot.targets import names_of


def draw_clips(
    clips: pd.DataFrame, k: int, *, rng: np.random.Generator, multi_label: bool = False
) -> dict[str, list[str]]:
    """Clip ids of each class in drawn order, at most k, distinct source recordings first.

    Where clips carry several labels a clip is drawn for each of its classes by itself, so that it
    may be drawn for more than one, and an estimator learns from at least k clips a class.
    """
    if multi_label:
        names = [names_of(label, multi_label=True) for label in clips["label"]]
        at = np.repeat(np.arange(len(clips)), [len(of) for of in names])
        clips = clips.iloc[at].assign(label=[name for of in names for name in of])
    return draw_support(clips, k, rng=rng)
