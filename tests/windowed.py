"""Examples made of rows of features, as networks learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from faunashot.estimators.examples import Examples
from faunashot.features.store import Features, FeatureSpec
from faunashot.targets import class_names


def windowed(
    X: np.ndarray,
    labels: Sequence[str],
    *,
    counts: Sequence[int] | None = None,
    seconds: Sequence[float] | None = None,
    multi_label: bool = False,
) -> Examples:
    """Clips of rows of features, one row each if `counts` does not say otherwise.

    Parameters
    ----------
    X : ndarray, shape (N, dim)
    labels : sequence of str, length n
    counts : sequence of int, length n
        Windows of each clip.
    seconds : sequence of float, length N
        That each window covers; a second if not given.
    """
    n = len(labels)
    counts = np.ones(n, dtype=int) if counts is None else np.asarray(counts)
    ids = [str(at) for at in range(n)]
    end_s = np.ones(len(X)) if seconds is None else np.asarray(seconds, dtype=float)
    index = pd.DataFrame({"clip_id": np.repeat(ids, counts), "start_s": 0.0, "end_s": end_s})
    return Examples(
        clip_ids=tuple(ids),
        labels=np.asarray(labels),
        groups=np.asarray(ids),
        classes=tuple(class_names(labels, multi_label=multi_label)),
        multi_label=multi_label,
        features=Features(X, index, FeatureSpec("fake", "1", "", 16_000, 1.0, 1.0, X.shape[1])),
        rows=np.arange(len(X)),
        counts=counts,
    )


def rows_of(examples: Examples) -> np.ndarray:
    """Rows of features, as they are stored."""
    return examples.features.windows


def of_rows(examples: Examples, X: np.ndarray) -> Examples:
    """The same clips with other rows of features."""
    spec = replace(examples.features.spec, dim=X.shape[1])
    return replace(examples, features=replace(examples.features, windows=X, spec=spec))
