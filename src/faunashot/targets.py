"""Labels of clips as a matrix of targets: one class a clip, or several where a corpus says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError

SEPARATOR = ";"
"""Between the class names of a clip that carries several, such as ``frog;owl``."""


def join_names(names: Iterable[str]) -> str:
    """One label from class names, sorted, each once; none gives the empty label."""
    return SEPARATOR.join(sorted(set(names)))


def names_of(label: str, *, multi_label: bool) -> tuple[str, ...]:
    """Class names of a label: the label itself, or its parts where clips carry several."""
    if not multi_label:
        return (label,)
    return tuple(name for name in label.split(SEPARATOR) if name)


def class_names(labels: Iterable[str], *, multi_label: bool) -> list[str]:
    """Every class name that occurs, sorted."""
    return sorted({n for label in set(labels) for n in names_of(label, multi_label=multi_label)})


def target_matrix(
    labels: Sequence[str], classes: Sequence[str], *, multi_label: bool
) -> npt.NDArray[np.float32]:
    """Which classes each clip is of.

    Parameters
    ----------
    labels : sequence of str, length n
        Label of each clip; class names joined by `SEPARATOR` where `multi_label`.
    classes : sequence of str, length C
        Columns of the matrix.
    multi_label : bool
        Whether a clip may carry several classes, or none.

    Returns
    -------
    ndarray, shape (n, C), float32
        1 where a clip is of the class, else 0.

    Raises
    ------
    ParameterError
        A label names a class that is not among `classes`.

    Examples
    --------
    >>> target_matrix(["owl", "frog;owl"], ["frog", "owl"], multi_label=True).tolist()
    [[0.0, 1.0], [1.0, 1.0]]
    """
    column = {name: at for at, name in enumerate(classes)}
    matrix = np.zeros((len(labels), len(classes)), np.float32)
    for row, label in zip(matrix, labels, strict=True):
        for name in names_of(str(label), multi_label=multi_label):
            if name not in column:
                raise ParameterError.unknown("label", name, classes)
            row[column[name]] = 1
    return matrix
