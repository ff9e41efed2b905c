"""MobileNetV1 of PANNs, 32 kHz."""

from __future__ import annotations

from typing import Any, ClassVar

from faunashot.backbones._panns.model import CLASSIFIER, Panns, panns_card, panns_file
from faunashot.backbones.base import Cost
from faunashot.runtimes.published_layers import PublishedLayers

FIRST = 32
BLOCKS = (
    *((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)),
    *((512, 1),) * 5,
    *((1024, 2), (1024, 1)),
)
"""Filters of each block, and by what it divides the size of the image."""


class PannsMobileNetV1(Panns):
    """Depthwise separable convolutions, 5 million parameters; mAP 0.389 on AudioSet.

    Where MobileNetV1 has strides, this one has an average pooling before the normalisation.

    References
    ----------
    Q. Kong et al. PANNs. IEEE/ACM TASLP 28, 2020; A. G. Howard et al. MobileNets: Efficient
    convolutional neural networks for mobile vision applications. arXiv:1704.04861, 2017.
    """

    card = panns_card("panns_mobilenet_v1")
    cost = Cost(4_278_144, 368_056_320)
    published = panns_file("MobileNetV1_mAP=0.389.pth", md5="a419303e1c88aa1b9d2ac3811563d371")
    layers: ClassVar = {"embedding": 1024}
    classifiers: ClassVar = {CLASSIFIER: (527, 1024)}

    @classmethod
    def convolutions(cls, of: PublishedLayers, *images: Any) -> Any:
        """A convolution, and thirteen that are taken apart into one a channel and a 1x1."""
        (image,) = images
        of.block()
        x = of.conv(image, "features.0.0", FIRST, 3, pad=1)
        x = _normalised(of, _pooled(of, x, 2), "features.0.2")
        for number, (filters, divisor) in enumerate(BLOCKS, 1):
            of.block()
            name = f"features.{number}"
            x = of.depthwise(x, f"{name}.0", 3, pad=1)
            x = _normalised(of, _pooled(of, x, divisor), f"{name}.2")
            x = _normalised(of, of.conv(x, f"{name}.4", filters, 1), f"{name}.5")
        return x


def _pooled(of: PublishedLayers, x: Any, divisor: int) -> Any:
    from keras import layers

    return x if divisor == 1 else layers.AveragePooling2D(divisor, dtype=of.precision)(x)


def _normalised(of: PublishedLayers, x: Any, name: str) -> Any:
    from keras import layers

    return layers.ReLU(dtype=of.precision)(of.batch_norm(x, name))
