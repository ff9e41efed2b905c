"""PANNs: networks trained to tag AudioSet, each in a module of its own."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar
from urllib.parse import quote

import numpy.typing as npt

from faunashot.backbones._audioset import class_names
from faunashot.backbones._keras import PACKAGES, Encoder, KerasBackbone, dense
from faunashot.backbones._options import window_options
from faunashot.backbones._panns.front_end import BANDS, WINDOW_S, PannsLogMel
from faunashot.backbones._panns.network import embedding, spectrogram_image
from faunashot.backbones.base import Card, ClassList, FloatArray
from faunashot.errors import WeightsError
from faunashot.runtimes.published_layers import PublishedLayers
from faunashot.weights.files import WeightsFile
from faunashot.weights.tensors import Tensors

CLASSIFIER = "fc_audioset"
FILTERS = "logmel_extractor.melW"
"""Name of the mel filters, which published files hold and nothing here is computed from."""
CITATION = (
    "Q. Kong, Y. Cao, T. Iqbal, Y. Wang, W. Wang, M. D. Plumbley. PANNs: Large-scale pretrained "
    "audio neural networks for audio pattern recognition. IEEE/ACM TASLP 28, 2020."
)
RECORD = "https://zenodo.org/records/3987831"


def panns_card(name: str, *, version: str = "1") -> Card:
    """The card of one of them."""
    return Card(
        name=name,
        version=version,
        licence="CC-BY-4.0",
        citation=CITATION,
        source=RECORD,
        trained_on=(
            "AudioSet (YouTube), 527 classes, among them most animals that a target corpus may hold"
        ),
        packages=PACKAGES,
    )


def panns_file(name: str, *, md5: str) -> WeightsFile:
    """A file of their record, whose page gives its MD5."""
    return WeightsFile(name, f"{RECORD}/files/{quote(name)}?download=1", f"md5:{md5}")


class Panns(KerasBackbone):
    """A convolutional network on windows of 5 s, with AudioSet's 527 classes.

    Parameters
    ----------
    hop_s : float
        Step between windows of 5 s, in seconds.
    weights : str
        A file of the same tensors in place of the published one.

    References
    ----------
    Q. Kong et al. PANNs: Large-scale pretrained audio neural networks for audio pattern
    recognition. IEEE/ACM TASLP 28, 2020.
    """

    Options: ClassVar = window_options(WINDOW_S)

    layers: ClassVar = {"embedding": 2048}
    unused = ("spectrogram_extractor.", "logmel_extractor.")
    classifiers: ClassVar = {CLASSIFIER: (527, 2048)}
    batch_size = 8
    front_end_class: ClassVar[type[PannsLogMel]] = PannsLogMel

    @classmethod
    def encoder(cls, precision: str) -> Encoder:
        """The network from what the front end gives to embeddings."""
        from keras import Input

        of = PublishedLayers(precision)
        inputs = Input(cls.front_end_class.shape, name="windows")
        images = cls.images(of, *cls.split(inputs))
        outputs = {"embedding": embedding(of, cls.convolutions(of, *images))}
        return Encoder(inputs, outputs, of.blocks)

    @classmethod
    def named(cls, tensors: Tensors) -> Tensors:
        """The tensors as they are: the filters among them tell networks of two rates apart."""
        ours = (cls.front_end_class.n_fft // 2 + 1, BANDS)
        filters = tensors.get(FILTERS)
        if filters is not None and filters.shape != ours:
            raise WeightsError(
                f"the weights are of another network: {FILTERS} has shape {filters.shape}, not "
                f"{ours}, as of another sample rate"
            )
        return tensors

    @classmethod
    def split(cls, inputs: Any) -> tuple[Any, Any]:
        """What the front end gave as spectrograms, (N, 501, 64), and waveforms, (N, 160000)."""
        return inputs, None

    @classmethod
    def images(cls, of: PublishedLayers, spectrogram: Any, waveform: Any) -> list[Any]:
        """What the convolutions read, here the normalised spectrogram, (N, 501, 64, 1), alone.

        Spectrograms and waveforms may be of any length.
        """
        of.block()
        return [spectrogram_image(of, spectrogram)]

    @classmethod
    @abstractmethod
    def convolutions(cls, of: PublishedLayers, *images: Any) -> Any:
        """What is between `images` and the pooling."""

    @cached_property
    def class_list(self) -> ClassList:
        """AudioSet's classes, in the order of the classifier's outputs."""
        return ClassList("audioset", class_names(), several="geometric")

    @cached_property
    def _classifier(self) -> dict[str, npt.NDArray[Any]]:
        return {n: a for n, a in self.tensors.items() if n.startswith(CLASSIFIER)}

    def logits(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Logits of AudioSet's 527 classes, (N, dim) -> (N, 527)."""
        return dense(self._classifier, CLASSIFIER, embeddings)
