"""ResNet38 of PANNs, 32 kHz."""

from __future__ import annotations

from typing import Any

from faunashot.backbones._panns.model import Panns, panns_card, panns_file
from faunashot.backbones._panns.network import DROPOUT, conv_block
from faunashot.backbones.base import Cost
from faunashot.runtimes.published_layers import PublishedLayers

STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
"""Filters and residual blocks of each stage."""

RESIDUAL_DROPOUT = 0.1
"""Share of values that are dropped between the two convolutions of a residual block."""


class PannsResNet38(Panns):
    """Sixteen residual blocks between two of CNN14's, 74 million parameters; mAP 0.434 on AudioSet.

    References
    ----------
    Q. Kong et al. PANNs. IEEE/ACM TASLP 28, 2020; K. He et al. Deep residual learning for image
    recognition. CVPR 2016.
    """

    card = panns_card("panns_resnet38")
    cost = Cost(72_728_896, 11_623_845_888)
    published = panns_file("ResNet38_mAP=0.434.pth", md5="bf12f36aaabac4e0855e22d3c3239c1b")

    @classmethod
    def convolutions(cls, of: PublishedLayers, *images: Any) -> Any:
        """A block, four residual stages of which all but the first halve the image, a block."""
        (image,) = images
        x = conv_block(of, image, "conv_block1", 64)
        for stage, (filters, blocks) in enumerate(STAGES, 1):
            of.block()
            for nth in range(blocks):
                name = f"resnet.layer{stage}.{nth}"
                x = _residual(of, x, name, filters, halve=stage > 1 and nth == 0)
        x = of.dropout(_halved(of, x), DROPOUT)
        return conv_block(of, x, "conv_block_after1", 2048, pool=None)


def _residual(of: PublishedLayers, x: Any, name: str, filters: int, *, halve: bool) -> Any:
    from keras import layers

    if halve:
        x = _halved(of, x)
    branch = of.batch_norm(of.conv(x, f"{name}.conv1", filters, 3, pad=1), f"{name}.bn1")
    branch = of.dropout(layers.ReLU(dtype=of.precision)(branch), RESIDUAL_DROPOUT)
    branch = of.batch_norm(of.conv(branch, f"{name}.conv2", filters, 3, pad=1), f"{name}.bn2")
    if halve:
        x = of.conv(x, f"{name}.downsample.1", filters, 1)
        x = of.batch_norm(x, f"{name}.downsample.2")
    return layers.ReLU(dtype=of.precision)(layers.Add(dtype=of.precision)([branch, x]))


def _halved(of: PublishedLayers, x: Any) -> Any:
    from keras import layers

    return layers.AveragePooling2D(2, dtype=of.precision)(x)
