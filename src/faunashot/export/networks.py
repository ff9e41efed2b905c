"""Trained networks in TensorFlow: from what the front end gives to probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from faunashot.audio.melspec import EMPTY_DB, FLOOR_DB, SPREAD_DB
from faunashot.errors import ParameterError
from faunashot.estimators.training.classifier import NetworkClassifier
from faunashot.estimators.windows.from_scratch import FromScratch

Graph = Callable[[Any], Any]


def network_graph(estimator: NetworkClassifier) -> Graph:
    """The network of an estimator, shape (1, *shape) to logits, shape (1, C).

    Raises
    ------
    ParameterError
        It reads spectrograms in a way that is not written in TensorFlow.
    """
    model = estimator.network_.model
    if not isinstance(estimator, FromScratch):
        return lambda inputs: model(inputs, training=False)
    if estimator.options.pcen:
        raise ParameterError(
            "a network that reads spectrograms by PCEN cannot be exported: it smooths over frames "
            "one after the other"
        )
    normalise = _z_norm if estimator.options.z_norm else _by_constants
    return lambda inputs: model(normalise(inputs), training=False)


def _there(db: Any) -> Any:
    """1 in frames of the recording and 0 after its end, shape (1, frames, 1)."""
    import tensorflow as tf

    return tf.cast(db[..., :1] > (EMPTY_DB + FLOOR_DB) / 2, tf.float32)


def _z_norm(db: Any) -> Any:
    """As `faunashot.audio.melspec.normalised`, each by itself."""
    import tensorflow as tf

    there = _there(db)
    count = tf.reduce_sum(there, axis=1, keepdims=True) * np.float32(db.shape[2])
    mean = tf.reduce_sum(db * there, axis=[1, 2], keepdims=True) / count
    away = (db - mean) * there
    variance = tf.reduce_sum(tf.square(away), axis=[1, 2], keepdims=True) / count
    return away / tf.sqrt(tf.maximum(variance, 1e-6))


def _by_constants(db: Any) -> Any:
    """As `faunashot.audio.melspec.normalised`, all alike."""
    return (db - np.float32(FLOOR_DB / 2)) / np.float32(SPREAD_DB) * _there(db)
