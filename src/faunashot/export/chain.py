"""A trained system as parts of one file: front end, network, and what makes probabilities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from faunashot.backbones.base import Backbone, default_layer
from faunashot.backbones.birdnet import BirdNet
from faunashot.errors import ParameterError
from faunashot.estimators.base import Estimator
from faunashot.estimators.head import Head
from faunashot.estimators.pooling import MEAN
from faunashot.estimators.training.classifier import NetworkClassifier
from faunashot.export.front_ends import front_end_graph
from faunashot.export.heads import head_graph
from faunashot.export.networks import network_graph
from faunashot.frontends.base import FrontEnd
from faunashot.recogniser import Recogniser
from faunashot.runtimes.parts import LiteRtPart, Part, TensorFlowPart

Graph = Callable[[Any], Any]

LEAST = 1e-7
"""Probability that stands for a smaller one, whose logit would be infinite."""


@dataclass(frozen=True)
class Chain:
    """The parts of a system, which follow each other.

    Attributes
    ----------
    recogniser : Recogniser
        The system.
    front_end : FrontEnd
        Of its backbone.
    before : Part
        The front end, from samples, shape (1, window_samples).
    body : Part
        The network: what is made smaller by a lower precision.
    after : Part
        What makes probabilities of what the body gives.
    pooling : str
        How the scores of a clip's windows are pooled.
    pools_features : bool
        Whether the system itself pools features before its head, which no file of one window can.
    """

    recogniser: Recogniser
    front_end: FrontEnd
    before: Part
    body: Part
    after: Part
    pooling: str
    pools_features: bool

    @property
    def parts(self) -> list[Part]:
        """All parts in their order."""
        return [self.before, self.body, self.after]


def chain_of(recogniser: Recogniser, *, logits: bool = False) -> Chain:
    """The parts of a trained system.

    Parameters
    ----------
    recogniser : Recogniser
    logits : bool
        Whether it ends in the logits of its probabilities, which BirdNET-Analyzer reads.

    Raises
    ------
    ParameterError
        The system cannot be one file; it says why.
    """
    record, estimator = recogniser.record, recogniser.estimator
    if len(record.backbones) != 1:
        raise ParameterError(
            f"a system of joined backbones ({recogniser.backbone_name}) cannot be exported: they "
            "read windows of different lengths and rates; train the head on one of them"
        )
    (extractor,) = recogniser.extractors
    if extractor.reading.time_expansion != 1:
        raise ParameterError(
            "a system whose recordings are slowed down (audio.time_expansion) cannot be exported: "
            "a file takes samples as they are"
        )
    if isinstance(estimator, Head):
        body, width = _frozen(extractor.backbone, extractor.layer)
        classify = head_graph(estimator)
    elif isinstance(estimator, NetworkClassifier):
        network = network_graph(estimator)
        body = TensorFlowPart(network, extractor.front_end.shape)
        width, classify = len(estimator.classes_), _shares(estimator.multi_label_)
    else:
        raise ParameterError(
            f"a system with the head {estimator.KIND} cannot be exported: it is neither a head on "
            "an embedding that a file could hold nor a network"
        )
    ends = _ends(recogniser, classify, logits=logits)
    samples = (extractor.window_samples,)
    return Chain(
        recogniser=recogniser,
        front_end=extractor.front_end,
        before=TensorFlowPart(front_end_graph(extractor.front_end), samples),
        body=body,
        after=TensorFlowPart(ends, (width,)),
        pooling=_pooling(estimator),
        pools_features=estimator.level == "clip",
    )


def _frozen(backbone: Backbone | None, layer: str) -> tuple[Part, int]:
    """The network of a frozen backbone up to its embedding, and the embedding's length."""
    if backbone is None:
        raise ParameterError(
            "a head on what a front end gives cannot be exported: use a backbone's embedding"
        )
    name = backbone.card.name
    if layer != default_layer(backbone):
        raise ParameterError(
            f"layer: a head on {name}'s layer {layer} cannot be exported; one on its "
            f"{default_layer(backbone)} can"
        )
    width = backbone.layers[layer]
    if isinstance(backbone, BirdNet):
        return LiteRtPart(backbone.network_file()), width
    build = getattr(backbone, "build", None)
    if build is None:
        raise ParameterError(
            f"a system on {name} cannot be exported: its network is run as it was published, and "
            "is not built here layer by layer"
        )
    network = build(2, seed=0)
    embed: Graph = lambda inputs: network.body(inputs, training=False)  # noqa: E731
    return TensorFlowPart(embed, backbone.front_end.shape), width


def _shares(multi_label: bool) -> Graph:
    import tensorflow as tf

    shares: Graph = tf.sigmoid if multi_label else tf.nn.softmax
    return shares


def _ends(recogniser: Recogniser, classify: Graph, *, logits: bool) -> Graph:
    """From what the network gives to calibrated probabilities of the recogniser's classes."""
    import tensorflow as tf

    record = recogniser.record
    learned = [str(name) for name in recogniser.estimator.classes_]
    chosen = np.array([[a == b for b in recogniser.classes] for a in learned], dtype=np.float32)
    temperature = 1.0 if record.temperature is None else record.temperature.value

    def graph(rows: Any) -> Any:
        scores = classify(rows)
        if learned != recogniser.classes:
            scores = tf.matmul(scores, chosen)
            if not record.multi_label:
                scores /= tf.maximum(tf.reduce_sum(scores, axis=1, keepdims=True), LEAST)
        if temperature != 1:
            scores = _tempered(scores, temperature, multi_label=record.multi_label)
        if not logits:
            return scores
        bounded = tf.clip_by_value(scores, LEAST, 1 - LEAST)
        return tf.math.log(bounded) - tf.math.log(1 - bounded)

    return graph


def _tempered(scores: Any, temperature: float, *, multi_label: bool) -> Any:
    """As `faunashot.estimators.calibration.temper`."""
    import tensorflow as tf

    if multi_label:
        bounded = tf.clip_by_value(scores, LEAST, 1 - LEAST)
        logit = tf.math.log(bounded) - tf.math.log(1 - bounded)
        return tf.sigmoid(logit / np.float32(temperature))
    highest = tf.reduce_max(scores, axis=1, keepdims=True)
    raised = tf.pow(scores / highest, np.float32(1 / temperature))
    return raised / tf.reduce_sum(raised, axis=1, keepdims=True)


def _pooling(estimator: Estimator) -> str:
    return str(getattr(estimator, "pooling", MEAN))
