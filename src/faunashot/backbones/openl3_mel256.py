"""OpenL3 on 256 mel bands up to 24 kHz."""

from __future__ import annotations

from faunashot.backbones._openl3 import front_end
from faunashot.backbones._openl3.model import OpenL3, openl3_card, published_file
from faunashot.backbones.base import Cost


class OpenL3Mel256(OpenL3):
    """256 mel bands up to 24 kHz, 4.7 million parameters; the step between windows is 0.1 s.

    References
    ----------
    A. L. Cramer et al. Look, listen and learn more. ICASSP 2019.
    """

    card = openl3_card("mel256")
    cost = Cost(4_689_860, 10_202_628_096)
    representation = "mel256"
    published = published_file("mel256")
    front_end_class = front_end.OpenL3Mel256
