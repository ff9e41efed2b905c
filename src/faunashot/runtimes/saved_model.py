"""SavedModels of TensorFlow as their publishers give them, outputs by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from faunashot.errors import ParameterError, WeightsError
from faunashot.native import quiet_native
from faunashot.runtimes.graph import FloatArray, Graph, Port, refused
from faunashot.runtimes.keras_network import settle_tensorflow

CALL = "__call__"
"""Name by which the model itself is called."""

NO_OPERATOR = re.compile(r"Op type not registered '(\S+)'")


class SavedModelGraph(Graph):
    """A function of a SavedModel.

    Each operation runs on one thread, unless TensorFlow has run before in this process; calls from
    several threads run at once.

    Where it gives no mapping, its outputs are called by their place: ``0``, ``1``.

    Parameters
    ----------
    folder : Path
    signature : str
        Name of a signature, of a function of the model, or ``__call__``.

    Raises
    ------
    ParameterError
        The model has no such signature or function.
    WeightsError
        The folder holds no model, or one with operators that TensorFlow has not.
    """

    def __init__(self, folder: Path, *, signature: str) -> None:
        settle_tensorflow()
        with quiet_native():
            import tensorflow as tf

            with suppress(RuntimeError):  # it has run already
                tf.config.threading.set_intra_op_parallelism_threads(1)
            try:
                self._model = tf.saved_model.load(str(folder))
            except Exception as error:  # whatever TensorFlow raises
                raise _unloaded(folder, error) from error
        self._tf, self._folder = tf, folder
        self._by_keyword = signature in self._model.signatures
        self._function = self._function_called(signature)
        concrete = self._concrete()
        self.inputs = [_port(name, spec) for name, spec in _arguments(concrete).items()]
        self.outputs = [_port(n, spec) for n, spec in _named(concrete.structured_outputs).items()]

    def _function_called(self, name: str) -> Any:
        if self._by_keyword:
            return self._model.signatures[name]
        found = getattr(self._model, name, None)
        if found is None or not hasattr(found, "concrete_functions"):
            own = [n for n in dir(self._model) if not n.startswith("_")]
            known = [n for n in own if hasattr(getattr(self._model, n, None), "concrete_functions")]
            known += [CALL] if hasattr(self._model, CALL) else []
            raise ParameterError.unknown("signature", name, [*self._model.signatures, *known])
        return found

    def _concrete(self) -> Any:
        if self._by_keyword:
            return self._function
        return self._function.concrete_functions[0]

    def __call__(
        self, inputs: FloatArray, *, source: str, outputs: Sequence[str]
    ) -> list[FloatArray]:
        """As `Graph.__call__`."""
        fed = self._tf.constant(inputs)
        try:
            made = self._function(**{source: fed}) if self._by_keyword else self._function(fed)
        except Exception as error:  # whatever TensorFlow raises
            raise refused(self._folder, "run", error) from error
        found = _named(made)
        return [np.asarray(found[output], dtype=np.float32) for output in outputs]


def _arguments(concrete: Any) -> dict[str, Any]:
    """Tensors that a function takes, by name."""
    given, named = concrete.structured_input_signature
    specs = [spec for spec in given if hasattr(spec, "shape")]
    return {spec.name or str(i): spec for i, spec in enumerate(specs)} | dict(named)


def _named(made: Any) -> dict[str, Any]:
    if isinstance(made, Mapping):
        return {str(name): value for name, value in made.items()}
    values = made if isinstance(made, (list, tuple)) else [made]
    return {str(i): value for i, value in enumerate(values)}


def _port(name: str, spec: Any) -> Port:
    shape: Any = getattr(spec, "shape", None)
    known = shape is not None and shape.rank is not None
    return Port(name, tuple(shape.as_list()) if known else None)


def _unloaded(folder: Path, error: Exception) -> WeightsError:
    if found := NO_OPERATOR.search(str(error)):
        return WeightsError(
            f"{folder.name} has an operator that TensorFlow has not, {found[1]}: export the model "
            "without custom operators"
        )
    return refused(folder, "loaded", error)
