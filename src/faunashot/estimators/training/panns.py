"""PANNs as they are trained from the start: from waveforms, the front end in the graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.backbones._panns.front_end import BANDS, FLOOR, PannsLogMel
from faunashot.backbones._panns.model import Panns
from faunashot.backbones._panns.network import embedding
from faunashot.backbones.base import BACKBONES
from faunashot.errors import ParameterError
from faunashot.estimators.networks.base import keras_draws, numbered
from faunashot.runtimes.keras_network import Network
from faunashot.runtimes.published_layers import PublishedLayers

LEAST_FRAMES = 32
"""Of a window: the networks halve a spectrogram five times."""

HALVED = 640
"""Samples of which the wavegram makes one frame: windows are filled up to a multiple of them."""

FULL_SCALE = 32768.0
"""Of samples that are 16-bit integers."""


@dataclass(frozen=True)
class WaveformNetwork(Network):
    """A network from waveforms to logits, in two parts between which spectrograms are augmented.

    Attributes
    ----------
    images : keras.Model
        Waveforms, shape (N, samples), to what the convolutions read, each of shape (N, ...): the
        normalised log-mel spectrogram, and the wavegram of a network that has one.
    tagger : keras.Model
        What `images` gives to logits, shape (N, C).
    """

    images: Any
    tagger: Any


def panns_kind(name: str) -> type[Panns]:
    """The class of the backbone of PANNs that is called so.

    Raises
    ------
    ParameterError
        There is none.
    """
    if name in BACKBONES:
        found = BACKBONES[name]
        if issubclass(found, Panns):
            return found
    every = [one for one in BACKBONES if issubclass(BACKBONES[one], Panns)]
    raise ParameterError.unknown("network", name, every)


def waveform_network(
    name: str, n_classes: int, *, samples: int, rate_hz: int, precision: str, seed: int
) -> WaveformNetwork:
    """Build one of the PANNs on waveforms, with weights that are drawn.

    Parameters
    ----------
    name : str
        Of the backbone, such as ``panns_cnn14``.
    n_classes : int
        Outputs, C.
    samples, rate_hz : int
        Of a window.
    precision : str
        Keras' dtype policy; spectrograms and logits are float32 in any.
    seed : int
        Of the weights, and of what is dropped in training.

    Raises
    ------
    ParameterError
        There is no such network, or windows are too short for it.
    """
    from keras import Input, Model, layers

    kind = panns_kind(name)
    if samples < LEAST_FRAMES * (rate_hz // 100):
        least = LEAST_FRAMES / 100
        raise ParameterError(f"window_s: {name} reads {least:g} s or more, not {samples / rate_hz}")
    with keras_draws(seed):
        of = PublishedLayers(precision, drops=True)
        waveform = Input((samples,), name="waveform")
        filled = layers.Reshape((samples, 1))(waveform)
        filled = layers.ZeroPadding1D((0, -samples % HALVED))(filled)
        filled = layers.Reshape((filled.shape[1],))(filled)
        images = Model(waveform, kind.images(of, _log_mel(filled, rate_hz), filled))
        read = [Input(image.shape[1:], dtype=image.dtype) for image in images.outputs]
        embedded = embedding(of, kind.convolutions(of, *read))
        tagger = Model(read, layers.Dense(n_classes, dtype="float32", name="logits")(embedded))
        model = Model(waveform, tagger(images(waveform)))
    return WaveformNetwork(model, numbered(model.variables), images, tagger)


def _log_mel(waveform: Any, rate_hz: int) -> Any:
    """The spectrograms of `PannsLogMel` of waveforms, (N, samples) -> (N, frames, 64).

    At another rate than 32 kHz frames are as far apart and nearly as long, and bands end at half
    the rate, as in the networks that its authors trained at 8 and 16 kHz.
    """
    from keras import ops
    from librosa.filters import mel

    n_fft = 2 ** round(math.log2(rate_hz * PannsLogMel.n_fft / PannsLogMel.sample_rate))
    fmax_hz = min(PannsLogMel.fmax_hz, rate_hz / 2)
    bands = mel(sr=rate_hz, n_fft=n_fft, n_mels=BANDS, fmin=PannsLogMel.fmin_hz, fmax=fmax_hz)
    real, imaginary = ops.stft(waveform, n_fft, rate_hz // 100, n_fft, window="hann", center=True)
    power = ops.square(real) + ops.square(imaginary)
    return 10 * ops.log10(ops.maximum(ops.matmul(power, bands.T), FLOOR))


def augmented(
    network: WaveformNetwork, *, mixup: bool
) -> Callable[[Any, Any, Any], tuple[Any, Any, Any]]:
    """The network in training: spectrograms are masked, and mixed with those of the row before.

    Gives what `Recipe.forward` is, of inputs as `sampling.Draws` has them.
    """
    import tensorflow as tf

    def mixed(values: Any, share: Any) -> Any:
        if not mixup:
            return values
        own = tf.reshape(share, [-1, *[1] * (len(values.shape) - 1)])
        own = tf.cast(own, values.dtype)
        return own * values + (1 - own) * tf.roll(values, 1, axis=0)

    def forward(inputs: Any, target: Any, weight: Any) -> tuple[Any, Any, Any]:
        waveform, share, frames, bands = inputs
        images = tf.nest.flatten(network.images(waveform, training=True))
        spectrogram = images[0]
        hidden = _covered(frames, spectrogram.shape[1])[:, :, None, None]
        hidden |= _covered(bands, spectrogram.shape[2])[:, None, :, None]
        masked = tf.where(hidden, tf.zeros([], spectrogram.dtype), spectrogram)
        images = [mixed(image, share) for image in [masked, *images[1:]]]
        return network.tagger(images, training=True), mixed(target, share), mixed(weight, share)

    return forward


def _covered(stripes: Any, n: int) -> Any:
    """Which of n places the stripes of each row cover, (N, stripes, 2) -> (N, n)."""
    import tensorflow as tf

    at, start, width = tf.range(n), stripes[..., :1], stripes[..., 1:]
    return tf.reduce_any((at >= start) & (at < start + width), axis=1)


def as_waveforms(rows: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Samples as floats in [-1, 1], shape (N, samples), from those or from 16-bit integers."""
    if rows.dtype == np.int16:
        return rows.astype(np.float32) / np.float32(FULL_SCALE)
    return np.asarray(rows, dtype=np.float32)
