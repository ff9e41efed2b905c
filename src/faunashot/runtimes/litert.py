"""Where networks run: LiteRT on the processor, TensorFlow where there is a GPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError
from faunashot.native import quiet_native

RUNTIME = "FAUNASHOT_RUNTIME"
"""litert or tensorflow; unless set, TensorFlow where it finds a GPU and LiteRT elsewhere."""

FloatArray = npt.NDArray[np.float32]

Network = Callable[[FloatArray], FloatArray]


class LiteRt:
    """A LiteRT model of one input, called from any thread.

    Calls at the same time each have an interpreter of their own on one processor: as many threads
    as processors keep all of them busy, without waiting for each other as those of one interpreter
    do. Interpreters are kept for later calls.

    Parameters
    ----------
    model : bytes
        As a file holds it.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self._free: list[Any] = []  # whose append and pop are atomic

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """The first output for inputs, (N, ...) -> (N, ...)."""
        (found,) = self.run(inputs)
        return found

    def run(self, inputs: FloatArray, outputs: Sequence[int] = ()) -> list[FloatArray]:
        """Tensors by their index for inputs, in one run; the first output where none is given."""
        try:
            net = self._free.pop()
        except IndexError:
            net = self.interpreter()
        source = net.get_input_details()[0]
        wanted = outputs or [net.get_output_details()[0]["index"]]
        shape = [len(inputs), *source["shape"][1:]]
        if inputs.ndim == len(shape):
            shape = [*inputs.shape]
        if [*source["shape"]] != shape:
            net.resize_tensor_input(source["index"], shape)
            net.allocate_tensors()
        net.set_tensor(source["index"], np.ascontiguousarray(inputs).reshape(shape))
        net.invoke()
        found = [np.asarray(net.get_tensor(index), dtype=np.float32) for index in wanted]
        self._free.append(net)
        return found

    def interpreter(self) -> Any:
        """A new interpreter of the model."""
        from ai_edge_litert.interpreter import Interpreter

        with quiet_native():
            net = Interpreter(model_content=self.model, num_threads=1)
            net.allocate_tensors()  # XNNPACK says that it is there
        return net


def on_gpu() -> bool:
    """Whether networks that have a TensorFlow model are to run in it.

    Raises
    ------
    ParameterError
        The variable `RUNTIME` holds something else than a runtime.
    """
    wanted = os.environ.get(RUNTIME, "")
    if wanted not in ("", "litert", "tensorflow"):
        raise ParameterError.unknown(RUNTIME, wanted, ["litert", "tensorflow"])
    if wanted or not Path("/dev/nvidia0").exists():  # TensorFlow takes seconds to import
        return wanted == "tensorflow"
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))
