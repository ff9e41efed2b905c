"""A compact network of two one-dimensional convolutions over time: the plain baseline."""

from __future__ import annotations

from typing import Any

from faunashot.audio.melspec import FRAMES, N_MELS
from faunashot.estimators.networks.base import MOMENTUM, NetworkArchitecture

FILTERS, DROPOUT = (32, 64), (0.3, 0.4)


class Cnn1d(NetworkArchitecture):
    """A compact network of two one-dimensional convolutions over time: the plain baseline.

    Each of two blocks is a convolution over three frames, batch normalisation, rectifier, max
    pooling and dropout; a dense classifier reads all frames of what is left.
    """

    def build(self, n_classes: int) -> Any:
        """Build it: spectrograms (N, 500, 128) -> logits (N, C); bands are channels."""
        from keras import Input, Model, layers

        inputs = x = Input((FRAMES, N_MELS))
        for filters, dropout in zip(FILTERS, DROPOUT, strict=True):
            x = layers.Conv1D(filters, 3, padding="same")(x)
            x = layers.Activation("relu")(layers.BatchNormalization(momentum=MOMENTUM)(x))
            x = layers.Dropout(dropout)(layers.MaxPooling1D(2)(x))
        x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
        return Model(inputs, layers.Dense(n_classes)(layers.Dropout(DROPOUT[-1])(x)))
