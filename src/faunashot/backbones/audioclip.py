"""AudioCLIP: ESResNeXt-fbsp and CLIP's text transformer, trained into one space."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from faunashot.backbones._audioclip.text import PARTS, TextTransformer
from faunashot.backbones._audioclip.tokens import MERGES, Tokeniser, read_merges
from faunashot.backbones._esresnext.front_end import FbspSamples
from faunashot.backbones._esresnext.model import FbspBackbone
from faunashot.backbones._keras import PACKAGES, Encoder
from faunashot.backbones.base import Card, Cost, FloatArray
from faunashot.runtimes.published_layers import PublishedLayers
from faunashot.weights.files import WeightsFile, locate
from faunashot.weights.tensors import Tensors, read_tensors

SCALE = "logit_scale_at"
"""Name of the logarithm of the scale of cosines of audio and text."""
MOST = 100.0
"""Of that scale."""


class AudioClip(FbspBackbone):
    """What AudioCLIP hears, 32 million parameters, and the texts that it knows of.

    Layers: ``embedding``, of length 1024, lies in the space of the texts; ``penultimate``, of
    length 2048, is what it is made of.

    Parameters
    ----------
    hop_s : float
        Step between windows in seconds.
    weights : str
        A file of the same tensors in place of the published one.
    window_s : float
        Length of a window in seconds, 5 unless given.

    References
    ----------
    A. Guzhov et al. AudioCLIP: Extending CLIP to image, text and audio. ICASSP 2022.
    """

    card = Card(
        name="audioclip",
        version="0.1",
        licence="MIT",
        citation=(
            "A. Guzhov, F. Raue, J. Hees, A. Dengel. AudioCLIP: Extending CLIP to image, text and "
            "audio. ICASSP 2022."
        ),
        source="https://github.com/AndreyGuzhov/AudioCLIP/releases/tag/v0.1",
        trained_on=(
            "AudioSet (YouTube) with its 527 class names as texts, among them most animals that a "
            "target corpus may hold; CLIP's images and texts before"
        ),
        packages=PACKAGES,
    )
    cost = Cost(32_184_771, 14_036_639_648)
    published = WeightsFile(
        "AudioCLIP-Full-Training.pt",
        "https://github.com/AndreyGuzhov/AudioCLIP/releases/download/v0.1/"
        "AudioCLIP-Full-Training.pt",
        "sha256:2441d35b353352c8b1bbfb8f7c687f46314c3d2909e940eaf763b8c17f632c44",
    )
    layers: ClassVar = {"embedding": 1024, "penultimate": 2048}
    unused = ("audio.window", "audio.fbsp.bias", "visual.", "logit_scale", *PARTS)
    prefix = "audio."

    @classmethod
    def encoder(cls, precision: str, *, shape: tuple[int, ...] = FbspSamples.shape) -> Encoder:
        """The network from samples, (N, *shape), to embeddings."""
        from keras import layers

        of = PublishedLayers(precision)
        inputs, pooled = cls.pooled(of, shape=shape)
        embedding = of.dense(pooled, "audio.fc", cls.layers["embedding"])
        embedding = layers.Activation("linear", dtype="float32", name="embedding")(embedding)
        return Encoder(inputs, {"embedding": embedding, "penultimate": pooled}, of.blocks)

    def embed_text(self, prompts: Sequence[str]) -> FloatArray:
        """Embeddings of texts, not normalised, (P, 1024).

        Raises
        ------
        ParameterError
            A text is longer than 75 tokens.
        WeightsError
            The file that texts are split into tokens by is not here, and cannot be had.
        """
        return self.embed_tokens(self._tokeniser(prompts))

    def embed_tokens(self, tokens: npt.NDArray[np.integer[Any]]) -> FloatArray:
        """Embeddings of texts from the numbers of their tokens, (P, 77) -> (P, 1024)."""
        return self.text.embed(tokens)

    @cached_property
    def text(self) -> TextTransformer:
        """The network that embeds texts."""
        return TextTransformer(self._text_tensors)

    @cached_property
    def text_scale(self) -> float:
        """What cosines of audio and text are multiplied by; 100, its bound, where it is not kept.

        Its logarithm was trained, which may stand for 1 to 100.
        """
        kept = self._text_tensors.get(SCALE)
        return MOST if kept is None else float(np.clip(np.exp(kept), 1, MOST).max())

    @cached_property
    def _text_tensors(self) -> Tensors:
        tensors = read_tensors(self._file)
        return {name: array for name, array in tensors.items() if name.startswith((*PARTS, SCALE))}

    @cached_property
    def _tokeniser(self) -> Tokeniser:
        return Tokeniser(read_merges(locate(MERGES)))
