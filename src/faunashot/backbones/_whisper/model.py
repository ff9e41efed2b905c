"""Whisper's encoders, each in a module of its own."""

from __future__ import annotations

from typing import Any, ClassVar

from faunashot.backbones._keras import PACKAGES, Encoder, KerasBackbone
from faunashot.backbones._options import window_options
from faunashot.backbones._whisper.front_end import WINDOW_S, WhisperLogMel
from faunashot.backbones._whisper.network import (
    TABLE,
    Size,
    mean_of_recording,
    position_table,
    positions,
)
from faunashot.backbones.base import Card
from faunashot.runtimes.published_layers import PublishedLayers
from faunashot.weights.files import WeightsFile
from faunashot.weights.tensors import Tensors

CITATION = (
    "A. Radford, J. W. Kim, T. Xu, G. Brockman, C. McLeavey, I. Sutskever. Robust speech "
    "recognition via large-scale weak supervision. ICML 2023."
)
MULTILINGUAL = (
    "680,000 hours of speech in 99 languages from the internet, with transcripts; no labels of "
    "sounds, though music and animals may be behind the speech"
)
ENGLISH = (
    "438,000 hours of English speech from the internet, with transcripts; no labels of sounds, "
    "though music and animals may be behind the speech"
)
HUB = "https://huggingface.co/openai/whisper-"
WRAPPER = "model."
"""How the names begin in files that hold the decoder, too."""


def whisper_card(name: str, *, published: str, trained_on: str) -> Card:
    """The card of one of them, which is published as `published`."""
    return Card(
        name=name,
        version="1",
        licence="MIT",
        citation=CITATION,
        source=HUB + published,
        trained_on=trained_on,
        packages=PACKAGES,
    )


def whisper_file(published: str, *, revision: str, sha256: str) -> WeightsFile:
    """The file of one of them, which is published as `published`."""
    return WeightsFile(
        f"whisper-{published}-encoder.safetensors",
        f"{HUB}{published}/resolve/{revision}/model.safetensors",
        f"sha256:{sha256}",
    )


def layer_widths(size: Size) -> dict[str, int]:
    """Lengths of the embeddings by layer: the encoder's own, and one after each block."""
    numbered = {f"layer_{number}": size.width for number in range(1, size.blocks + 1)}
    return {"embedding": size.width} | numbered


class Whisper(KerasBackbone):
    """The encoder of a recogniser of speech, as mean over the recording.

    It reads 30 s at once. A shorter recording is padded with zeros as in training, and the
    embedding is the mean over the positions of 20 ms that lie in the recording. Layers are
    ``embedding``, after the last normalisation, and ``layer_1`` .. ``layer_n``, after each block.

    Parameters
    ----------
    hop_s : float
        Step between windows of 30 s, in seconds.
    weights : str
        A file of the same tensors in place of the published one, of the encoder alone or of the
        whole model, named as `transformers` does.

    Attributes
    ----------
    size : Size

    References
    ----------
    A. Radford et al. Robust speech recognition via large-scale weak supervision. ICML 2023.
    """

    Options: ClassVar = window_options(WINDOW_S, shortest_s=0.02)

    size: ClassVar[Size]
    unused = ("decoder.", "proj_out.")
    front_end_class = WhisperLogMel
    batch_size = 1

    @classmethod
    def encoder(cls, precision: str) -> Encoder:
        """The network from spectrograms, (N, 3000, 81), to embeddings."""
        encoder = cls.sequences(precision)
        pooled = {
            layer: mean_of_recording(encoder.inputs, encoder.outputs[layer]) for layer in cls.layers
        }
        return Encoder(encoder.inputs, pooled, encoder.blocks)

    @classmethod
    def sequences(cls, precision: str) -> Encoder:
        """The network from spectrograms to what `positions` gives, (N, 1500, width)."""
        from keras import Input

        of = PublishedLayers(precision)
        inputs: Any = Input(WhisperLogMel.shape, name="log_mel")
        return Encoder(inputs, positions(of, inputs, cls.size), of.blocks)

    @classmethod
    def named(cls, tensors: Tensors) -> Tensors:
        """Tensors as the encoder names them, and its positions where the file has none."""
        found = {name.removeprefix(WRAPPER): array for name, array in tensors.items()}
        return {TABLE: position_table(cls.size.width)} | found
