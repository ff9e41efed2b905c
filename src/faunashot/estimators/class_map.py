"""Outputs of one set of classes read as another set, by a table."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from unicodedata import normalize

import numpy as np
import numpy.typing as npt

from faunashot.backbones.base import Backbone, class_scores
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, Level
from faunashot.estimators.examples import Examples, Scores
from faunashot.estimators.pooling import pool
from faunashot.features.store import Features

if TYPE_CHECKING:
    from faunashot.estimators.head import Head

FILE, HEAD = "class_map.json", "head"

FLOOR = 1e-9
"""Least output that a geometric mean takes, so that one silent name does not rule a class out."""


class ClassMap(Estimator):
    """Score of a target class, pooled from the source outputs that are mapped to it.

    Scores are not normalised per window: a window in which nothing is heard should not weigh as
    much as a call.

    Parameters
    ----------
    classes : sequence of str
        Target classes.
    columns : sequence of sequence of int
        For each, the source outputs mapped to it; none for an unmapped class, scored 0.
    names : str
        How the outputs of a class become one: "mean"; "geometric" where they are names of one
        thing, heard together, so that each bears witness; "max" where they are kinds of it, of
        which one is heard at a time. All three leave a class of many names no better off than a
        class of one.
    head : Head, optional
        Fitted; yields the source outputs from mean features of clips. Without it the features are
        the backbone's scores of its own classes, window by window.
    """

    KIND = "class_map"
    level: ClassVar[Level] = "window"
    multi_label = True

    def __init__(
        self,
        classes: Sequence[str],
        columns: Sequence[Sequence[int]],
        *,
        names: str = "mean",
        head: Head | None = None,
    ) -> None:
        self.classes_ = [str(name) for name in classes]
        self.columns = columns
        self.names = names
        self.head = head

    @property
    def reads_class_scores(self) -> bool:  # type: ignore[override]
        """Whether no head makes the outputs."""
        return self.head is None

    def fit(self, train: Examples, **_: Any) -> Self:
        """There is nothing to learn; raises `ParameterError`."""
        raise ParameterError("a map of classes is made from a table, and does not learn")

    def predict(self, examples: Examples) -> Scores:
        """Scores in [0, 1]; rows need not sum to 1. Clips get the mean of their windows' scores.

        With a head, they get the score of their mean feature.
        """
        windows = self.scores(examples.windows())
        clips = pool(windows, examples) if self.head is None else self.scores(examples.means())
        return Scores(tuple(self.classes_), windows, clips)

    def scores(self, X: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Scores of the target classes, (N, dim) -> (N, C)."""
        outputs = np.asarray(X if self.head is None else self.head.predict_proba(X))
        scores = np.zeros((len(outputs), len(self.classes_)))
        for at, columns in enumerate(self.columns):
            if len(columns):
                scores[:, at] = self._as_one(outputs[:, list(columns)].astype(np.float64))
        return scores

    def _as_one(self, outputs: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
        if self.names == "geometric":
            from scipy.stats import gmean  # takes a second to import

            return np.asarray(gmean(np.maximum(outputs, FLOOR), axis=1))
        return np.asarray(outputs.max(axis=1) if self.names == "max" else outputs.mean(axis=1))

    def save(self, folder: Path) -> None:
        """Write the map into `folder`, which is made, as JSON, and its head beside it."""
        folder.mkdir(parents=True, exist_ok=True)
        columns = [[int(at) for at in of] for of in self.columns]
        facts = {"classes": self.classes_, "columns": columns, "names": self.names}
        (folder / FILE).write_text(json.dumps(facts, ensure_ascii=False) + "\n", "utf-8")
        if self.head is not None:
            self.head.save(folder / HEAD)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
        try:
            facts = json.loads((folder / FILE).read_text("utf-8"))
            found = cls(facts["classes"], facts["columns"], names=facts["names"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{folder / FILE} is no map of classes ({error})") from error
        if (folder / HEAD).exists():
            from faunashot.estimators.head import Head

            found.head = Head.load(folder / HEAD)
        return found


def class_score_features(
    features: Features, backbone: Backbone, *, at_once: int = 4096
) -> Features:
    """The backbone's scores of its own classes in place of features that it made.

    Parameters
    ----------
    features : Features
    backbone : Backbone
        One that has classes of its own.
    at_once : int
        Windows that are scored together.
    """
    n = len(features.index)
    parts = [
        class_scores(backbone, features.windows[at : at + at_once])
        for at in range(0, max(n, 1), at_once)
    ]
    scores = np.concatenate(parts)
    return replace(
        features, windows=scores, spec=replace(features.spec, dim=scores.shape[1], blocks=())
    )


def spelled(label: str) -> str:
    """A label as tables of class maps spell it: ``"Sea waves"`` is ``"sea_waves"``."""
    return normalize("NFC", label).strip().lower().replace(" ", "_").replace("-", "_")


def read_class_map(table: Path, known: Sequence[str]) -> dict[str, list[str]]:
    """Names of source classes by target label, as `spelled`.

    Parameters
    ----------
    table : CSV with the columns label and source_class, a row a name; a row with no source_class
        says that the label has none.
    known : sequence of str
        Names that may be mapped.

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
