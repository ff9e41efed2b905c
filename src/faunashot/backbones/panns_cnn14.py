"""CNN14 of PANNs, 32 kHz."""

from __future__ import annotations

from typing import Any

from faunashot.backbones._panns.model import Panns, panns_card
from faunashot.backbones._panns.network import conv_block
from faunashot.runtimes.published_layers import PublishedLayers
from faunashot.weights.files import WeightsFile

FILTERS = (64, 128, 256, 512, 1024, 2048)


class PannsCnn14(Panns):
    """Six blocks of convolutions, 80 million parameters; mAP 0.431 on AudioSet.

    References
    ----------
    Q. Kong et al. PANNs. IEEE/ACM TASLP 28, 2020.
    """

    card = panns_card("panns_cnn14")
    published = WeightsFile(
        "Cnn14_mAP=0.431.pth",
        "https://zenodo.org/records/3987831/files/Cnn14_mAP%3D0.431.pth?download=1",
    )

    @classmethod
    def convolutions(cls, of: PublishedLayers, image: Any) -> Any:
        """Six blocks, the last without pooling."""
        for number, filters in enumerate(FILTERS, 1):
            pool = None if filters == FILTERS[-1] else (2, 2)
            image = conv_block(of, image, f"conv_block{number}", filters, pool=pool)
        return image
