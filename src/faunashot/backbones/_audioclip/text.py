"""CLIP's text transformer, in NumPy: texts are few and short, and nothing of it is trained here."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count, takewhile
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import WeightsError
from faunashot.frontends.base import FloatArray
from faunashot.runtimes.published_layers import EPSILON

HEAD = 64
"""Width of a head of attention."""

PARTS = ("positional_embedding", "text_projection", "token_embedding.", "transformer.", "ln_final.")
"""How names of its tensors begin."""


class TextTransformer:
    """Embeds tokens: normalised blocks of causal attention, as many as there are tensors of.

    Parameters
    ----------
    tensors : mapping
        By published name, in PyTorch's layout.

    Raises
    ------
    WeightsError
        A tensor is missing.

    References
    ----------
    A. Radford et al. Learning transferable visual models from natural language supervision. ICML
    2021.
    """

    def __init__(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        self._tensors = tensors
        names = (f"transformer.resblocks.{at}" for at in count())
        self._blocks = list(takewhile(lambda name: f"{name}.ln_1.weight" in self._tensors, names))
        if not self._blocks:
            raise WeightsError("the weights have no text transformer")

    def embed(self, tokens: npt.NDArray[np.integer[Any]]) -> FloatArray:
        """Embeddings of texts, not normalised, (P, 77) -> (P, dim).

        Parameters
        ----------
        tokens : ndarray of int, shape (P, 77)
            The largest number of each row is the end of its text.
        """
        projection = self._of("text_projection")
        embedded = [self.hidden(row)[-1] @ projection for row in tokens]
        return np.asarray(embedded, dtype=np.float32).reshape(-1, projection.shape[1])

    def hidden(self, row: npt.NDArray[np.integer[Any]]) -> FloatArray:
        """Normalised states of a text's tokens to its end, (77,) -> (n, width)."""
        row = row[: int(row.argmax()) + 1]  # nothing attends to what comes after it
        x = self._of("token_embedding.weight")[row] + self._of("positional_embedding")[: len(row)]
        for name in self._blocks:
            x = x + self._attention(self._norm(x, f"{name}.ln_1"), f"{name}.attn")
            inner = self._dense(self._norm(x, f"{name}.ln_2"), f"{name}.mlp.c_fc.")
            x = x + self._dense(_quick_gelu(inner), f"{name}.mlp.c_proj.")
        return self._norm(x, "ln_final")

    def _attention(self, x: FloatArray, name: str) -> FloatArray:
        length, width = x.shape
        parts = self._dense(x, f"{name}.in_proj_").reshape(length, 3, width // HEAD, HEAD)
        query, key, value = parts.transpose(1, 2, 0, 3)
        scores = query @ key.transpose(0, 2, 1) / np.float32(HEAD**0.5)
        scores[:, np.triu(np.ones((length, length), dtype=bool), 1)] = -np.inf
        shares = np.exp(scores - scores.max(axis=2, keepdims=True))
        heads = shares / shares.sum(axis=2, keepdims=True) @ value
        return self._dense(heads.transpose(1, 0, 2).reshape(length, width), f"{name}.out_proj.")

    def _norm(self, x: FloatArray, name: str) -> FloatArray:
        centred = x - x.mean(axis=1, keepdims=True)
        spread = np.sqrt(np.square(centred).mean(axis=1, keepdims=True) + np.float32(EPSILON))
        return np.asarray(centred / spread * self._of(f"{name}.weight") + self._of(f"{name}.bias"))

    def _dense(self, x: FloatArray, name: str) -> FloatArray:
        return np.asarray(x @ self._of(f"{name}weight").T + self._of(f"{name}bias"))

    def _of(self, name: str) -> FloatArray:
        try:
            return np.asarray(self._tensors[name], dtype=np.float32)
        except KeyError:
            raise WeightsError(f"the weights lack {name} of the text transformer") from None


def _quick_gelu(x: FloatArray) -> FloatArray:
    from scipy.special import expit

    return np.asarray(x * expit(np.float32(1.702) * x))
