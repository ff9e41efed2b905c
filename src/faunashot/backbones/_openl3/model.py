"""OpenL3: networks that learned from videos whether sound and image belong together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from faunashot.backbones._keras import PACKAGES, Encoder, KerasBackbone
from faunashot.backbones._openl3.front_end import OpenL3Spectrogram
from faunashot.backbones._openl3.network import LAYERS, openl3
from faunashot.backbones._options import window_options
from faunashot.backbones.base import Card
from faunashot.errors import WeightsError
from faunashot.weights.files import WeightsFile, locate
from faunashot.weights.hdf5 import by_position
from faunashot.weights.tensors import Tensors

Content = Literal["env", "music"]

REPRESENTATIONS = ("linear", "mel128", "mel256")
CITATION = (
    "A. L. Cramer, H.-H. Wu, J. Salamon, J. P. Bello. Look, listen and learn more: design choices "
    "for deep audio embeddings. ICASSP 2019, 3852-3856."
)
REPOSITORY = "https://github.com/marl/openl3"


def openl3_card(representation: str) -> Card:
    """The card of the network on one of the spectrograms."""
    return Card(
        name=f"openl3_{representation}",
        version="0.4.0",
        licence="CC-BY-4.0",
        citation=CITATION,
        source=REPOSITORY,
        trained_on=(
            "sound against image in videos of AudioSet (YouTube), without labels: those of "
            "people, animals and surroundings (env), or those of music (music)"
        ),
        packages=PACKAGES,
    )


def published_file(representation: str, content: Content = "env") -> WeightsFile:
    """The file of one spectrogram and one kind of video; no checksum is published."""
    name = f"openl3_audio_{representation}_{content}"
    return WeightsFile(f"{name}.h5", f"{REPOSITORY}/raw/models/{name}-v0_4_0.h5.gz")


class OpenL3(KerasBackbone):
    """The audio network of OpenL3.

    Its authors step 0.1 s from one window of 1 s to the next; at `hop_s` 0.5 it takes a fifth of
    the time. They put half a second of silence before a clip as well, here the first window
    starts where the clip does.

    Parameters
    ----------
    hop_s : float
        Step between windows of 1 s, in seconds.
    content : "env" or "music"
        Which videos the published weights have learned from.
    weights : str
        A file of the same tensors in place of the published one.

    Raises
    ------
    WeightsError
        The file is not here and cannot be had, holds other tensors, or is named after another
        spectrogram, whose network has tensors of the same shapes.

    References
    ----------
    A. L. Cramer, H.-H. Wu, J. Salamon, J. P. Bello. Look, listen and learn more: design choices
    for deep audio embeddings. ICASSP 2019.
    """

    Options: ClassVar = window_options(1.0, hop_s=0.1, content=(Content, "env"))

    layers: ClassVar = {"embedding_512": 512, "embedding_6144": 6144}
    batch_size = 8
    representation: ClassVar[str]
    front_end_class: ClassVar[type[OpenL3Spectrogram]]

    def __init__(self, *, hop_s: float, content: Content = "env", weights: str = "") -> None:
        for other in REPRESENTATIONS:
            if other != self.representation and f"_{other}" in Path(weights).name:
                raise WeightsError(f"{self.card.name}: {weights} is of openl3_{other} by its name")
        file = weights or str(locate(published_file(self.representation, content)))
        super().__init__(hop_s=hop_s, weights=file)

    @classmethod
    def encoder(cls, precision: str) -> Encoder:
        """The network from spectrograms, (N, frames, bands), to both embeddings."""
        frames, bands = cls.front_end_class.shape
        return openl3(precision, (frames, bands))

    @classmethod
    def arranged(cls, tensors: Tensors, variables: Mapping[str, Any]) -> Tensors:
        """The tensors as they are: published by Keras."""
        return tensors

    @classmethod
    def named(cls, tensors: Tensors) -> Tensors:
        """What a file holds, by our names."""
        return in_order(tensors)


def in_order(tensors: Tensors) -> Tensors:
    """Tensors of a published file by our names of the layers, in the order of the layers.

    Those of the spectrogram, which older files have, are left out.
    """
    there = {n: a for n, a in tensors.items() if "spectrogram" not in n.partition("/")[0]}
    return by_position(there, LAYERS)
