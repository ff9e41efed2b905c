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

NORM_MOMENTUM = 0.9
"""What is left of the statistics of batch normalisation after a batch, where they are learned."""


class Schedule(NamedTuple):
    """How a training goes, see `FineTuned.Options`."""

    learning_rate: float
    body_learning_rate: float | None
    layer_decay: float
    warm_up: float
    weight_decay: float
    frozen: int
    frozen_batch_norm: bool
    head_epochs: int
    epochs: int
    batch_size: int
    accumulate: int
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
    marked : bool
        Whether the last column of a spectrogram is no band, but marks the frames of the recording.
    """

    def __init__(
        self,
        learn: Windows,
        shape: Sequence[int],
        schedule: Schedule,
        *,
        multi_label: bool = False,
        marked: bool = False,
    ) -> None:
        self._marked = marked
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
                inputs = self._masked(inputs, rng)
            batch = Batch(inputs, self._target[part], self._weight[part])
            yield Batch(*mixup(*batch, rng, alpha=s.mixup)) if s.mixup > 0 else batch

    def _masked(self, inputs: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Spectrograms under SpecAugment; where frames are marked, those of the recording alone."""
        s = self._schedule
        hide = partial(mask, rng=rng, masks=s.masks, frames=s.mask_frames, bands=s.mask_bands)
        if not self._marked:
            return hide(inputs)
        bands, marks = inputs[..., :-1], inputs[..., -1:]
        lengths = (marks > 0).sum(axis=(1, 2))
        return np.concatenate([hide(bands, lengths=lengths), marks], axis=-1)

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
    below = len(network.layers) - 1
    highest = schedule.body_learning_rate
    if highest is None:
        highest = schedule.learning_rate * schedule.layer_decay
    of_body = [highest * schedule.layer_decay ** (below - 1 - at) for at in range(below)]
    return [*([0.0] * schedule.frozen), *of_body[schedule.frozen :], schedule.learning_rate]


def recipe(
    network: LayeredNetwork,
    schedule: Schedule,
    *,
    batches: int,
    multi_label: bool = False,
    callbacks: Sequence[Any] = (),
) -> Recipe:
    """How each of an epoch's `batches` changes the network."""
    rates = layer_rates(network, schedule)
    trained = [
        variable
        for layer, rate in zip(network.layers, rates, strict=True)
        for variable in layer.values()
        if variable.trainable and rate > 0
    ]
    head_epochs = schedule.head_epochs if len(network.layers) - schedule.frozen > 1 else 0
    optimizer = _adam(network, rates, schedule, batches=batches, head_epochs=head_epochs)
    optimizer.build(trained)
    if not schedule.frozen_batch_norm:
        _let_norms_learn(network, rates)

    loss = partial(cross_entropy, multi_label=multi_label)
    return Recipe(
        optimizer,
        trained,
        loss,
        training=not schedule.frozen_batch_norm,
        head=[variable for variable in network.layers[-1].values() if variable.trainable],
        head_epochs=head_epochs,
        peak=schedule.learning_rate,
        callbacks=callbacks,
    )


def _let_norms_learn(network: LayeredNetwork, rates: Sequence[float]) -> None:
    """Set which batch normalisation learns statistics: that of the layers that are trained."""
    import keras

    learning = {
        id(variable)
        for layer, rate in zip(network.layers[:-1], rates, strict=False)
        for variable in layer.values()
        if rate > 0
    }
    for layer in network.model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = id(layer.moving_mean) in learning
            layer.momentum = NORM_MOMENTUM


def _adam(
    network: LayeredNetwork,
    rates: Sequence[float],
    schedule: Schedule,
    *,
    batches: int,
    head_epochs: int,
) -> Any:
    """Adam at a peak rate for each layer, which falls as half a cosine.

    What is trained after `head_epochs` alone has its moments corrected by its own steps, as if it
    had begun then.

    The rates scale Adam's steps; of scaled gradients it would make the same steps. So they scale
    the decay of weights, which is apart from the gradients (I. Loshchilov, F. Hutter. Decoupled
    weight decay regularization. ICLR 2019), and of kernels alone.
    """
    import keras

    rate_of = {
        variable.value.ref(): rate
        for layer, rate in zip(network.layers, rates, strict=True)
        for variable in layer.values()
    }

    n_steps = schedule.epochs * batches  # Keras counts batches, also where it puts some together
    rising = max(1, round(schedule.warm_up * n_steps))
    together = min(schedule.accumulate, batches)  # so that each epoch has a step
    before = head_epochs * batches // together
    of_head = {variable.value.ref() for variable in network.layers[-1].values()}

    class LayerwiseAdam(keras.optimizers.Adam):
        def corrected(self, steps: Any) -> Any:
            power = [keras.ops.power(of, steps) for of in (self.beta_1, self.beta_2)]
            return keras.ops.sqrt(1 - power[1]) / (1 - power[0])

        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            rate = learning_rate * rate_of[variable.ref()]
            if schedule.weight_decay > 0 and len(variable.shape) > 1:
                self.assign_sub(variable, schedule.weight_decay * rate * variable)
            if before and variable.ref() not in of_head:
                steps = keras.ops.cast(self.iterations + 1, "float32")
                own = keras.ops.maximum(steps - before, 1.0)
                rate = rate * self.corrected(own) / self.corrected(steps)
            super().update_step(gradient, variable, rate)

    optimizer = LayerwiseAdam(
        keras.optimizers.schedules.CosineDecay(
            0.0, max(1, n_steps - rising), warmup_target=1.0, warmup_steps=rising
        ),
        gradient_accumulation_steps=together if together > 1 else None,
    )
    if network.precision == "mixed_float16":  # whose small gradients would be 0
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    return optimizer
