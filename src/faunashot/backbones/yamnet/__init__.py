"""YAMNet from TF Hub: log-mel patches in numpy, its network through LiteRT."""

from faunashot.backbones.yamnet.model import YamNet

__all__ = ["YamNet"]
