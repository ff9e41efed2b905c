"""CNN14 of PANNs, 16 kHz."""

from __future__ import annotations

from faunashot.backbones._panns.front_end import PannsLogMel16k
from faunashot.backbones._panns.model import panns_card, panns_file
from faunashot.backbones.base import Cost
from faunashot.backbones.panns_cnn14 import PannsCnn14


class PannsCnn14At16k(PannsCnn14):
    """The same network trained on audio at 16 kHz; mAP 0.438 on AudioSet.

    References
    ----------
    Q. Kong et al. PANNs. IEEE/ACM TASLP 28, 2020.
    """

    card = panns_card("panns_cnn14_16k")
    cost = Cost(79_690_048, 9_952_940_032)
    published = panns_file("Cnn14_16k_mAP=0.438.pth", md5="362fc5ff18f1d6ad2f6d464b45893f2c")
    front_end_class = PannsLogMel16k
