"""Losses of imbalanced classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError

BALANCES = ("none", "inverse", "effective")
BETA = 0.99
"""How fast further clips of a class lose their worth, where balanced by effective number."""


LEAST = 1e-7
"""What is left of a sure probability: the gradient of a power of 0 is none."""


def class_weights(
    classes: npt.NDArray[np.intp],
    n_classes: int,
    *,
    balance: str,
    weight: npt.NDArray[np.float32] | None = None,
) -> npt.NDArray[np.float32]:
    """Weight of each class, (C,), such that the weights of the clips have a mean of 1.

    Parameters
    ----------
    classes : number of the class of each clip, or window, (N,).
    weight : of each window in its clip, (N,).
    balance : "none", "inverse" (by the inverse of the class' frequency) or "effective" (by that
        of its effective number of clips, the class-balanced loss).

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
    counts = np.bincount(classes, weight, minlength=n_classes).astype(np.float64)
    worth = {
        "none": np.ones(n_classes),
        "inverse": 1 / np.maximum(counts, 1),
        "effective": (1 - BETA) / (1 - BETA ** np.maximum(counts, 1)),
    }[balance]
    return np.asarray(worth * counts.sum() / (worth @ counts), dtype=np.float32)


def losses(logits: Any, target: Any, *, focal_gamma: float = 0.0) -> Any:
    """Cross-entropy of each row as a tensor, (N, C) and targets (N, C) -> (N,).

    Parameters
    ----------
    target : shares of the classes; the loss of whole ones is the sparse cross-entropy.
    focal_gamma : the larger, the less a row counts that is right already; 0 for the plain loss.

    References
    ----------
    T.-Y. Lin et al. Focal loss for dense object detection. ICCV 2017.
    """
    import tensorflow as tf

    log_p = tf.nn.log_softmax(logits)
    if focal_gamma > 0:
        log_p *= tf.maximum(1 - tf.exp(log_p), LEAST) ** focal_gamma
    return -tf.reduce_sum(target * log_p, axis=1)
