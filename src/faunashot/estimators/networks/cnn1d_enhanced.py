"""A one-dimensional network of middling capacity that is regularised well."""

from __future__ import annotations

from typing import Any

from faunashot.audio.melspec import N_MELS
from faunashot.estimators.networks.base import MOMENTUM, NetworkArchitecture

FILTERS = (64, 128, 192)
DROPOUT = 0.4
LEAST_VARIANCE = 1e-4


class Cnn1dEnhanced(NetworkArchitecture):
    """A one-dimensional network of middling capacity that is regularised well.

    Three convolutions over time with batch normalisation, then mean, maximum and spread over
    the frames that hold something of the recording: neither its length nor the place of the sound
    in it tells the class.
    """

    def build(self, n_classes: int) -> Any:
        """Build it: spectrograms (N, any, 128) -> logits (N, C); bands are channels."""
        from keras import Input, Model, layers, ops

        inputs = x = Input((None, N_MELS))
        there = ops.cast(ops.any(ops.not_equal(x, 0), axis=-1, keepdims=True), "float32")
        for filters, width in zip(FILTERS, (5, 3, 3), strict=True):
            x = layers.Conv1D(filters, width, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization(momentum=MOMENTUM)(x, mask=there[..., 0] > 0)
            x = layers.SpatialDropout1D(0.1)(layers.Activation("relu")(x)) * there
            x, there = (layers.MaxPooling1D(2, padding="same")(a) for a in (x, there))
        n = ops.maximum(ops.sum(there, axis=1), 1)
        mean = ops.sum(x, axis=1) / n
        square = ops.sum(ops.square(x - mean[:, None]) * there, axis=1) / n
        x = layers.Concatenate()([mean, ops.max(x, axis=1), ops.sqrt(square + LEAST_VARIANCE)])
        x = layers.Dropout(DROPOUT)(x)
        x = layers.Dense(128, activation="relu")(x)
        return Model(inputs, layers.Dense(n_classes)(layers.Dropout(DROPOUT)(x)))
