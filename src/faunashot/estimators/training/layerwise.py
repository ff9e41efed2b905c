"""Fine-tuning: batches of drawn windows, and a learning rate of its own for each layer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faunashot.audio.augment import mask, mixup
from faunashot.errors import ParameterError
from faunashot.estimators.training.keras_fit import Batch, Recipe
from faunashot.estimators.training.losses import cross_entropy, smoothed
from faunashot.estimators.training.windows import Windows
from faunashot.runtimes.keras_network import LayeredNetwork

FloatArray = npt.NDArray[np.float32]

WARM_UP = 0.1
"""Share of the steps in which the learning rates rise."""


class Schedule(NamedTuple):
    """How a training goes, see `FineTuned.Options`."""

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


class Drawn:
    """Batches of drawn windows, masked where they are spectrograms, and mixed.

    Parameters
    ----------
    learn : Windows
        Of all clips.
    shape : sequence of int
        Of what the network reads.
    schedule : Schedule
        How many are drawn, and what is done to them.
    multi_label : bool
        Whether each class is a choice by itself.
    """

    def __init__(
        self,
        learn: Windows,
        shape: Sequence[int],
        schedule: Schedule,
        *,
        multi_label: bool = False,
    ) -> None:
        self._learn, self._shape, self._schedule = learn, shape, schedule
        self._clip_of = learn.clip_of
        there = np.bincount(self._clip_of)
        drawn = np.minimum(there, schedule.windows_per_clip)
        self._n = int(drawn.sum())
        self._weight = learn.weight * (there / drawn)[self._clip_of].astype(np.float32)
        self._target = smoothed(learn.target, schedule.label_smoothing, multi_label=multi_label)

    def __len__(self) -> int:
        return -(-self._n // self._schedule.batch_size)

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """Batches of an epoch, the first being 1."""
        s = self._schedule
        rng = np.random.default_rng([s.seed, epoch])
        rows = self._draw(rng)
        for at in range(0, len(rows), s.batch_size):
            part = np.sort(rows[at : at + s.batch_size])  # as a memory map is read fastest
            inputs = as_inputs(self._learn.X[part], self._shape)
            if len(self._shape) == 2:  # frames and bands, not a waveform
                inputs = mask(inputs, rng, masks=s.masks, frames=s.mask_frames, bands=s.mask_bands)
            batch = Batch(inputs, self._target[part], self._weight[part])
            yield Batch(*mixup(*batch, rng, alpha=s.mixup)) if s.mixup > 0 else batch

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


def recipe(
    network: LayeredNetwork,
    schedule: Schedule,
    *,
    n_steps: int,
    multi_label: bool = False,
    callbacks: Sequence[Any] = (),
) -> Recipe:
    """How each step changes the network; the statistics of its norms never change."""
    rates = layer_rates(network, schedule)
    trained = [
        variable
        for layer, rate in zip(network.layers, rates, strict=True)
        for variable in layer.values()
        if variable.trainable and rate > 0
    ]
    optimizer = _adam(network, rates, n_steps=n_steps)
    optimizer.build(trained)

    loss = partial(cross_entropy, multi_label=multi_label)
    return Recipe(
        optimizer,
        trained,
        loss,
        training=False,
        peak=schedule.learning_rate,
        callbacks=callbacks,
    )


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
    return optimizer
