"""A transformer on patches of log-mel spectrograms."""

from __future__ import annotations

from typing import Any

from faunashot.audio.melspec import FRAMES, N_MELS

PATCH, WIDTH, HEADS, BLOCKS, DROPOUT = 16, 96, 4, 3, 0.1


def transformer_mel(n_classes: int) -> Any:
    """Keras model, spectrograms (N, 500, 128) -> logits (N, C).

    Patches of 16 frames and 16 bands become tokens, to which their place is added as a learned
    vector; three blocks of self-attention, normalised before each part; the mean of the tokens.

    References
    ----------
    A. Dosovitskiy et al. An image is worth 16x16 words. ICLR 2021; Y. Gong et al. AST: Audio
    spectrogram transformer. Interspeech 2021.
    """
    from keras import Input, Model, layers, ops

    inputs = Input((FRAMES, N_MELS))
    x = layers.Reshape((FRAMES, N_MELS, 1))(inputs)
    x = layers.Conv2D(WIDTH, PATCH, PATCH)(x)
    n_tokens = (FRAMES // PATCH) * (N_MELS // PATCH)
    x = layers.Reshape((n_tokens, WIDTH))(x)
    place = layers.Embedding(n_tokens, WIDTH)
    x = layers.Dropout(DROPOUT)(x + place(ops.arange(n_tokens)))
    for _ in range(BLOCKS):
        normed = layers.LayerNormalization()(x)
        attention = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dropout=DROPOUT)
        x = x + attention(normed, normed)
        inner = layers.Dense(2 * WIDTH, activation="gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dropout(DROPOUT)(layers.Dense(WIDTH)(inner))
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return Model(inputs, layers.Dense(n_classes)(layers.Dropout(DROPOUT)(x)))
