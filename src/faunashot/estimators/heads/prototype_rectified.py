"""Logistic regression beside class means that unlabelled clips have corrected."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.special import softmax

from faunashot.estimators.heads.logistic import FloatArray, Logistic
from faunashot.estimators.support import Support


class PrototypeRectifiedLogistic(Logistic):
    """Logistic regression beside class means that unlabelled rows have corrected.

    The mean of k clips is a poor mean of a class. A few steps of soft k-means over the unlabelled
    rows, begun at the class means and with the labelled rows held to their class, move it; the
    moved mean then counts as `weight` further clips of its class. Where k is large it hardly
    matters, where k is 1 it is most of what is known. Without unlabelled rows this is `Logistic`.

    Parameters
    ----------
    weight : float
        Clips that a moved mean counts for.
    temperature : float
        Cosine that costs a factor of e in the share that a row has in a class.
    steps : int
        Of k-means.

    References
    ----------
    M. Ren et al. Meta-learning for semi-supervised few-shot classification. ICLR 2018;
    J. Liu, L. Song, Y. Qin. Prototype rectification for few-shot learning. ECCV 2020.
    """

    class Options(Logistic.Options):
        """Settings of the head."""

        weight: float = Field(3.0, ge=0)
        temperature: float = Field(0.1, gt=0)
        steps: int = Field(5, ge=1)

    reads_unlabelled = True
    multi_label = False  # the clips without a label are of no one class, whose mean could be moved

    def __init__(
        self,
        C: float = 30.0,
        tol: float = 1e-5,
        weight: float = 3.0,
        temperature: float = 0.1,
        steps: int = 5,
    ) -> None:
        super().__init__(C, tol)
        self.weight = weight
        self.temperature = temperature
        self.steps = steps

    def extended(self, support: Support) -> Support:
        """The support, and a row a class: its moved mean."""
        if support.unlabelled is None or not len(support.unlabelled):
            return support.with_windows()
        labels = support.y if support.among is None else support.y[support.among]
        moved = np.unique(labels)
        held = (support.y == moved[:, None]).astype(np.float64)
        known, unknown = _unit(support.X), _unit(support.unlabelled)
        own = held @ known
        mean = _unit(own)
        for _ in range(self.steps):
            share = softmax(unknown @ mean.T / self.temperature, axis=1)
            mean = _unit(own + share.T @ unknown)
        scale = np.linalg.norm(support.X, axis=1).mean()
        rows = support.with_windows()
        return Support(
            np.vstack([rows.X, mean * scale]),
            np.concatenate([rows.y, moved]),
            np.concatenate([np.asarray(rows.weight), np.full(len(moved), self.weight)]),
        )


def _unit(rows: FloatArray) -> FloatArray:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(length == 0, 1, length))
