"""A transformer on patches of log-mel spectrograms."""

from __future__ import annotations

from typing import Any

from faunashot.audio.melspec import FRAMES, N_MELS
from faunashot.estimators.networks.base import NetworkArchitecture

PATCH = (16, 32)
WIDTH, HEADS, BLOCKS, DROPOUT = 96, 4, 3, 0.1


class TransformerMel(NetworkArchitecture):
    """A transformer on patches of log-mel spectrograms.

    Patches of 16 frames and 32 bands become tokens, to which their place is added as a learned
    vector; three blocks of self-attention, normalised before each part; the mean of the tokens.
    Tokens after the end of a recording are neither attended to nor part of the mean.

    References
    ----------
    A. Dosovitskiy et al. An image is worth 16x16 words. ICLR 2021; Y. Gong et al. AST: Audio
    spectrogram transformer. Interspeech 2021.
    """

    def build(self, n_classes: int) -> Any:
        """Build the Keras model: spectrograms (N, 500, 128) -> logits (N, C)."""
        from keras import Input, Model, layers, ops

        inputs = Input((FRAMES, N_MELS))
        x = layers.Conv2D(WIDTH, PATCH, PATCH)(layers.Reshape((FRAMES, N_MELS, 1))(inputs))
        n_frames, n_bands = x.shape[1:3]
        n_tokens = n_frames * n_bands
        x = layers.Reshape((n_tokens, WIDTH))(x)
        heard = ops.any(ops.not_equal(inputs[:, : n_frames * PATCH[0]], 0), axis=2)
        heard = ops.any(layers.Reshape((n_frames, PATCH[0]))(heard), axis=2)
        there = ops.repeat(heard, n_bands, axis=1)
        x = x + layers.Embedding(n_tokens, WIDTH)(ops.arange(n_tokens))
        x = layers.Dropout(DROPOUT)(x)
        for _ in range(BLOCKS):
            normed = layers.LayerNormalization()(x)
            attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dropout=DROPOUT)
            x = x + attention(normed, normed, attention_mask=there[:, None])
            inner = layers.Dense(2 * WIDTH, activation="gelu")(layers.LayerNormalization()(x))
            x = x + layers.Dropout(DROPOUT)(layers.Dense(WIDTH)(inner))
        share = ops.cast(there, "float32")[..., None]
        x = layers.LayerNormalization()(x) * share
        x = ops.sum(x, axis=1) / ops.maximum(ops.sum(share, axis=1), 1)
        return Model(inputs, layers.Dense(n_classes)(layers.Dropout(DROPOUT)(x)))
