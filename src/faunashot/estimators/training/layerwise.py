"""Training of a network on drawn windows, each layer at a learning rate of its own."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faunashot.audio.augment import mask, mixup
from faunashot.errors import ParameterError
from faunashot.estimators.training.windows import Windows
from faunashot.runtimes.keras_network import LayeredNetwork

FloatArray = npt.NDArray[np.float32]

WARM_UP = 0.1
"""Share of the steps in which the learning rates rise."""


class Schedule(NamedTuple):
    """How a training goes; see `faunashot.estimators.windows.end_to_end.FineTuned`."""

    learning_rate: float
    layer_decay: float
    frozen: int
    epochs: int
    batch_size: int
    windows_per_clip: int
    masks: int
    mask_frames: int
    mask_bands: int
    mixup: float
    label_smoothing: float
    seed: int


class Training:
    """Training of `network` on windows; what an epoch draws depends on seed and epoch alone."""

    def __init__(self, network: LayeredNetwork, learn: Windows, schedule: Schedule) -> None:
        self._learn, self._schedule = learn, schedule
        self._shape = network.model.input_shape[1:]
        clip_of = learn.clip_of
        self._clip_of = clip_of
        there = np.bincount(clip_of)
        drawn = np.minimum(there, schedule.windows_per_clip)
        self._weight = learn.weight * (there / drawn)[clip_of].astype(np.float32)
        n_classes = learn.target.shape[1]
        smoothing = schedule.label_smoothing
        self._target = (1 - smoothing) * learn.target + smoothing / n_classes
        rates = layer_rates(network, schedule)
        n_steps = schedule.epochs * -(-int(drawn.sum()) // schedule.batch_size)
        self._optimizer = _adam(network, rates, n_steps=n_steps)
        self._step = _step(network, self._optimizer, _trained(network, rates))

    def epoch(self, number: int) -> dict[str, Any]:
        """Train for an epoch, the first being 1; returns facts of it.

        Raises
        ------
        ParameterError
            The loss is no longer finite.
        """
        began = time.perf_counter()
        s = self._schedule
        rng = np.random.default_rng([s.seed, number])
        rows = self._draw(rng)
        losses = []
        for at in range(0, len(rows), s.batch_size):
            batch = np.sort(rows[at : at + s.batch_size])  # as a memory map is read fastest
            x = mask(
                as_inputs(self._learn.X[batch], self._shape),
                rng,
                masks=s.masks,
                frames=s.mask_frames,
                bands=s.mask_bands,
            )
            mixed = (x, self._target[batch], self._weight[batch])
            if s.mixup > 0:
                mixed = mixup(*mixed, rng, alpha=s.mixup)
            losses.append(float(self._step(*mixed)))
            if not np.isfinite(losses[-1]):
                raise ParameterError(
                    f"learning_rate: the loss is {losses[-1]} in epoch {number}; "
                    f"lower it, {s.learning_rate} is too high"
                )
        took = time.perf_counter() - began
        return {"epoch": number, "loss": float(np.mean(losses)), "train_s": round(took, 3)}

    def state(self) -> list[npt.NDArray[Any]]:
        """The optimizer's variables."""
        return [np.array(variable.numpy()) for variable in self._optimizer.variables]

    def resume(self, state: Sequence[npt.NDArray[Any]]) -> None:
        """Go on from what `state` gave."""
        for variable, value in zip(self._optimizer.variables, state, strict=True):
            variable.assign(value)

    def _draw(self, rng: np.random.Generator) -> npt.NDArray[np.intp]:
        """Rows of an epoch in drawn order, at most `windows_per_clip` of a clip."""
        order = np.lexsort((rng.random(len(self._clip_of)), self._clip_of))
        clip = self._clip_of[order]
        rank = np.arange(len(clip)) - np.searchsorted(clip, clip)
        return rng.permutation(order[rank < self._schedule.windows_per_clip])


def as_inputs(rows: FloatArray, shape: Sequence[int]) -> FloatArray:
    """Rows of features as a network reads them, shape (N, dim) to (N, *shape).

    Raises
    ------
    ParameterError
        The rows are other features.
    """
    if rows.shape[1:] != (math.prod(shape),):
        raise ParameterError(
            f"backbone: the network reads windows of {' x '.join(map(str, shape))} = "
            f"{math.prod(shape)} values, not rows of {rows.shape[-1]}"
        )
    return np.asarray(rows, dtype=np.float32).reshape(-1, *shape)


def layer_rates(network: LayeredNetwork, schedule: Schedule) -> list[float]:
    """Peak learning rate of each layer, from the lowest to the classifier; 0 where frozen."""
    top = len(network.layers) - 1
    return [
        0.0 if at < schedule.frozen else schedule.learning_rate * schedule.layer_decay ** (top - at)
        for at in range(top + 1)
    ]


def _trained(network: LayeredNetwork, rates: Sequence[float]) -> list[Any]:
    """Variables that change; the statistics of the norms never do."""
    return [
        variable
        for layer, rate in zip(network.layers, rates, strict=True)
        for variable in layer.values()
        if variable.trainable and rate > 0
    ]


def _adam(network: LayeredNetwork, rates: Sequence[float], *, n_steps: int) -> Any:
    """Adam at a peak rate for each layer, which falls as half a cosine.

    The rates scale Adam's steps; of scaled gradients it would make the same steps.
    """
    import keras

    rate_of = {
        variable.value.ref(): rate
        for layer, rate in zip(network.layers, rates, strict=True)
        for variable in layer.values()
    }

    class LayerwiseAdam(keras.optimizers.Adam):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            super().update_step(gradient, variable, learning_rate * rate_of[variable.ref()])

    rising = max(1, round(WARM_UP * n_steps))
    optimizer = LayerwiseAdam(
        keras.optimizers.schedules.CosineDecay(
            0.0, max(1, n_steps - rising), warmup_target=1.0, warmup_steps=rising
        )
    )
    if network.precision == "mixed_float16":  # whose small gradients would be 0
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(_trained(network, rates))
    return optimizer


def _step(network: LayeredNetwork, optimizer: Any, variables: Sequence[Any]) -> Any:
    """A step as a function of inputs (N, ...), targets (N, C) and weights (N,) -> loss."""
    import tensorflow as tf

    n_classes = network.model.output_shape[-1]

    def step(inputs: Any, target: Any, weight: Any) -> Any:
        with tf.GradientTape() as tape:
            logits = network.model(inputs, training=False)
            losses = tf.nn.softmax_cross_entropy_with_logits(target, logits)
            loss = tf.reduce_mean(weight * losses)
            scaled = optimizer.scale_loss(loss)
        optimizer.apply(tape.gradient(scaled, variables), variables)
        return loss

    shapes = ([None, *network.model.input_shape[1:]], [None, n_classes], [None])
    return tf.function(step).get_concrete_function(*map(tf.TensorSpec, shapes))
