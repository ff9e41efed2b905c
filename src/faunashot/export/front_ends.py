"""Front ends in TensorFlow: what `faunashot.frontends` computes, as a part of a network.

A short-time Fourier transform is a convolution here, whose kernels are the sines and cosines of the
frequencies that are read: an operator that every runtime has.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError
from faunashot.frontends.base import FrontEnd

FloatArray = npt.NDArray[np.float32]

Graph = Callable[[Any], Any]
"""From samples, shape (1, window_samples), to what the network reads, shape (1, *shape)."""


def front_end_graph(front_end: FrontEnd) -> Graph:
    """The front end as a function of TensorFlow's tensors.

    Raises
    ------
    ParameterError
        It is not written in TensorFlow.
    """
    if front_end.name not in GRAPHS:
        raise ParameterError(
            f"the front end {front_end.name} is not written for export; those are: "
            f"{', '.join(GRAPHS)}"
        )
    return GRAPHS[front_end.name](front_end)


def _mel_patches(front_end: Any) -> Graph:
    import tensorflow as tf

    from faunashot.frontends import mel_patches as of

    mel = of.mel_filters()
    magnitudes = _magnitudes(of.hann(), of.HOP, n_fft=of.N_FFT, mel=mel, power=1)
    return lambda samples: tf.math.log(magnitudes(samples) + np.float32(of.OFFSET))


def _logmel_frames(front_end: Any) -> Graph:
    import tensorflow as tf

    from faunashot.audio import melspec as of

    hann, mel = of.hann(), of.filters()
    power = _magnitudes(hann, of.HOP, n_fft=of.N_FFT, mel=mel, power=2)
    starts = np.arange(of.FRAMES, dtype=np.float32) * of.HOP
    frame_ends = np.maximum(starts - of.HOP + of.N_FFT, 0)  # of the frame before each
    frame_ends[0] = -1
    places = np.arange(1, of.WINDOW_SAMPLES + 1, dtype=np.float32)

    def graph(samples: Any) -> Any:
        db = _decibels(power(samples), 10 ** (of.FLOOR_DB / 10))
        # a recording ends at the last sample that is not 0: what is after it is padding
        heard = tf.cast(tf.not_equal(samples, 0), tf.float32) * places
        there = tf.reduce_max(heard, axis=1, keepdims=True) > frame_ends
        return tf.where(there[..., None], db, np.float32(of.EMPTY_DB))

    return graph


def _panns_logmel(front_end: Any) -> Graph:
    import tensorflow as tf

    from faunashot.backbones._panns import front_end as of

    n_fft = front_end.n_fft
    mel = of.filters(front_end.sample_rate, n_fft, front_end.fmin_hz, front_end.fmax_hz)
    power = _magnitudes(of.hann(n_fft), front_end.hop, n_fft=n_fft, mel=mel, power=2)
    around = [[0, 0], [n_fft // 2, n_fft // 2]]
    return lambda samples: _decibels(power(tf.pad(samples, around, "REFLECT")), of.FLOOR)


def _birdnet_spectrograms(front_end: Any) -> Graph:
    import tensorflow as tf

    transform = front_end.constants()
    bands = [_birdnet_bands(spectrogram) for spectrogram in transform.spectrograms]

    def graph(samples: Any) -> Any:
        signal = samples - tf.reduce_min(samples, axis=1, keepdims=True)
        signal /= tf.reduce_max(signal, axis=1, keepdims=True) + _number(transform.offset)
        signal = (signal - _number(transform.centre)) * _number(transform.scale)
        return tf.stack([tf.transpose(of(signal), [0, 2, 1]) for of in bands], axis=-1)

    return graph


def _birdnet_bands(of: Any) -> Graph:
    """Mel bands are sums of the spectrum's real part, which is a sum of samples: one kernel."""
    import tensorflow as tf

    n = len(of.window)
    turns = np.outer(np.arange(n), np.arange(n // 2 + 1)[of.bins]) % n * (2 * np.pi / n)
    kernel = (of.window[:, None] * np.cos(turns)) @ of.mel
    exponent = _number(of.exponent)
    frames = _strided(kernel.astype(np.float32), of.hop)
    return lambda signal: tf.pow(tf.square(frames(signal)), exponent)


def _waveform(front_end: Any) -> Graph:
    import tensorflow as tf

    from faunashot.audio.waveforms import FULL_SCALE as SCALE

    def graph(samples: Any) -> Any:
        whole = tf.round(samples * np.float32(SCALE))
        return tf.clip_by_value(whole, -SCALE, SCALE - 1) / np.float32(SCALE)

    return graph


def _magnitudes(window: FloatArray, hop: int, *, n_fft: int, mel: FloatArray, power: int) -> Graph:
    """Mel bands of the magnitudes of spectra, or of their squares, (N, n) -> (N, frames, bands)."""
    import tensorflow as tf

    read = np.flatnonzero(mel.any(axis=1))  # frequencies that a band has weight on
    turns = np.outer(np.arange(len(window)), read) % n_fft * (2 * np.pi / n_fft)
    parts = window[:, None].astype(np.float64) * np.hstack([np.cos(turns), -np.sin(turns)])
    spectra = _strided(parts.astype(np.float32), hop)
    bands = np.ascontiguousarray(mel[read], dtype=np.float32)

    def graph(samples: Any) -> Any:
        real, imaginary = tf.split(spectra(samples), 2, axis=-1)
        squares = tf.square(real) + tf.square(imaginary)
        return tf.matmul(tf.sqrt(squares) if power == 1 else squares, bands)

    return graph


def _strided(kernel: FloatArray, hop: int) -> Graph:
    """Products of frames with the columns of a kernel, (N, n) -> (N, frames, columns)."""
    import tensorflow as tf

    filters = kernel[None, :, None, :]

    def graph(samples: Any) -> Any:
        image = tf.reshape(samples, [-1, 1, samples.shape[1], 1])
        return tf.nn.conv2d(image, filters, [1, hop], "VALID")[:, 0]

    return graph


def _number(constant: Any) -> np.float32:
    return np.float32(np.asarray(constant).item())


def _decibels(power: Any, floor: float) -> Any:
    import tensorflow as tf

    return np.float32(10 / np.log(10)) * tf.math.log(tf.maximum(power, np.float32(floor)))


GRAPHS: dict[str, Callable[[Any], Graph]] = {
    "mel_patches": _mel_patches,
    "logmel_frames": _logmel_frames,
    "panns_logmel": _panns_logmel,
    "panns_logmel_16k": _panns_logmel,
    "birdnet_spectrograms": _birdnet_spectrograms,
    "waveform": _waveform,
}
"""Makers of the graphs by the name of the front end."""
