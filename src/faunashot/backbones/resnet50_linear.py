"""ResNet50 on spectrograms of evenly spaced frequencies as images."""

from __future__ import annotations

from faunashot.backbones._resnet50.model import ResNet50, resnet50_card
from faunashot.backbones.base import Cost
from faunashot.frontends.linear_image import LinearImage


class ResNet50Linear(ResNet50):
    """ResNet50 on spectrograms of evenly spaced frequencies.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun. Deep residual learning for image recognition. CVPR 2016.
    """

    card = resnet50_card("resnet50_linear")
    cost = Cost(23_581_440, 6_454_638_336)
    front_end_class = LinearImage
