"""ResNet50 on mel spectrograms as images."""

from __future__ import annotations

from faunashot.backbones._resnet50.model import ResNet50, resnet50_card
from faunashot.backbones.base import Cost
from faunashot.frontends.mel_image import MelImage


class ResNet50Mel(ResNet50):
    """ResNet50 on mel spectrograms.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun. Deep residual learning for image recognition. CVPR 2016.
    """

    card = resnet50_card("resnet50_mel")
    cost = Cost(23_581_440, 3_049_435_136)
    front_end_class = MelImage
