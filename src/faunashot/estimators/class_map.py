"""Outputs of one set of classes read as another set, by a table."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import gmean
from sklearn.base import BaseEstimator, ClassifierMixin

from faunashot.errors import ParameterError

FLOOR = 1e-9
"""Least output that a geometric mean takes, so that one silent name does not rule a class out."""


class ClassMap(ClassifierMixin, BaseEstimator):
    """Score of a target class, pooled from the source outputs that are mapped to it.

    Scores are not normalised per window: a window in which nothing is heard should not weigh as
    much as a call.

    Parameters
    ----------
    classes : target classes.
    columns : for each, the source outputs mapped to it; none for an unmapped class, scored 0.
    pool : "mean"; "geometric" where outputs are names of one thing, heard together, so that each
        bears witness; "max" where they are kinds of it, of which one is heard at a time. All
        three leave a class of many names no better off than a class of one.
    head : fitted head that yields the source outputs from embeddings; None where X holds them.
    """

    def __init__(
        self,
        classes: Sequence[str],
        columns: Sequence[Sequence[int]],
        *,
        pool: str = "mean",
        head: Any = None,
    ) -> None:
        self.classes = classes
        self.columns = columns
        self.pool = pool
        self.head = head

    @property
    def classes_(self) -> npt.NDArray[Any]:
        """Target classes."""
        return np.asarray(self.classes)

    def predict_proba(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Scores of the target classes in [0, 1], (N, ·) -> (N, C); rows need not sum to 1."""
        outputs = np.asarray(X if self.head is None else self.head.predict_proba(X))
        scores = np.zeros((len(outputs), len(self.classes)))
        for at, columns in enumerate(self.columns):
            if len(columns):
                scores[:, at] = self._pooled(outputs[:, list(columns)].astype(np.float64))
        return scores

    def _pooled(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        if self.pool == "geometric":
            return np.asarray(gmean(np.maximum(outputs, FLOOR), axis=1))
        return np.asarray(outputs.max(axis=1) if self.pool == "max" else outputs.mean(axis=1))


def spelled(label: str) -> str:
    """A label as tables of class maps spell it: ``"Sea waves"`` is ``"sea_waves"``."""
    return label.strip().lower().replace(" ", "_").replace("-", "_")


def read_class_map(table: Path, known: Sequence[str]) -> dict[str, list[str]]:
    """Names of source classes by target label, as `spelled`.

    Parameters
    ----------
    table : CSV with the columns label and source_class, a row a name; a row with no source_class
        says that the label has none.
    known : names that may be mapped.

    Raises
    ------
    ParameterError
        The table cannot be read, or a row maps a name that is not `known`: says which row, and
        the nearest name.
    """
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, skipinitialspace=True)
            if not {"label", "source_class"} <= {*(rows.fieldnames or ())}:
                raise ParameterError(f"{table}: its header is not `label,source_class`")
            listed = [(rows.line_num, row["label"], row["source_class"] or "") for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ParameterError(f"{table} cannot be read as a UTF-8 table: {error}") from error
    names, mapped = set(known), dict[str, list[str]]()
    for number, label, name in listed:
        of_label = mapped.setdefault(spelled(label), [])
        if not name.strip():
            continue
        if name.strip() not in names:
            near = difflib.get_close_matches(name, sorted(names), n=1, cutoff=0)
            raise ParameterError(
                f"{table}, row {number}: {name!r} is none of the backbone's classes; "
                f"did you mean {near[0]!r}?"
            )
        of_label.append(name.strip())
    return mapped
