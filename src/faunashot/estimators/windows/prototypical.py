"""Prototypes of each class, matched to the windows of a clip."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from faunashot.estimators.examples import FloatArray
from faunashot.estimators.learned_pooling import Arrays, Backward, Bags, LearnedPooling


class Prototypical(LearnedPooling):
    """Several learned prototypes a class; a clip is of the class whose prototypes it comes nearest.

    A prototype is compared with each window of unit length: its direction is what it looks for, its
    length what a match counts. Of a clip's windows the best match is taken, softly: a soft maximum,
    which of short prototypes is the mean over the windows, and of long ones, or at a high
    `sharpness`, the maximum.

    References
    ----------
    L. Rauch et al. Can masked autoencoders also listen to birds? arXiv:2504.12880, 2025:
    prototypical probing.
    """

    class Options(LearnedPooling.Options):
        """Settings.

        Attributes
        ----------
        prototypes : int
            Of each class.
        sharpness : float
            Of the maximum over windows.
        """

        prototypes: int = Field(3, ge=1)
        sharpness: float = Field(1.0, gt=0)

    KIND = "prototypical"

    def start(self, H: FloatArray, n_classes: int) -> Arrays:
        """Prototypes near 0 that differ by what is drawn."""
        rng = np.random.default_rng(self.seed)
        n = n_classes * self.options.prototypes
        return {"projections": rng.normal(0, 0.01, (H.shape[1], n))}

    def pooled(
        self, read: FloatArray, projected: FloatArray, bags: Bags, arrays: Arrays
    ) -> tuple[FloatArray, Backward]:
        """Sum over the prototypes of a class of their best match among a clip's windows."""
        sharpness, each = self.options.sharpness, self.options.prototypes
        weight, raised = bags.weights(sharpness * projected)
        logits = (raised / sharpness).reshape(len(raised), -1, each).sum(axis=2)

        def backward(of_logits: FloatArray) -> tuple[FloatArray, Arrays]:
            return weight * np.repeat(of_logits, each, axis=1)[bags.clip_of], {}

        return logits, backward
