"""Figures that publications give, and what the experiments of a study have reached beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator

from faunashot.errors import ParameterError
from faunashot.evaluation import LEAKING
from faunashot.evaluation.metrics import METRICS, titles
from faunashot.evaluation.summary import ENDS
from faunashot.options import Options

WINDOW = "window."
"""What the name of a metric begins with where windows are scored, not the clips they are of."""

FOLDS = {
    "official": "on the folds of the corpus' authors",
    "published": "on fixed parts that the study names",
    "grouped": "on folds that keep a recording together",
    "random": "on random folds, which leak: pieces of a recording are learned and scored",
    "unknown": "on folds that are not told",
}
"""How clips can have been divided where a figure was published, in words."""

COLUMNS = (
    *("system", "metric", "published", "folds", "leaks"),
    *(f"ours{end}" for end in ENDS),
    *(f"ours_leaking{end}" for end in ENDS),
    *(f"difference{end}" for end in ENDS),
    *("within", "differs", "source"),
)
"""Columns of `set_beside`."""


class Published(Options):
    """What a publication reports of one of the systems of a study.

    Attributes
    ----------
    of : dict
        Values of some axes of the study's grid: the experiments that the figures are set beside.
    values : dict
        Figures by the name of the metric, which begins with ``window.`` where windows are scored.
    folds : str
        How its clips were divided: into the folds of the corpus' authors (``official``), by fixed
        parts of its own (``published``), by source recording (``grouped``), at ``random``, or
        ``unknown``.
    source : str
        Where the figures stand.
    differs : str
        Why ours cannot be compared with them: other clips or classes, say. Empty where they can.
    """

    of: dict[str, Any]
    values: dict[str, float] = Field(min_length=1)
    folds: Literal["official", "published", "grouped", "random", "unknown"]
    source: str
    differs: str = ""

    @field_validator("values")
    @classmethod
    def _metrics(cls, values: dict[str, float]) -> dict[str, float]:
        for name in values:
            refuse_unknown_metric(name)
        return values

    @property
    def leaks(self) -> bool:
        """Whether windows or slices of one recording may be on both sides of its folds."""
        return self.folds == "random"

    def is_of(self, axes: Mapping[str, Any]) -> bool:
        """Whether it is set beside the experiment that has these values of the grid."""
        return self.of.items() <= axes.items()


def refuse_unknown_metric(name: str) -> None:
    """Raise where there is no metric of that name, of clips or of windows."""
    if name.removeprefix(WINDOW) not in METRICS:
        raise ParameterError.unknown("metric", name, METRICS.names())


def metric_title(name: str) -> str:
    """What a metric is called in tables, such as ``accuracy of windows``."""
    of_clips = name.removeprefix(WINDOW)
    title = titles([of_clips, f"{of_clips}_low"])[of_clips]
    return title if name == of_clips else f"{title} of windows"


def set_beside(published: Sequence[Published], systems: pd.DataFrame) -> pd.DataFrame:
    """Published figures, and ours of the same systems.

    Parameters
    ----------
    published : sequence of Published
    systems : DataFrame
        A row a system: ``system``, its name; ``axes``, a mapping of its values of the grid; and
        its metrics with their intervals, those of windows as ``window.NAME``, those of folds at
        random as ``leaking_random_folds.NAME``.

    Returns
    -------
    DataFrame
        Columns `COLUMNS`, a row a published figure and system: the figure (``published``) and how
        it came about, ``ours``, and ours on random folds. The ``difference`` is of like from like:
        of ours on random folds from a figure of random folds, of ours from any other; it is
        missing where the two do not compare. ``within`` says whether the published figure lies
        within our interval. Where none of the systems is there, ours are missing.
    """
    rows = []
    for each in published:
        of = [row for row in systems.to_dict("records") if each.is_of(row["axes"])]
        for row in of or [{"system": ", ".join(map(str, each.of.values()))}]:
            rows += [_row(each, row, metric) for metric in each.values]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def comparable(beside: pd.DataFrame, metric: str) -> dict[str, float]:
    """Published figures of a metric that ours on honest folds compare with, by system."""
    of = beside[(beside["metric"] == metric) & ~beside["leaks"] & (beside["differs"] == "")]
    return dict(zip(of["system"], of["published"], strict=True))


def _row(published: Published, system: Mapping[Any, Any], metric: str) -> dict[str, Any]:
    value = published.values[metric]
    ours = [system.get(f"{metric}{end}", np.nan) for end in ENDS]
    at_random = [system.get(f"{LEAKING}.{metric}{end}", np.nan) for end in ENDS]
    like = np.array(at_random if published.leaks else ours, dtype=np.float64)
    if published.differs:
        like[:] = np.nan
    within = None if np.isnan(like).any() else bool(like[1] <= value <= like[2])
    return {
        **{"system": system["system"], "metric": metric, "published": value},
        **{"folds": published.folds, "leaks": published.leaks},
        **dict(zip((f"ours{end}" for end in ENDS), ours, strict=True)),
        **dict(zip((f"ours_leaking{end}" for end in ENDS), at_random, strict=True)),
        **dict(zip((f"difference{end}" for end in ENDS), like - value, strict=True)),
        **{"within": within, "differs": published.differs, "source": published.source},
    }
