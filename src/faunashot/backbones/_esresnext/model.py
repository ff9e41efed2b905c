"""Backbones that run ESResNeXt-fbsp: alone, and as what AudioCLIP hears with."""

from __future__ import annotations

from typing import Any, ClassVar

from faunashot.backbones._esresnext.front_end import WINDOW_S, FbspSamples
from faunashot.backbones._esresnext.network import embedding, spectrogram
from faunashot.backbones._keras import KerasBackbone
from faunashot.backbones._options import window_options
from faunashot.runtimes.published_layers import PublishedLayers


class FbspBackbone(KerasBackbone):
    """A network on 5 s of samples at 44.1 kHz, whose lowest part are trained wavelets.

    That part, a layer of `build`, stays as it is unless the training is told otherwise. The
    authors divide its gradients by their largest, which Adam's steps do not depend on, and hold
    the length of each wavelet near 1 by a term in the loss, which is not done here.

    Attributes
    ----------
    prefix : str
        How names of its tensors begin in the published file.
    """

    Options: ClassVar = window_options(WINDOW_S)

    front_end_class = FbspSamples
    batch_size = 8
    frozen = 1
    prefix: ClassVar[str] = ""

    @classmethod
    def pooled(cls, of: PublishedLayers) -> tuple[Any, Any]:
        """Samples, (N, 220500), and what the network makes of them, (N, 2048)."""
        from keras import Input

        inputs = Input(FbspSamples.shape, name="samples")
        image = spectrogram(of, inputs, name=cls.prefix)
        return inputs, embedding(of, image, name=cls.prefix)

    def _keras(self, layers: tuple[str, ...]) -> tuple[Any, Any]:
        model, tf = super()._keras(layers)
        model.get_layer("wavelets").keep()
        return model, tf
