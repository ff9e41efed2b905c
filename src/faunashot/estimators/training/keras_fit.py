"""Training by Keras' `fit`, which goes on to the same bits where it was cut off."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.training.checkpoint import Arrays, Checkpoint, State
from faunashot.progress import progress
from faunashot.runtimes.devices import on_each

if TYPE_CHECKING:
    from faunashot.estimators.training.classifier import NetworkClassifier

FloatArray = npt.NDArray[np.float32]


class Batch(NamedTuple):
    """What one step learns from.

    Attributes
    ----------
    inputs : ndarray, shape (N, ...), or several of them
    target : ndarray, shape (N, C)
    weight : ndarray, shape (N,)
    """

    inputs: Any
    target: FloatArray
    weight: FloatArray


class Batches(Protocol):
    """Batches of each epoch; what they hold depends on the number of the epoch alone."""

    def __len__(self) -> int: ...

    def __call__(self, epoch: int) -> Iterator[Batch]:
        """Batches of an epoch, the first being 1."""


@dataclass(frozen=True)
class Recipe:
    """How each step changes a network.

    Attributes
    ----------
    optimizer : keras.optimizers.Optimizer
        Built for `variables`.
    variables : list of keras.Variable
        That are trained.
    loss : callable
        Of logits and targets, shape (N, C), gives the loss of each row, shape (N,).
    training : bool
        Whether layers drop out and learn statistics.
    head : list of keras.Variable
        Those of `variables` that alone are trained in the first `head_epochs` epochs.
    head_epochs : int
        In them nothing drops out and no statistics are learned.
    peak : float
        What the optimizer's learning rate is a share of.
    callbacks : sequence of keras.callbacks.Callback
        That change the learning rate or stop, by the facts of the epochs so far alone.
    forward : callable, optional
        Of a batch's inputs, targets and weights gives logits, and the targets and weights of their
        rows; the network itself, if not given.
    reads : nested tf.TensorSpec, optional
        Of a batch's inputs; those of the network, if not given.
    strategy : tf.distribute.Strategy, optional
        Under which the network and the optimizer were made, where there are several devices.
    """

    optimizer: Any
    variables: list[Any]
    loss: Callable[[Any, Any], Any]
    training: bool
    head: Sequence[Any] = ()
    head_epochs: int = 0
    peak: float = 1.0
    callbacks: Sequence[Any] = ()
    forward: Callable[[Any, Any, Any], tuple[Any, Any, Any]] | None = None
    reads: Any = None
    strategy: Any = None

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return self.peak * float(self.optimizer.learning_rate.numpy())


class Fit:
    """One fit of a classifier's network.

    Keras' own `BackupAndRestore` keeps neither the best weights nor how long the callbacks have
    waited for better ones: tried with Keras 3.15, a training that was cut off after its fifth
    epoch halved the learning rate and stopped three epochs later than one that was not, and kept
    the weights of another epoch. Nor does it refuse another training's files. So a checkpoint of
    ours holds the network, the optimizer and the facts of all epochs, and the callbacks are told
    those facts once more before the training goes on.

    Parameters
    ----------
    model : NetworkClassifier
        With `network_`, and in `history_` the facts of what stands before the first epoch.
    batches : Batches
        What it learns from.
    evaluate : callable
        Gives the weights to be kept of this epoch, and facts of how they do on validation clips.
    context : TrainingContext
        Who is told of the epochs.
    kept : Checkpoint
        Where the state is written after each epoch.
    """

    def __init__(
        self,
        model: NetworkClassifier,
        batches: Batches,
        *,
        evaluate: Callable[[], tuple[Arrays, dict[str, Any]]],
        context: TrainingContext,
        kept: Checkpoint,
    ) -> None:
        self._model, self._batches, self._context = model, batches, context
        self._evaluate, self._kept = evaluate, kept
        self._before = len(model.history_)
        self._number = 0
        self._losses: list[float] = []
        self._began = self._waited = 0.0

    def __call__(self, recipe: Recipe, *, epochs: int, state: State | None) -> None:
        """Train up to `epochs`, and leave the best weights in the network.

        Raises
        ------
        ParameterError
            The loss is no longer finite.
        """
        import tensorflow as tf
        from keras import callbacks

        model, network, self._recipe = self._model, self._model.network_, recipe
        self._start = network.arrays() if state is None else state.start
        self._best = self._start if state is None else state.best
        if state is not None:
            model.history_ = state.history
            network.assign(state.network)
        if state is None or not state.is_over:
            self._keras = self._trainable()
            first = callbacks.LambdaCallback(
                on_epoch_begin=self._epoch_begins,
                on_train_batch_end=self._batch_ends,
                on_epoch_end=self._epoch_ends,
            )
            last = callbacks.LambdaCallback(
                on_train_begin=lambda logs: self._resume(state), on_epoch_end=self._keep
            )
            with progress("epochs", total=epochs) as self._advance:
                self._advance(len(model.history_) - self._before, was_done=True)
                self._keras.fit(
                    tf.data.Dataset.range(len(self._batches)),  # of an epoch, by their number
                    initial_epoch=len(model.history_),
                    epochs=epochs + self._before,
                    callbacks=[first, *recipe.callbacks, last],
                    shuffle=False,
                    verbose=0,
                )
        network.assign(self._best)

    def _trainable(self) -> Any:
        """The network as a model of its own, so that what is compiled is no part of it.

        Its steps take our batches themselves: through a `tf.data.Dataset` or a `PyDataset` each
        batch took 10 ms longer on the way.
        """
        import keras

        recipe, network = self._recipe, self._model.network_.model
        step = self._step(recipe.variables, training=recipe.training)
        of_head = self._step(recipe.head, training=False) if recipe.head_epochs else step

        def train_function(iterator: Any) -> dict[str, Any]:
            batch, waited = next(self._coming)
            self._waited += waited
            return {"loss": (of_head if self._number <= recipe.head_epochs else step)(*batch)}

        model = keras.Model(network.input, network.output)
        model.compile(recipe.optimizer, jit_compile=False, auto_scale_loss=False)
        model.train_function = train_function
        return model

    def _step(self, variables: Sequence[Any], *, training: bool) -> Any:
        """A step as a function of inputs, targets and weights, that gives the loss."""
        import keras
        import tensorflow as tf

        recipe, network = self._recipe, self._model.network_.model
        scaled = isinstance(recipe.optimizer, keras.optimizers.LossScaleOptimizer)
        devices = 1 if recipe.strategy is None else recipe.strategy.num_replicas_in_sync

        def itself(inputs: Any, target: Any, weight: Any) -> tuple[Any, Any, Any]:
            return network(inputs, training=training), target, weight

        forward = recipe.forward or itself

        def step(inputs: Any, target: Any, weight: Any) -> Any:
            with tf.GradientTape() as tape:
                logits, target, weight = forward(inputs, target, weight)
                loss = tf.reduce_mean(weight * recipe.loss(logits, target)) / devices
                to_minimise = recipe.optimizer.scale_loss(loss)
            gradient = tape.gradient(to_minimise, variables)
            recipe.optimizer.apply(gradient, variables)
            if scaled:  # which leaves out steps whose gradient is not finite
                return loss
            return loss + 0 * tf.linalg.global_norm(gradient)

        def everywhere(*batch: Any) -> Any:
            return on_each(recipe.strategy, step, batch)

        reads = recipe.reads or tf.TensorSpec([None, *network.input_shape[1:]])
        others = map(tf.TensorSpec, (network.output_shape, [None]))
        return tf.function(everywhere).get_concrete_function(reads, *others)

    def _resume(self, state: State | None) -> None:
        """Tell the callbacks of the epochs so far, and go on with the optimizer as it was."""
        for at, facts in enumerate(self._model.history_):
            if "validation_loss" in facts:
                for callback in self._recipe.callbacks:
                    callback.on_epoch_end(at, dict(facts))
        if state is not None:
            for variable, value in zip(
                self._recipe.optimizer.variables, state.optimizer, strict=True
            ):
                variable.assign(value)

    def _epoch_begins(self, at: int, logs: Any) -> None:
        self._number = at + 1 - self._before
        self._losses, self._waited, self._began = [], 0.0, time.perf_counter()
        self._coming = made_ahead(self._batches(self._number))
        self._rate = self._recipe.learning_rate

    def _batch_ends(self, at: int, logs: dict[str, float]) -> None:
        self._losses.append(logs["loss"])
        if not np.isfinite(logs["loss"]):
            file = self._kept.file
            kept = f"; {file} has the state before it" if file and file.exists() else ""
            raise ParameterError(
                f"learning_rate: the loss is {logs['loss']} in batch {at + 1} of epoch "
                f"{self._number} at {self._recipe.learning_rate:g}: lower it{kept}"
            )

    def _epoch_ends(self, at: int, logs: dict[str, Any]) -> None:
        model, took = self._model, time.perf_counter() - self._began
        self._coming.close()
        facts = {
            "epoch": self._number,
            "loss": float(np.mean(self._losses)),
            "learning_rate": self._rate,
            "train_s": round(took, 3),
            "waited": round(self._waited / took, 4),
        }
        weights, how_well = self._evaluate()
        model.history_.append(facts | how_well)
        logs.update(model.history_[-1])
        if model.best_epoch_ == self._number:
            self._best = weights

    def _keep(self, at: int, logs: dict[str, Any]) -> None:
        facts = self._model.history_[-1]
        state = State(
            self._model.network_.arrays(),
            self._start,
            self._best,
            [np.array(variable.numpy()) for variable in self._recipe.optimizer.variables],
            self._model.history_,
            self._keras.stop_training,
        )
        self._kept.write(state)
        self._context.on_epoch(facts)
        self._advance()


def made_ahead(batches: Iterator[Batch]) -> Generator[tuple[Batch, float]]:
    """Batches, each made while the one before it is learned from.

    With each comes how many seconds were spent waiting for it.
    """
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, batches, None)
        while True:
            began = time.perf_counter()
            batch = coming.result()
            if batch is None:
                return
            waited = time.perf_counter() - began
            coming = thread.submit(next, batches, None)
            yield batch, waited
