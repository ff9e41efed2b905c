"""Losses of imbalanced classes, of one label a clip and of several."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError

FloatArray = npt.NDArray[np.float32]

BALANCES = ("none", "inverse", "effective")
BETA = 0.99
"""How fast further clips of a class count less, where balanced by effective number."""

LEAST = 1e-7
"""What is left of a sure probability: the gradient of a power of 0 is none."""


def class_weights(
    target: FloatArray, *, balance: str, weight: FloatArray | None = None
) -> FloatArray:
    """Weight of each class, such that the weights of the clips' labels have a mean of 1.

    scikit-learn's `compute_class_weight` gives those of "inverse" alone, and neither where a clip
    carries several labels nor where a class has no clip.

    Parameters
    ----------
    target : ndarray, shape (N, C)
        Which classes each clip, or window, is of, 0 and 1.
    balance : "none", "inverse" or "effective"
        By the inverse of the class' frequency, or of its effective number of clips (the
        class-balanced loss).
    weight : ndarray, shape (N,), optional
        Of each window in its clip.

    Returns
    -------
    ndarray, shape (C,)

    Raises
    ------
    ParameterError
        There is no such balance.

    References
    ----------
    Y. Cui et al. Class-balanced loss based on effective number of samples. CVPR 2019.
    """
    if balance not in BALANCES:
        raise ParameterError.unknown("class_weights", balance, BALANCES)
    n_classes = target.shape[1]
    rows, classes = np.nonzero(target)
    given = None if weight is None else weight[rows]
    counts = np.bincount(classes, given, minlength=n_classes).astype(np.float64)
    worth = {
        "none": np.ones(n_classes),
        "inverse": 1 / np.maximum(counts, 1),
        "effective": (1 - BETA) / (1 - BETA ** np.maximum(counts, 1)),
    }[balance]
    return np.asarray(worth * counts.sum() / (worth @ counts), dtype=np.float32)


def kinds(target: FloatArray) -> npt.NDArray[np.intp]:
    """Number of the class of each row of targets, shape (N, C); of several, of their mixture."""
    if (target.sum(axis=1) == 1).all():
        return np.asarray(target.argmax(axis=1))
    return np.asarray(np.unique(target, axis=0, return_inverse=True)[1])


def smoothed(target: FloatArray, share: float, *, multi_label: bool) -> FloatArray:
    """Targets, shape (N, C), of which a share is spread over what might be.

    Over all classes, or where each class is a choice by itself, over there and not there.
    """
    n = 2 if multi_label else target.shape[1]
    return np.asarray((1 - share) * target + np.float32(share / n), dtype=np.float32)


def cross_entropy(logits: Any, target: Any, *, multi_label: bool = False) -> Any:
    """Cross-entropy of each row as a tensor, shape (N,), of logits and targets, shape (N, C).

    Where each class is a choice by itself, the mean over the classes.
    """
    import tensorflow as tf

    if multi_label:
        each = tf.nn.sigmoid_cross_entropy_with_logits(target, logits)
        return tf.reduce_mean(each, axis=1)
    return tf.nn.softmax_cross_entropy_with_logits(target, logits)


def focal_loss(logits: Any, target: Any, *, gamma: float = 0.0, multi_label: bool = False) -> Any:
    """Focal loss of each row as a tensor; of `gamma` 0 the cross-entropy.

    Keras' own clip the probability at 1e-7, so that from a row that is surely wrong nothing is
    learned: their gradient there is 0.

    Parameters
    ----------
    logits : tensor, shape (N, C)
    target : tensor, shape (N, C)
        Shares of the classes, or where `multi_label`, of each class.
    gamma : float
        The larger, the less a row counts that is right already.
    multi_label : bool
        Whether each class is a choice by itself; then the loss is the mean over the classes.

    Returns
    -------
    tensor, shape (N,)

    References
    ----------
    T.-Y. Lin et al. Focal loss for dense object detection. ICCV 2017.
    """
    import tensorflow as tf

    def damped(log_p: Any) -> Any:
        if gamma > 0:
            return log_p * tf.maximum(1 - tf.exp(log_p), LEAST) ** gamma
        return log_p

    if multi_label:
        there, not_there = damped(tf.math.log_sigmoid(logits)), damped(tf.math.log_sigmoid(-logits))
        return -tf.reduce_mean(target * there + (1 - target) * not_there, axis=1)
    return -tf.reduce_sum(target * damped(tf.nn.log_softmax(logits)), axis=1)
