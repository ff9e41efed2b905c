"""Training on several devices at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from faunashot.errors import ParameterError


def mirrored(devices: int | None) -> Any:
    """The strategy that has a copy of a network on each device; None for a single device.

    Parameters
    ----------
    devices : int, optional
        So many GPUs, or where there is none so many of TensorFlow's logical CPUs; all GPUs if not
        given.

    Raises
    ------
    ParameterError
        There are fewer.
    """
    import tensorflow as tf

    gpus = tf.config.list_logical_devices("GPU")
    there = gpus or tf.config.list_logical_devices("CPU")
    wanted = max(1, len(gpus)) if devices is None else devices
    if wanted > len(there):
        raise ParameterError(f"devices: {wanted}; TensorFlow has {len(there)} here")
    if wanted == 1:
        return None
    return tf.distribute.MirroredStrategy([device.name for device in there[:wanted]])


@contextmanager
def copies_on(strategy: Any) -> Iterator[None]:
    """Make Keras layers whose variables are copied to the devices of a strategy, if there is one.

    What layers change by themselves stays the same on all of them: statistics are set to the mean
    of what the devices have, the states of random draws to those of the first.
    """
    if strategy is None:
        yield
        return
    import tensorflow as tf

    def made(create: Any, **given: Any) -> Any:
        if not given["trainable"]:
            kinds = tf.VariableAggregation
            is_float = tf.as_dtype(given["dtype"]).is_floating
            given["aggregation"] = kinds.MEAN if is_float else kinds.ONLY_FIRST_REPLICA
        return create(**given)

    with strategy.scope(), tf.variable_creator_scope(made):
        yield


def on_each(strategy: Any, step: Any, inputs: Any) -> Any:
    """Sum of what a step gives of an equal part of its inputs on each device.

    Parameters
    ----------
    strategy : tf.distribute.Strategy or None
    step : callable
        Of nested tensors.
    inputs : sequence of nested tensors, shape (N, ...)
        N is a multiple of the number of devices.
    """
    if strategy is None:
        return step(*inputs)
    import tensorflow as tf

    n = strategy.num_replicas_in_sync

    def part(tensor: Any) -> Any:
        number = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.reshape(tensor, tf.concat([[n, -1], tf.shape(tensor)[1:]], 0))[number]

    losses = strategy.run(lambda: step(*tf.nest.map_structure(part, tuple(inputs))))
    return strategy.reduce("SUM", losses, axis=None)
