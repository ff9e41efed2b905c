"""Whisper's encoder, small."""

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


class WhisperSmall(Whisper):
    """Twelve blocks of 768 dimensions, 88.2 million parameters; of speech in 99 languages.

    References
    ----------
    A. Radford et al. Robust speech recognition via large-scale weak supervision. ICML 2023.
    """

    card = whisper_card("whisper_small", published="small", trained_on=MULTILINGUAL)
    cost = Cost(88_154_112, 172_081_152_000)
    published = whisper_file(
        "small",
        revision="973afd24965f72e36ca33b3055d56a652f456b4d",
        sha256="1d7734884874f1a1513ed9aa760a4f8e97aaa02fd6d93a3a85d27b2ae9ca596b",
    )
    size = Size(width=768, blocks=12, heads=12)
    layers = layer_widths(size)
