"""AlexNet on log-mel spectrograms as images, its layers a third as wide."""

from __future__ import annotations

from typing import Any

from faunashot.audio.melspec import FRAMES, N_MELS
from faunashot.estimators.networks.base import MOMENTUM, NetworkArchitecture

FILTERS = (32, 64, 96, 96, 64)
UNITS, DROPOUT = 256, 0.5


class AlexNetMel(NetworkArchitecture):
    """AlexNet on log-mel spectrograms as images, its layers a third as wide.

    Five convolutions of 11, 5 and three times 3, three of them pooled, and three dense layers.
    Batch normalisation stands where local response normalisation stood.

    References
    ----------
    A. Krizhevsky, I. Sutskever, G. Hinton. ImageNet classification with deep convolutional neural
    networks. NeurIPS 2012.
    """

    def build(self, n_classes: int) -> Any:
        """Build the Keras model: spectrograms (N, 500, 128) -> logits (N, C)."""
        from keras import Input, Model, layers

        inputs = Input((FRAMES, N_MELS))
        x = layers.Reshape((FRAMES, N_MELS, 1))(inputs)
        shapes = ((11, 4, True), (5, 1, True), (3, 1, False), (3, 1, False), (3, 1, True))
        for filters, (width, stride, pooled) in zip(FILTERS, shapes, strict=True):
            x = layers.Conv2D(filters, width, stride, padding="same", use_bias=False)(x)
            x = layers.Activation("relu")(layers.BatchNormalization(momentum=MOMENTUM)(x))
            if pooled:
                x = layers.MaxPooling2D(3, 2)(x)
        x = layers.Flatten()(x)
        for _ in range(2):
            x = layers.Dropout(DROPOUT)(layers.Dense(UNITS, activation="relu")(x))
        return Model(inputs, layers.Dense(n_classes)(x))
