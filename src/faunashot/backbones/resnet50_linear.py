"""ResNet50 on spectrograms of evenly spaced frequencies as images."""

from __future__ import annotations

from faunashot.backbones._resnet50.model import ResNet50, resnet50_card
from faunashot.frontends.linear_image import LinearImage


class ResNet50Linear(ResNet50):
    """ResNet50 on spectrograms of evenly spaced frequencies.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun. Deep residual learning for image recognition. CVPR 2016.
    """

    card = resnet50_card("resnet50_linear")
    front_end_class = LinearImage
