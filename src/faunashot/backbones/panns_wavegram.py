"""Wavegram-Logmel-CNN14 of PANNs, 32 kHz."""

from __future__ import annotations

from typing import Any

from faunashot.backbones._panns.front_end import PannsLogMel, PannsWaveLogMel
from faunashot.backbones._panns.model import Panns, panns_card, panns_file
from faunashot.backbones._panns.network import cnn14_blocks, conv_block
from faunashot.backbones.base import Cost
from faunashot.runtimes.published_layers import PublishedLayers

FILTERS = (64, 128, 128)
"""Of the blocks on the waveform."""

BANDS = 32
"""Of the wavegram, the image that is learned from the waveform."""


class PannsWavegram(Panns):
    """CNN14 on a log-mel spectrogram and on an image learned from the waveform; mAP 0.439.

    References
    ----------
    Q. Kong et al. PANNs. IEEE/ACM TASLP 28, 2020.
    """

    card = panns_card("panns_wavegram")
    cost = Cost(80_003_584, 12_764_844_032)
    published = panns_file(
        "Wavegram_Logmel_Cnn14_mAP=0.439.pth", md5="17fa9ab65af3c0eb5ffbc5f65552c4e1"
    )
    front_end_class = PannsWaveLogMel

    @classmethod
    def split(cls, inputs: Any) -> tuple[Any, Any]:
        """The spectrogram and the waveform of each row."""
        from keras import layers

        n = PannsLogMel.window_samples
        return layers.Reshape(PannsLogMel.shape)(inputs[:, n:]), inputs[:, :n]

    @classmethod
    def images(cls, of: PublishedLayers, spectrogram: Any, waveform: Any) -> list[Any]:
        """The normalised spectrogram and the wavegram, (N, 250, 32, 64)."""
        from keras import layers

        of.block()
        learned = _wavegram(of, layers.Reshape((waveform.shape[1], 1))(waveform))
        return [*super().images(of, spectrogram, waveform), learned]

    @classmethod
    def convolutions(cls, of: PublishedLayers, *images: Any) -> Any:
        """The first block of CNN14 on the spectrogram, the others on both."""
        from keras import layers

        image, learned = images
        x = conv_block(of, image, "conv_block1", 64)
        x = layers.Concatenate(dtype=of.precision)([x, learned])
        return cnn14_blocks(of, x, first=2)


def _wavegram(of: PublishedLayers, waveform: Any) -> Any:
    """The image of a waveform, (N, 160000, 1) -> (N, 250, 32, 64)."""
    from keras import layers

    x = of.batch_norm(of.conv(waveform, "pre_conv0", 64, 11, stride=5, pad=5), "pre_bn0")
    x = layers.ReLU(dtype=of.precision)(x)
    for number, filters in enumerate(FILTERS, 1):
        for nth in (1, 2):
            name = f"pre_block{number}"
            x = of.conv(x, f"{name}.conv{nth}", filters, 3, pad=nth, dilation=nth)
            x = layers.ReLU(dtype=of.precision)(of.batch_norm(x, f"{name}.bn{nth}"))
        x = layers.MaxPooling1D(4, dtype=of.precision)(x)
    frames, channels = x.shape[1:]
    grouped = layers.Reshape((frames, channels // BANDS, BANDS), dtype=of.precision)(x)
    image = layers.Permute((1, 3, 2), dtype=of.precision)(grouped)
    return conv_block(of, image, "pre_block4", 64, pool=(2, 1))
