"""Whether a network has what its declaration says, told before anything is run."""

from __future__ import annotations

from faunashot.backbones._declared.declaration import LOGITS, Declaration, Output
from faunashot.errors import ParameterError
from faunashot.runtimes.graph import FloatArray, Graph, Port

AXES = {"NT": 2, "NCT": 3, "NTC": 3, "T": 1}
"""Axes of an input of each layout."""


def source_of(graph: Graph, declaration: Declaration) -> Port:
    """The input that takes the samples.

    Raises
    ------
    ParameterError
        There is no such input, there are several and none is named, or it takes other samples.
    """
    names = [port.name for port in graph.inputs]
    named = declaration.input.name
    if not named and len(names) > 1:
        raise ParameterError(f"input.name: name one of {', '.join(names)}")
    port = next((port for port in graph.inputs if port.name == (named or names[0])), None)
    if port is None:
        raise ParameterError.unknown("input.name", named, names)
    if port.shape is not None:
        _check_input(port, port.shape, declaration)
    return port


def _check_input(port: Port, shape: tuple[int | None, ...], declaration: Declaration) -> None:
    layout = declaration.input.layout
    if len(shape) != AXES[layout]:
        fitting = " or ".join(name for name, axes in AXES.items() if axes == len(shape))
        wanted = f"layout {fitting}" if fitting else "a network that takes samples"
        raise ParameterError(f"input.layout: {layout} does not fit {port}: {wanted}")
    length = shape[layout.index("T")]
    if length not in (None, declaration.window_samples):
        raise ParameterError(
            f"sample_rate: {declaration.window_s} s at {declaration.sample_rate} Hz are "
            f"{declaration.window_samples} samples, and {port} takes {length}: "
            f"{length / declaration.window_s:g} Hz, or {length / declaration.sample_rate:g} s?"
        )


def check_fit(graph: Graph, declaration: Declaration) -> None:
    """Compare a network with its declaration.

    Raises
    ------
    ParameterError
        It has no such input or output, or one of another length or rate.
    """
    if graph.sample_rate not in (None, declaration.sample_rate):
        raise ParameterError(
            f"sample_rate: the network's own front end takes {graph.sample_rate} Hz, not "
            f"{declaration.sample_rate}"
        )
    source_of(graph, declaration)
    if graph.any_output:
        return
    for layer, output in declaration.layers.items():
        port = output_of(graph, layer, output)
        shape = port.shape
        if shape and shape[-1] not in (None, output.dim) and not _may_be_joined(shape, output):
            raise ParameterError(f"{key_of(layer)}.dim: {output.dim}, and the network gives {port}")


def output_of(graph: Graph, layer: str, output: Output) -> Port:
    """The output that a layer is made of.

    Raises
    ------
    ParameterError
        There is no such output, or there are several and none is named.
    """
    ports = {port.name: port for port in graph.outputs}
    if graph.any_output:
        return Port(output.name)
    if not output.name and len(ports) > 1:
        raise ParameterError(f"{key_of(layer)}.name: name one of {', '.join(ports)}")
    if output.name and output.name not in ports:
        raise ParameterError.unknown(f"{key_of(layer)}.name", output.name, ports)
    return ports[output.name] if output.name else graph.outputs[0]


def _may_be_joined(shape: tuple[int | None, ...], output: Output) -> bool:
    """Whether axes beside the last count too, as nothing is pooled."""
    return output.pooling == "none" and len(shape) > 2


def pooled(made: FloatArray, n: int, *, layer: str, output: Output) -> FloatArray:
    """What a network gave of `n` windows, (n, ...), as embeddings, (n, dim).

    Raises
    ------
    ParameterError
        It gave other numbers than are declared.
    """
    if output.pooling == "mean" and made.ndim > 2:
        made = made.mean(axis=tuple(range(1, made.ndim - 1)))
    rows = made.reshape(n, -1) if len(made) == n else made
    if rows.shape != (n, output.dim):
        framed = made.ndim > 2 and made.shape[-1] == output.dim
        hint = "; set pooling: mean" if framed else ""
        raise ParameterError(
            f"{key_of(layer)}.dim: {output.dim}, and the network gives {made.shape} of {n} "
            f"windows{hint}"
        )
    return rows


def key_of(layer: str) -> str:
    """Where a layer stands in the file."""
    return "classes" if layer == LOGITS else f"outputs.{layer}"
