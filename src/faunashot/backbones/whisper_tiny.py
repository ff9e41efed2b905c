"""Whisper's encoder, tiny."""

from __future__ import annotations

from faunashot.backbones._whisper.model import (
    MULTILINGUAL,
    Whisper,
    layer_widths,
    whisper_card,
    whisper_file,
)
from faunashot.backbones._whisper.network import Size
from faunashot.backbones.base import Cost


class WhisperTiny(Whisper):
    """Four blocks of 384 dimensions, 8.2 million parameters; of speech in 99 languages.

    References
    ----------
    A. Radford et al. Robust speech recognition via large-scale weak supervision. ICML 2023.
    """

    card = whisper_card("whisper_tiny", published="tiny", trained_on=MULTILINGUAL)
    cost = Cost(8_208_384, 18_468_864_000)
    published = whisper_file(
        "tiny",
        revision="169d4a4341b33bc18d8881c4b69c2e104e1cc0af",
        sha256="7ebd0e69e78190ffe1438491fa05cc1f5c1aa3a4c4db3bc1723adbb551ea2395",
    )
    size = Size(width=384, blocks=4, heads=6)
    layers = layer_widths(size)
