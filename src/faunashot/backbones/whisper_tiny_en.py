"""Whisper's encoder, tiny.en."""

from __future__ import annotations

from faunashot.backbones._whisper.model import (
    ENGLISH,
    Whisper,
    layer_widths,
    whisper_card,
    whisper_file,
)
from faunashot.backbones._whisper.network import Size
from faunashot.backbones.base import Cost


class WhisperTinyEn(Whisper):
    """Four blocks of 384 dimensions, 8.2 million parameters; of English speech.

    References
    ----------
    A. Radford et al. Robust speech recognition via large-scale weak supervision. ICML 2023.
    """

    card = whisper_card("whisper_tiny_en", published="tiny.en", trained_on=ENGLISH)
    cost = Cost(8_208_384, 18_468_864_000)
    published = whisper_file(
        "tiny.en",
        revision="87c7102498dcde7456f24cfd30239ca606ed9063",
        sha256="db59695928ded6043adaef491a53ef4e12da9611184d77c53baa691a60b958ad",
    )
    size = Size(width=384, blocks=4, heads=6)
    layers = layer_widths(size)
