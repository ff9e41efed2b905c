"""CNN14 of PANNs, 32 kHz."""

from __future__ import annotations

from typing import Any

from faunashot.backbones._panns.model import Panns, panns_card, panns_file
from faunashot.backbones._panns.network import cnn14_blocks
from faunashot.backbones.base import Cost
from faunashot.runtimes.published_layers import PublishedLayers


class PannsCnn14(Panns):
    """Six blocks of convolutions, 80 million parameters; mAP 0.431 on AudioSet.

    References
    ----------
    Q. Kong et al. PANNs. IEEE/ACM TASLP 28, 2020.
    """

    card = panns_card("panns_cnn14")
    cost = Cost(79_690_048, 9_952_940_032)
    published = panns_file("Cnn14_mAP=0.431.pth", md5="541141fa2ee191a88f24a3219fff024e")

    @classmethod
    def convolutions(cls, of: PublishedLayers, *images: Any) -> Any:
        """Six blocks, the last without pooling."""
        (image,) = images
        return cnn14_blocks(of, image)
