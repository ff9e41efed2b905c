"""Heads in TensorFlow: from an embedding to the probabilities that a fitted head gives of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from faunashot.errors import ParameterError
from faunashot.estimators.head import Head, OneVsRest
from faunashot.estimators.heads.linear_svm import LinearSvm
from faunashot.estimators.heads.log_opinion_pool import LogOpinionPool
from faunashot.estimators.heads.logistic import Logistic
from faunashot.estimators.heads.mlp import Mlp
from faunashot.estimators.heads.prototype import Prototype
from faunashot.estimators.steps import Power, Steps, Whiten

Graph = Callable[[Any], Any]
"""From rows, shape (N, dim), to rows of another length."""

LEAST = 1e-12
"""Squared length of a row that is divided by 1 in place of its length, as one of zeros is."""


def head_graph(head: Head) -> Graph:
    """The steps of a fitted head and its classifier, from embeddings to probabilities.

    Raises
    ------
    ParameterError
        The classifier or a step is not written in TensorFlow.
    """
    import tensorflow as tf

    steps, classify = _steps(head.steps_), probabilities(head.classifier_)
    source = None if head.source_head is None else head_graph(head.source_head)

    def graph(rows: Any) -> Any:
        if source is not None:
            rows = tf.concat([rows, source(rows)], axis=1)
        return classify(steps(rows))

    return graph


@singledispatch
def probabilities(classifier: Any) -> Graph:
    """Probabilities of a fitted classifier's classes from rows that its steps have shaped.

    Raises
    ------
    ParameterError
        It is not written in TensorFlow.
    """
    name = type(classifier).__module__.rpartition(".")[2]
    raise ParameterError(
        f"a system with the head {name} cannot be exported: it is no layers of a network; those "
        "with logistic, prototype, prototype_rectified, linear_svm, mlp or log_opinion_pool are"
    )


@probabilities.register
def _(classifier: Logistic) -> Graph:
    import tensorflow as tf

    logits = _logits(classifier)
    return lambda rows: tf.nn.softmax(logits(rows))


@probabilities.register
def _(classifier: LinearSvm) -> Graph:
    import tensorflow as tf

    margins = _dense(classifier.coef_.T, classifier.intercept_)
    if len(classifier.classes_) > 2:
        return lambda rows: tf.nn.softmax(margins(rows))
    return lambda rows: tf.nn.softmax(tf.concat([-margins(rows), margins(rows)], axis=1))


@probabilities.register
def _(classifier: Prototype) -> Graph:
    import tensorflow as tf

    cosines = _dense(classifier.prototypes_.T / classifier.temperature, 0)
    return lambda rows: tf.nn.softmax(cosines(_unit(rows)))


@probabilities.register
def _(classifier: Mlp) -> Graph:
    import tensorflow as tf

    layers = list(map(_dense, classifier.coefs_, classifier.intercepts_))

    def graph(rows: Any) -> Any:
        for layer in layers[:-1]:
            rows = tf.nn.relu(layer(rows))
        logits = layers[-1](rows)
        if classifier.out_activation_ == "softmax":
            return tf.nn.softmax(logits)
        yes = tf.sigmoid(logits)
        return tf.concat([1 - yes, yes], axis=1)

    return graph


@probabilities.register
def _(classifier: LogOpinionPool) -> Graph:
    import tensorflow as tf

    members = [
        (np.float32(weight), _steps(member.steps[0][1]), _logits(member.steps[1][1]), slice(*span))
        for weight, member, span in zip(
            classifier.weights_, classifier.members_, classifier.spans_, strict=True
        )
    ]

    def graph(rows: Any) -> Any:
        said = [
            weight * tf.nn.log_softmax(logits(steps(rows[:, span])))
            for weight, steps, logits, span in members
        ]
        return tf.nn.softmax(tf.add_n(said))

    return graph


@probabilities.register
def _(classifier: OneVsRest) -> Graph:
    import tensorflow as tf

    each = [one if isinstance(one, float) else probabilities(one) for one in classifier.fitted]

    def graph(rows: Any) -> Any:
        columns = [
            tf.zeros_like(rows[:, :1]) + np.float32(one)
            if isinstance(one, float)
            else one(rows)[:, 1:]
            for one in each
        ]
        return tf.concat(columns, axis=1)

    return graph


def _logits(classifier: Logistic) -> Graph:
    return _dense(classifier.coef_.T, classifier.intercept_)


def _dense(kernel: npt.NDArray[Any], bias: Any) -> Graph:
    import tensorflow as tf

    weights = np.ascontiguousarray(kernel, dtype=np.float32)
    added = np.broadcast_to(np.asarray(bias, dtype=np.float32), weights.shape[1:]).copy()
    return lambda rows: tf.matmul(rows, weights) + added


def _unit(rows: Any) -> Any:
    import tensorflow as tf

    square = tf.reduce_sum(tf.square(rows), axis=1, keepdims=True)
    return rows / tf.sqrt(tf.where(square > LEAST, square, tf.ones_like(square)))


def _steps(steps: Steps) -> Graph:
    import tensorflow as tf

    chains = [None if chain is None else _chain(chain) for chain in steps.chains_]
    weights = steps.weights or [1.0] * len(chains)
    ends: Sequence[int | None] = [*steps.ends_, None]
    starts = [0, *steps.ends_]

    def graph(rows: Any) -> Any:
        parts = []
        for chain, weight, start, end in zip(chains, weights, starts, ends, strict=True):
            part = rows[:, start:end] if len(chains) > 1 else rows
            part = part if chain is None else chain(part)
            parts.append(part if weight == 1 else np.float32(weight) * part)
        return parts[0] if len(parts) == 1 else tf.concat(parts, axis=1)

    return graph


def _chain(chain: Pipeline) -> Graph:
    steps = [_step(step) for _, step in chain.steps]

    def graph(rows: Any) -> Any:
        for step in steps:
            rows = step(rows)
        return rows

    return graph


@singledispatch
def _step(step: Any) -> Graph:
    raise ParameterError(
        f"a system with the step {type(step).__name__} cannot be exported: it is not written in "
        "TensorFlow"
    )


@_step.register
def _(step: Power) -> Graph:
    import tensorflow as tf

    def graph(rows: Any) -> Any:
        size = tf.abs(rows)
        raised = tf.sqrt(size) if step.exponent == 0.5 else tf.pow(size, np.float32(step.exponent))
        return tf.sign(rows) * raised

    return graph


@_step.register
def _(step: StandardScaler) -> Graph:
    mean = np.float32(0 if step.mean_ is None else step.mean_)
    if step.scale_ is None:
        return lambda rows: rows - mean
    factor = (1 / step.scale_).astype(np.float32)
    return lambda rows: (rows - mean) * factor


@_step.register
def _(step: Normalizer) -> Graph:
    return _unit


@_step.register
def _(step: Whiten) -> Graph:
    import tensorflow as tf

    mean = step.mean_.astype(np.float32)
    along = np.ascontiguousarray(step.axes_.T, dtype=np.float32)
    back = ((step.scale_ - step.rest_)[:, None] * step.axes_).astype(np.float32)
    rest = np.float32(step.rest_)
    return lambda rows: (rows - mean) * rest + tf.matmul(tf.matmul(rows - mean, along), back)
