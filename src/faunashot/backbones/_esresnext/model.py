"""Backbones that run ESResNeXt-fbsp: alone, and as what AudioCLIP hears with."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from faunashot.backbones._esresnext.front_end import WINDOW_S, FbspSamples
from faunashot.backbones._esresnext.network import embedding, spectrogram
from faunashot.backbones._keras import Encoder, KerasBackbone
from faunashot.backbones._options import window_options
from faunashot.errors import ParameterError
from faunashot.runtimes.published_layers import PublishedLayers


class FbspOptions(window_options(WINDOW_S)):  # type: ignore[misc]
    """Length of a window, step between windows, and weights in place of the published ones."""

    window_s: Annotated[float, Field(ge=0.5, le=WINDOW_S)] = WINDOW_S

    @model_validator(mode="after")
    def _drops_nothing(self) -> Self:
        if self.hop_s > self.window_s:
            raise ParameterError(
                f"hop_s: a step of {self.hop_s:g} s is longer than window_s, {self.window_s:g} s; "
                f"set hop_s to {self.window_s / 2:g}, say"
            )
        return self


class FbspBackbone(KerasBackbone):
    """A network on samples at 44.1 kHz, of 5 s as published, whose lowest part are wavelets.

    That part, a layer of `build`, stays as it is unless the training is told otherwise. The
    authors divide its gradients by their largest, which Adam's steps do not depend on, and hold
    the length of each wavelet near 1 by a term in the loss, which is not done here.

    Parameters
    ----------
    hop_s, weights
        As of `KerasBackbone`.
    window_s : float
        Length of a window in seconds; the step is no longer.

    Attributes
    ----------
    prefix : str
        How names of its tensors begin in the published file.
    """

    Options: ClassVar = FbspOptions

    front_end_class = FbspSamples
    batch_size = 8
    frozen = 1
    prefix: ClassVar[str] = ""

    def __init__(self, *, hop_s: float, weights: str = "", window_s: float = WINDOW_S) -> None:
        super().__init__(hop_s=hop_s, weights=weights)
        self.front_end = FbspSamples(hop_s=hop_s, window_s=window_s)

    @property
    def made_with(self) -> dict[str, Any]:
        """As of `KerasBackbone`, and the window's length where that is not as published."""
        window_s = self.front_end.window_s
        return super().made_with | ({} if window_s == WINDOW_S else {"window_s": window_s})

    @property
    def variant(self) -> str:
        """The window's length where that is not as published."""
        window_s = self.front_end.window_s
        return "" if window_s == WINDOW_S else f"-{window_s:g}s"

    @classmethod
    @abstractmethod
    def encoder(cls, precision: str, *, shape: tuple[int, ...] = FbspSamples.shape) -> Encoder:
        """The network on windows of this shape, with weights that are drawn."""

    def made(self, precision: str) -> Encoder:
        """The network on windows as long as the front end's."""
        return self.encoder(precision, shape=self.front_end.shape)

    @classmethod
    def pooled(cls, of: PublishedLayers, *, shape: tuple[int, ...]) -> tuple[Any, Any]:
        """Samples, (N, *shape), and what the network makes of them, (N, 2048)."""
        from keras import Input

        inputs = Input(shape, name="samples")
        image = spectrogram(of, inputs, name=cls.prefix)
        return inputs, embedding(of, image, name=cls.prefix)

    def _keras(self, layers: tuple[str, ...]) -> tuple[Any, Any]:
        model, tf = super()._keras(layers)
        model.get_layer("wavelets").keep()
        return model, tf
