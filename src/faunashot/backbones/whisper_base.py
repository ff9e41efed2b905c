"""Whisper's encoder, base."""

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


class WhisperBase(Whisper):
    """Six blocks of 512 dimensions, 20.6 million parameters; of speech in 99 languages.

    References
    ----------
    A. Radford et al. Robust speech recognition via large-scale weak supervision. ICML 2023.
    """

    card = whisper_card("whisper_base", published="base", trained_on=MULTILINGUAL)
    cost = Cost(20_590_592, 43_683_840_000)
    published = whisper_file(
        "base",
        revision="e37978b90ca9030d5170a5c07aadb050351a65bb",
        sha256="07cadb9f25677c8d50df603e66a98fbd842cce45047139baeb16e6219a1e807b",
    )
    size = Size(width=512, blocks=6, heads=8)
    layers = layer_widths(size)
