"""OpenL3 on spectrograms of 257 bins up to 24 kHz."""

from __future__ import annotations

from faunashot.backbones._openl3 import front_end
from faunashot.backbones._openl3.model import OpenL3, openl3_card, published_file
from faunashot.backbones.base import Cost


class OpenL3Linear(OpenL3):
    """257 bins up to 24 kHz, 4.7 million parameters; the step between windows is 0.1 s.

    References
    ----------
    A. L. Cramer et al. Look, listen and learn more. ICASSP 2019.
    """

    card = openl3_card("linear")
    cost = Cost(4_689_860, 10_162_522_944)
    representation = "linear"
    published = published_file("linear")
    front_end_class = front_end.OpenL3Linear
