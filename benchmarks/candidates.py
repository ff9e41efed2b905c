"""Few-shot heads that were tried and not kept, as functions of shaped rows; see `heads.py`.

References
----------
I. Ziko et al. Laplacian regularized few-shot learning. ICML 2020;
D. Zhou et al. Learning with local and global consistency. NIPS 2003 (2004);
M. Ren et al. Meta-learning for semi-supervised few-shot classification. ICLR 2018;
S. Yang, L. Liu, M. Xu. Free lunch for few-shot learning: distribution calibration. ICLR 2021.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.preprocessing import normalize

from faunashot.estimators.heads.logistic import Logistic
from faunashot.estimators.heads.prototype_rectified import PrototypeRectifiedLogistic

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

TEMPERATURE = 0.1
"""Cosine that costs a factor of e."""


class Shot(NamedTuple):
    """What a candidate may look at; rows have gone through the steps power, centre, unit.

    Attributes
    ----------
    support, y : labelled rows, (N, D), and the codes of their classes, (N,).
    unlabelled : the training side's other rows, (M, D).
    query : rows to be scored, (Q, D).
    views : (V, N, D), the labelled rows from random halves of their windows; V is 0 for
        candidates that do not need them.
    source, source_y : rows of another corpus, (S, D), and their codes.
    blocks : widths of the backbones' parts of a row.
    """

    support: FloatArray
    y: IntArray
    unlabelled: FloatArray
    query: FloatArray
    views: FloatArray
    source: FloatArray
    source_y: IntArray
    blocks: tuple[int, ...]

    @property
    def truth(self) -> FloatArray:
        """One column a class, (N, C)."""
        return np.eye(int(self.y.max()) + 1)[self.y]

    @property
    def prototypes(self) -> FloatArray:
        """Directions of the class means, (C, D)."""
        return np.asarray(normalize(self.truth.T @ normalize(self.support)))

    def parts(self, rows: FloatArray) -> list[FloatArray]:
        """The backbones' parts of rows."""
        return np.split(rows, np.cumsum(self.blocks)[:-1], axis=1)


def laplacian_shot(shot: Shot, *, pull: float = 0.5, neighbours: int = 3) -> FloatArray:
    """Prototypes, and queries that pull their nearest queries to their class (Ziko 2020)."""
    query = normalize(shot.query)
    near = _neighbours(query @ query.T, neighbours) > 0
    own = query @ shot.prototypes.T / TEMPERATURE
    share = softmax(own, axis=1)
    for _ in range(20):
        share = softmax(own + pull * (near @ share), axis=1)
    return np.asarray(share)


def label_propagation(shot: Shot, *, pool: bool, alpha: float = 0.8) -> FloatArray:
    """Labels spread over a graph of all rows (Zhou 2004)."""
    others = (shot.unlabelled, shot.query) if pool else (shot.query,)
    rows = normalize(np.vstack([shot.support, *others]))
    near = _neighbours(np.exp(rows @ rows.T / TEMPERATURE), 10)
    scale = 1 / np.sqrt(near.sum(axis=1))
    known = np.zeros((len(rows), shot.truth.shape[1]))
    known[: len(shot.y)] = shot.truth / shot.truth.sum(axis=0)
    spread = np.linalg.solve(np.eye(len(rows)) - alpha * near * scale[:, None] * scale, known)
    return np.asarray(spread[-len(shot.query) :])


def soft_k_means(shot: Shot, *, on_query: bool) -> FloatArray:
    """Prototypes moved by rows without labels (Ren 2018)."""
    known, rows = normalize(shot.support), normalize(shot.query if on_query else shot.unlabelled)
    mean = shot.prototypes
    for _ in range(5):
        share = softmax(rows @ mean.T / TEMPERATURE, axis=1)
        mean = normalize(shot.truth.T @ known + share.T @ rows)
    return np.asarray(normalize(shot.query) @ mean.T)


def self_training(shot: Shot, *, weight: float = 0.3) -> FloatArray:
    """Logistic regression that learns its own answers on the unlabelled rows, thrice."""
    head = _logistic(shot.support, shot.y)
    rows = np.vstack([shot.support, shot.unlabelled])
    for _ in range(3):
        share = head.predict_proba(shot.unlabelled)
        weights = np.r_[np.ones(len(shot.y)), weight * share.max(axis=1)]
        head = _logistic(rows, np.r_[shot.y, share.argmax(axis=1)], weights)
    return head.predict_proba(shot.query)


def distribution_calibration(shot: Shot, *, drawn: int = 500, pull: float = 0.2) -> FloatArray:
    """Rows drawn around each labelled one with the spread of the source's classes (Yang 2021).

    In as many dimensions as these the covariance is its diagonal, and means that are pulled all
    the way to the source are no better than the source's.
    """
    codes = np.unique(shot.source_y)
    mean = np.stack([shot.source[shot.source_y == c].mean(axis=0) for c in codes])
    spread = np.stack([shot.source[shot.source_y == c].var(axis=0) for c in codes])
    gap = ((shot.support[:, None] - mean) ** 2).sum(axis=2)
    nearest = gap.argsort(axis=1)[:, :2]
    centre = (1 - pull) * shot.support + pull * mean[nearest].mean(axis=1)
    deviation = np.sqrt(spread[nearest].mean(axis=1))
    draws = -(-drawn // len(shot.y))
    noise = np.random.default_rng(0).normal(size=(draws, *shot.support.shape))
    rows = np.vstack([shot.support, *(centre + noise * deviation)])
    y = np.tile(shot.y, draws + 1)
    return _logistic(rows, y, np.full(len(y), 1 / draws)).predict_proba(shot.query)


def augmented(shot: Shot) -> FloatArray:
    """Logistic regression on clips and on random halves of their windows, a half of the weight."""
    rows = np.vstack([shot.support, *shot.views])
    parts = len(shot.views)
    weight = np.r_[np.full(len(shot.y), 0.5), np.full(len(shot.y) * parts, 0.5 / parts)]
    return _logistic(rows, np.tile(shot.y, parts + 1), weight).predict_proba(shot.query)


def mean_log_probability(shot: Shot) -> FloatArray:
    """A head a backbone, the logarithms of their answers added."""
    pairs = zip(shot.parts(shot.support), shot.parts(shot.query), strict=True)
    scores = [
        log_softmax(_logistic(rows, shot.y).decision_function(query), axis=1)
        for rows, query in pairs
    ]
    return np.asarray(np.sum(scores, axis=0))


def weighted_blocks(shot: Shot, *, prior: float = 10.0) -> FloatArray:
    """The rectified head on blocks weighted by how well each tells a labelled row left out."""
    weight = _block_weights(shot, prior)

    def joined(rows: FloatArray) -> FloatArray:
        return np.hstack([w * part for w, part in zip(weight, shot.parts(rows), strict=True)])

    head = PrototypeRectifiedLogistic().fit(
        joined(shot.support), shot.y, unlabelled=joined(shot.unlabelled)
    )
    return head.predict_proba(joined(shot.query))


def logistic(shot: Shot) -> FloatArray:
    """Logistic regression on the labelled rows."""
    return _logistic(shot.support, shot.y).predict_proba(shot.query)


class Candidate(NamedTuple):
    """A way to score queries, what it sees, and what it cannot do without."""

    scores: Callable[[Shot], FloatArray]
    sees: str = "labelled"
    exponent: float = 0.5
    needs: str = ""


CANDIDATES = {
    "laplacian_shot": Candidate(laplacian_shot, "query"),
    "label_propagation_query": Candidate(lambda s: label_propagation(s, pool=False), "query"),
    "label_propagation_pool": Candidate(
        lambda s: label_propagation(s, pool=True), "unlabelled, query"
    ),
    "soft_k_means_pool": Candidate(lambda s: soft_k_means(s, on_query=False), "unlabelled"),
    "soft_k_means_query": Candidate(lambda s: soft_k_means(s, on_query=True), "query"),
    "self_training": Candidate(self_training, "unlabelled"),
    "distribution_calibration": Candidate(distribution_calibration, "source", needs="source"),
    "augmented_halves": Candidate(augmented, needs="views"),
    "mean_log_probability": Candidate(mean_log_probability, needs="blocks"),
    "weighted_blocks": Candidate(weighted_blocks, "unlabelled", needs="blocks"),
    "logistic_power_0.25": Candidate(logistic, exponent=0.25),
    "logistic_power_0.75": Candidate(logistic, exponent=0.75),
    "logistic_power_1": Candidate(logistic, exponent=1.0),
}


def _logistic(rows: FloatArray, y: IntArray, weight: FloatArray | None = None) -> Logistic:
    return Logistic(tol=1e-3).fit(rows, y, weight)


def _neighbours(likeness: FloatArray, count: int) -> FloatArray:
    """Likeness where one of two rows is among the other's nearest, 0 elsewhere and on itself."""
    alike = likeness.copy()
    np.fill_diagonal(alike, -np.inf)
    count = min(count, len(alike) - 1)
    least = np.partition(alike, -count, axis=1)[:, [-count]]
    near = alike >= least
    return np.where(near | near.T, likeness, 0.0)


def _block_weights(shot: Shot, prior: float) -> FloatArray:
    """Weights under which left-out rows are the likeliest; 1 where a class has a single row."""
    several = shot.truth.sum(axis=0)[shot.y] > 1
    if not several.any():
        return np.ones(len(shot.blocks))
    at = np.arange(len(shot.y))
    cosines = []
    for rows in shot.parts(shot.support):
        total = shot.truth.T @ rows
        cosine = rows @ normalize(total).T
        cosine[at, shot.y] = (rows * normalize(total[shot.y] - rows)).sum(axis=1)
        cosines.append(cosine / TEMPERATURE)

    def unlikely(log_weight: FloatArray) -> float:
        logits = np.tensordot(np.exp(log_weight), np.stack(cosines), 1)
        loss = (logsumexp(logits, axis=1) - logits[at, shot.y])[several].sum()
        return float(loss + prior * (log_weight**2).sum() / 2)

    start = np.full(len(cosines), -np.log(len(cosines)))
    weight = np.exp(minimize(unlikely, start, bounds=[(-4, 2)] * len(cosines)).x)
    return np.asarray(np.sqrt(weight / weight.mean()))
