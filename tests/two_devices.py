"""Run as a program: a training on two devices beside the same on one, and one that is cut off."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_panns import calls, model, use_tiny

from faunashot.backbones._panns import network
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.training.keras_fit import Batch
from faunashot.estimators.training.sampling import Sampled
from faunashot.runtimes.keras_network import deterministic_tensorflow


class Killed(Exception):
    """Stands for a process that ends."""


def trained(learn: Any, *, devices: int, checkpoint: Path | None = None, until: int = 99) -> Any:
    """Fitted, unless it is killed after the epoch `until`."""

    def killed(facts: Any) -> None:
        if facts["epoch"] == until:
            raise Killed

    context = TrainingContext(checkpoint=checkpoint, on_epoch=killed)
    made = model(devices=devices, mixup=0.0)
    return made.fit(learn, validation=learn, context=context)


def main(folder: Path) -> None:
    """Raise `AssertionError` where something does not hold."""
    tf = deterministic_tensorflow(1)
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    learn, patch = calls(24, seed=0), pytest.MonkeyPatch()
    use_tiny(patch)

    file = folder / "checkpoint.npz"
    whole = trained(learn, devices=2)
    with pytest.raises(Killed):
        trained(learn, devices=2, checkpoint=file, until=1)
    resumed = trained(learn, devices=2, checkpoint=file)
    for name, array in whole.network_.arrays().items():
        np.testing.assert_array_equal(resumed.network_.arrays()[name], array, err_msg=name)
    with pytest.raises(Exception, match="devices: 3; TensorFlow has 2 here"):
        trained(learn, devices=3)
    with pytest.raises(Exception, match="batch_size: 7 windows cannot be dealt to 2 devices"):
        model(devices=2, batch_size=7).fit(learn)

    # Of batches whose halves are the same, each device normalises as one does for all.
    drawn = Sampled.__call__

    def twice(self: Sampled, epoch: int) -> Any:
        for inputs, *others in drawn(self, epoch):
            halves = [np.concatenate([of[:4], of[:4]]) for of in (*inputs, *others)]
            yield Batch(type(inputs)(*halves[:4]), *halves[4:])

    patch.setattr(Sampled, "__call__", twice)
    patch.setattr(network, "DROPOUT", 0.0)
    patch.setattr(network, "DENSE_DROPOUT", 0.0)
    one, two = ([facts["loss"] for facts in trained(learn, devices=n).history_] for n in (1, 2))
    np.testing.assert_allclose(one, two, rtol=1e-3)
    assert one[-1] < one[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
