"""The unknown: recordings that are of none of the classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted, validate_data

from faunashot.errors import ParameterError

FloatArray = npt.NDArray[np.float64]


class Novelty(BaseEstimator):
    """How much less a clip is like the nearest class than like background.

    The score is `background_weight` times the cosine to the nearest background recording, less
    the cosine to the nearest class mean. Cosines are of square roots of clip embeddings, seen
    from the middle between classes and background: of embeddings from a rectifier the root keeps
    a few loud dimensions from drowning the others, and all of them point the same way from 0.

    Parameters
    ----------
    background_weight : float
        0 trusts that background to come is of all kinds, 1 that it is of the
        kinds that were learned from.
    blocks : sequence of int, optional
        Widths of the backbones' parts of an embedding, each of which has its say; one block
        of all columns where not given.

    Attributes
    ----------
    background_scores_ : (M,), of the background recordings, each beside those of other groups;
        what `threshold_at` is set on.

    References
    ----------
    Sun et al., "Out-of-distribution detection with deep nearest neighbors", ICML 2022.
    """

    def __init__(
        self, background_weight: float = 0.5, *, blocks: Sequence[int] | None = None
    ) -> None:
        self.background_weight = background_weight
        self.blocks = blocks

    def fit(
        self,
        X: npt.ArrayLike,
        y: npt.ArrayLike,
        *,
        background: npt.ArrayLike,
        groups: npt.ArrayLike | None = None,
    ) -> Novelty:
        """Fit on mean embeddings of clips.

        Parameters
        ----------
        X, y : array-like
            Of the classes, (N, dim) and (N,).
        background : array-like
            Of none of them, (M, dim).
        groups : (M,), source recordings of the background; each its own if not given. With kinds
            of sound for groups, the threshold is one for kinds that were not learned from.

        Raises
        ------
        ParameterError
            The background is of fewer than two groups, or the blocks are not the columns.
        """
        clips = _roots(validate_data(self, X, dtype=np.float64))
        others = _roots(validate_data(self, background, dtype=np.float64, reset=False))
        if self.blocks is not None and sum(self.blocks) != clips.shape[1]:
            raise ParameterError(f"blocks {self.blocks} do not add up to {clips.shape[1]} columns")
        labels = np.asarray(y)
        of = np.arange(len(others)) if groups is None else np.asarray(groups)
        if of.shape != (len(others),) or len(np.unique(of)) < 2:
            raise ParameterError("background: needs recordings of two sources or more, with theirs")
        means = np.stack([clips[labels == name].mean(axis=0) for name in np.unique(labels)])
        self.centre_ = (means.mean(axis=0) + others.mean(axis=0)) / 2
        # means of directions, so that no clip counts for more by its loudness
        seen = self._directions(clips)
        means = np.stack([seen[labels == name].mean(axis=0) for name in np.unique(labels)])
        self.means_ = normalize(means)
        self.background_ = self._directions(others)
        same = of[:, None] == of
        self.background_scores_ = self._score(self.background_, hidden=same)
        return self

    def score(self, X: npt.ArrayLike) -> FloatArray:
        """How unknown clips are, (N, dim) -> (N,); the higher, the more."""
        check_is_fitted(self)
        clips = _roots(validate_data(self, X, dtype=np.float64, reset=False))
        return self._score(self._directions(clips), hidden=False)

    def _directions(self, roots: FloatArray) -> FloatArray:
        """Unit length from the centre, the same of it in each block."""
        ends = np.cumsum(self.blocks or [roots.shape[1]])[:-1]
        parts = np.split(roots - self.centre_, ends, axis=1)
        return np.asarray(np.hstack([normalize(part) for part in parts]) / np.sqrt(len(parts)))

    def _score(self, clips: FloatArray, *, hidden: npt.NDArray[np.bool_] | bool) -> FloatArray:
        """Score directions, (N, dim), with the background hidden from each that it must not see."""
        background = np.where(hidden, -1.0, clips @ self.background_.T).max(axis=1)
        known = (clips @ self.means_.T).max(axis=1)
        return np.asarray(self.background_weight * background - known)


def threshold_at(background_scores: npt.ArrayLike, false_alarm_rate: float) -> float:
    """Highest threshold that at most this share of background recordings passes.

    Parameters
    ----------
    background_scores : array-like
        `Novelty.background_scores_`, (M,); a recording passes as one of the
        classes where it scores no higher than the threshold.
    false_alarm_rate : in [0, 1]. Of further recordings of the same kinds up to one in M more
        may pass, so that a low rate wants many of them.

    Raises
    ------
    ParameterError
        There are no scores, one is not finite, or the rate is out of range.
    """
    scores = np.sort(np.asarray(background_scores, dtype=np.float64))
    if scores.ndim != 1 or not scores.size or not np.isfinite(scores).all():
        raise ParameterError("background_scores: needs a finite number or more, in one dimension")
    if not 0 <= false_alarm_rate <= 1:
        raise ParameterError(f"false_alarm_rate: {false_alarm_rate}; needs to lie from 0 to 1")
    allowed = int(false_alarm_rate * len(scores) + 1e-9)
    if allowed == len(scores):
        return float(scores[-1])
    return float(np.nextafter(scores[allowed], -np.inf))


def _roots(embeddings: FloatArray) -> FloatArray:
    return np.asarray(np.sign(embeddings) * np.sqrt(np.abs(embeddings)), dtype=np.float64)
