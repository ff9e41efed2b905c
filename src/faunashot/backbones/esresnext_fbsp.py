"""ESResNeXt-fbsp: a ResNeXt with attention on a trained time-frequency transformation."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy.typing as npt

from faunashot.backbones._audioset import class_names
from faunashot.backbones._esresnext.front_end import FbspSamples
from faunashot.backbones._esresnext.model import FbspBackbone
from faunashot.backbones._keras import PACKAGES, Encoder, dense
from faunashot.backbones.base import Card, ClassList, Cost, FloatArray
from faunashot.errors import WeightsError
from faunashot.runtimes.published_layers import PublishedLayers
from faunashot.weights.files import WeightsFile

CLASSIFIER = "fc"


class EsresnextFbsp(FbspBackbone):
    """ResNeXt-50 with attention on trained wavelets, 31 million parameters, tags of AudioSet.

    Parameters
    ----------
    hop_s : float
        Step between windows in seconds.
    weights : str
        A file of the same tensors in place of the published one; of other classes than AudioSet's
        it gives embeddings alone.
    window_s : float
        Length of a window in seconds, 5 unless given.

    References
    ----------
    A. Guzhov et al. ESResNe(X)t-fbsp: Learning robust time-frequency transformation of audio.
    IJCNN 2021.
    """

    card = Card(
        name="esresnext_fbsp",
        version="0.1",
        licence="none stated; the same code is MIT in AudioCLIP",
        citation=(
            "A. Guzhov, F. Raue, J. Hees, A. Dengel. ESResNe(X)t-fbsp: Learning robust "
            "time-frequency transformation of audio. IJCNN 2021."
        ),
        source="https://github.com/AndreyGuzhov/ESResNeXt-fbsp/releases/tag/v0.1",
        trained_on=(
            "ImageNet, then AudioSet (YouTube), 527 classes, among them most animals that a target "
            "corpus may hold"
        ),
        packages=PACKAGES,
    )
    cost = Cost(30_086_595, 14_034_542_496)
    published = WeightsFile(
        "ESResNeXtFBSP_AudioSet.pt",
        "https://github.com/AndreyGuzhov/ESResNeXt-fbsp/releases/download/v0.1/"
        "ESResNeXtFBSP_AudioSet.pt",
        "sha256:502a5dcde1771cf6f3c636780a428575322f842ceb2efac5ed72b0f68b858afe",
    )
    layers: ClassVar = {"embedding": 2048}
    unused = ("window", "fbsp.bias")
    classifiers: ClassVar = {CLASSIFIER: (527, 2048)}

    @classmethod
    def encoder(cls, precision: str, *, shape: tuple[int, ...] = FbspSamples.shape) -> Encoder:
        """The network from samples, (N, *shape), to embeddings."""
        of = PublishedLayers(precision)
        inputs, pooled = cls.pooled(of, shape=shape)
        return Encoder(inputs, {"embedding": pooled}, of.blocks)

    @cached_property
    def class_list(self) -> ClassList:
        """AudioSet's classes, in the order of the classifier's outputs."""
        return ClassList("audioset", class_names(), several="geometric")

    @cached_property
    def _classifier(self) -> dict[str, npt.NDArray[Any]]:
        found = {n: a for n, a in self.tensors.items() if n.startswith(f"{CLASSIFIER}.")}
        outputs = [len(array) for array in found.values()]
        if outputs != 2 * [len(class_names())]:
            raise WeightsError(
                f"{self.card.name}: {self._file} has {max(outputs, default=0)} classes of its own, "
                f"not AudioSet's {len(class_names())}"
            )
        return found

    def logits(self, embeddings: npt.NDArray[Any]) -> FloatArray:
        """Logits of AudioSet's 527 classes, (N, 2048) -> (N, 527).

        Raises
        ------
        WeightsError
            The weights are of other classes.
        """
        return dense(self._classifier, CLASSIFIER, embeddings)
