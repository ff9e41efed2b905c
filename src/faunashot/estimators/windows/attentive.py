"""Attention over the windows of a clip, learned with a linear head."""

from __future__ import annotations

import numpy as np
from pydantic import Field
from scipy.special import expit

from faunashot.estimators.examples import FloatArray
from faunashot.estimators.learned_pooling import Arrays, Backward, Bags, LearnedPooling


class Attentive(LearnedPooling):
    """A linear head on the mean of a clip's windows, each weighed by gated attention.

    A window's weight is the softmax in its clip of ``w (tanh(V h) * sigmoid(U h))`` by the share of
    the clip that the window covers: with ``w = 0`` it is the plain mean. The attention reads the
    first principal components of the windows, so that it stays small.

    References
    ----------
    M. Ilse, J. M. Tomczak, M. Welling. Attention-based deep multiple instance learning. ICML 2018.
    """

    class Options(LearnedPooling.Options):
        """Settings.

        Attributes
        ----------
        attention_penalty : float
            Strength of the penalty on the attention.
        components : int
            Of the windows, that the attention reads.
        hidden : int
            Length of the attention's inner vectors.
        """

        attention_penalty: float = Field(0.3, ge=0)
        components: int = Field(32, ge=1)
        hidden: int = Field(8, ge=1)

    KIND = "attentive"

    def start(self, H: FloatArray, n_classes: int) -> Arrays:
        """Projections at 0, and attention that is drawn."""
        _, lengths, axes = np.linalg.svd(H - H.mean(axis=0), full_matrices=False)
        spread = lengths / np.sqrt(len(H))
        n = min(self.options.components, int((spread > 1e-6 * spread[0]).sum()))
        scaled = axes[:n].T / spread[:n]
        self.fixed_ = {"axes": scaled, "centre": H.mean(axis=0) @ scaled}
        rng = np.random.default_rng(self.seed)
        hidden = self.options.hidden
        return {
            "projections": np.zeros((H.shape[1], n_classes)),
            "content": rng.normal(size=(n, hidden)) / np.sqrt(n),
            "gate": rng.normal(size=(n, hidden)) / np.sqrt(n),
            "query": rng.normal(0, 0.1, (hidden, 1)),
        }

    def penalty(self, name: str) -> float:
        """Strength of the penalty on an array."""
        if name in ("content", "gate", "query"):
            return float(self.options.attention_penalty)
        return super().penalty(name)

    def read(self, H: FloatArray) -> FloatArray:
        """Principal components of windows, of unit variance, (N, D) -> (N, components)."""
        return np.asarray(H @ self.fixed_["axes"] - self.fixed_["centre"])

    def pooled(
        self, read: FloatArray, projected: FloatArray, bags: Bags, arrays: Arrays
    ) -> tuple[FloatArray, Backward]:
        """Projections of each clip's windows, averaged by attention."""
        content, gate = np.tanh(read @ arrays["content"]), expit(read @ arrays["gate"])
        query = arrays["query"]
        weight, _ = bags.weights(content * gate @ query)
        logits = bags.sums(weight * projected)

        def backward(of_logits: FloatArray) -> tuple[FloatArray, Arrays]:
            of_clip = of_logits[bags.clip_of]
            pull = (of_clip * projected).sum(axis=1, keepdims=True)
            of_energy = weight * (pull - bags.sums(weight * pull)[bags.clip_of])
            inner = of_energy * query.T
            return weight * of_clip, {
                "query": (content * gate).T @ of_energy,
                "content": read.T @ (inner * gate * (1 - content**2)),
                "gate": read.T @ (inner * content * gate * (1 - gate)),
            }

        return logits, backward
