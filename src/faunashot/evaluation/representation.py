"""How well a representation tells classes apart, measured without learning a head on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score, silhouette_score
from sklearn.preprocessing import normalize

from faunashot.errors import ParameterError

FloatArray = npt.NDArray[np.float64]

RESTARTS = 10
"""Starts of k-means, of which the tightest clustering counts."""

BLOCK = 1024
"""Queries ranked at once, which bounds the memory."""


def representation(
    features: npt.ArrayLike, labels: npt.ArrayLike, groups: npt.ArrayLike, *, seed: int = 0
) -> dict[str, float | None]:
    """Silhouette, clustering and retrieval figures of clips' features.

    Labels are looked at to score, never to learn. Features are centred on the clips at hand and
    scaled to unit length first, so that only directions count, and an offset or a scale that all
    clips share does not.

    Parameters
    ----------
    features : array_like, shape (N, D)
        One row a clip.
    labels : array_like of str, shape (N,)
        True class of each clip.
    groups : array_like, shape (N,)
        Source recording of each clip.
    seed : int
        Of k-means, and of the order of clips that are equally near.

    Returns
    -------
    dict
        ``silhouette`` in [-1, 1] by true label, cosine distance (Rousseeuw 1987).
        ``adjusted_mutual_info``, at most 1 and 0 by chance, of the labels with the clusters of
        k-means for as many clusters as classes (Vinh, Epps and Bailey 2010).
        ``retrieval_map``, ``recall_at_1``, ``recall_at_10`` in [0, 1]: each clip in turn asks for
        its nearest by cosine; the clips of its own source recording are left out. Recall at k is
        the share of clips with one of their class among the k nearest. ``retrieval_map_chance``
        is what a random order would give (Bestgen 2015). Clips with no other recording of their
        class ask for nothing.
        None where a figure is not defined: a single class, or no class with two recordings.

    Raises
    ------
    ParameterError
        Shapes do not agree, or a feature is not a finite number.

    References
    ----------
    P. J. Rousseeuw. Silhouettes. Journal of Computational and Applied Mathematics 20, 1987.
    N. X. Vinh, J. Epps, J. Bailey. Information theoretic measures for clusterings comparison.
    Journal of Machine Learning Research 11, 2010.
    Y. Bestgen. Exact expected average precision of the random baseline for system evaluation.
    Prague Bulletin of Mathematical Linguistics 103, 2015.
    """
    x = np.asarray(features, dtype=np.float64)
    names, y = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    _, group = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    if x.ndim != 2 or not len(x) or not len(x) == y.size == group.size:
        raise ParameterError(f"features: {x.shape=}, {y.size} labels, {group.size} groups")
    if not np.isfinite(x).all():
        raise ParameterError("features: not all of them are finite numbers")
    # clips of equal similarity are ranked in this order, which must say nothing of their labels
    order = np.random.default_rng(seed).permutation(len(x))
    unit, y, group = normalize(x - x.mean(axis=0))[order], y[order], group[order]
    found = _clustering(unit, y, n_classes=len(names), seed=seed)
    return found | _retrieval(unit, y, group)


def _clustering(
    unit: FloatArray, y: npt.NDArray[Any], *, n_classes: int, seed: int
) -> dict[str, float | None]:
    if not 1 < n_classes < len(y):
        return {"silhouette": None, "adjusted_mutual_info": None}
    # of fewer points than classes k-means makes fewer clusters, and warns
    k = min(n_classes, len(np.unique(unit, axis=0)))
    clusters = KMeans(k, n_init=RESTARTS, random_state=seed).fit_predict(unit)
    return {
        "silhouette": float(silhouette_score(unit, y, metric="cosine")),
        "adjusted_mutual_info": float(adjusted_mutual_info_score(y, clusters)),
    }


def _retrieval(
    unit: FloatArray, y: npt.NDArray[Any], group: npt.NDArray[Any]
) -> dict[str, float | None]:
    each = [
        _ranked(unit, y, group, np.arange(at, min(at + BLOCK, len(y))))
        for at in range(0, len(y), BLOCK)
    ]
    names = ("retrieval_map", "retrieval_map_chance", "recall_at_1", "recall_at_10")
    values = np.concatenate(each)
    if not len(values):
        return dict.fromkeys(names)
    return dict(zip(names, values.mean(axis=0).tolist(), strict=True))


def _ranked(
    unit: FloatArray, y: npt.NDArray[Any], group: npt.NDArray[Any], query: npt.NDArray[np.intp]
) -> FloatArray:
    """Average precision, its chance level, and hits at 1 and 10 of each query, shape (Q, 4)."""
    in_gallery = group[query, None] != group
    similar = np.where(in_gallery, unit[query] @ unit.T, -np.inf)
    order = np.argsort(-similar, axis=1, kind="stable")  # the left out come last
    relevant = np.take_along_axis((y[query, None] == y) & in_gallery, order, axis=1)
    n, n_relevant = in_gallery.sum(axis=1), relevant.sum(axis=1)
    asks = n_relevant > 0
    relevant, n, n_relevant = relevant[asks], n[asks], n_relevant[asks]
    rank = np.arange(1, len(y) + 1)
    precision = relevant.cumsum(axis=1) / rank
    average = (precision * relevant).sum(axis=1) / n_relevant
    harmonic = np.cumsum(1 / rank)[n - 1]
    chance = (harmonic + (n_relevant - 1) / np.maximum(n - 1, 1) * (n - harmonic)) / n
    hits = relevant[:, 0], relevant[:, :10].any(axis=1)
    return np.stack([average, chance, *hits], axis=1)
