"""The metrics: a module each, shown everywhere without being named anywhere else.

To add one, write a module here that holds one subclass of `base.Metric`, or give it from another
package as an entry point of the group ``faunashot.evaluation.metrics``; nothing else needs a
change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError
from faunashot.registry import Registry

if TYPE_CHECKING:
    from faunashot.evaluation.metrics.base import FloatArray, Metric
    from faunashot.evaluation.scored import WeightedClips

HEADLINE = "macro_f1"
"""Metric that is reported first, and that systems are compared by."""

METRICS: Registry[Metric] = Registry(
    "metric", "faunashot.evaluation.metrics", contract="faunashot.evaluation.metrics.base:Metric"
)


TAKEN = frozenset(
    [
        *("calibration_error_before", "classes", "clips", "condition", "conditions", "corpus"),
        *("difference", "experiment", "k", "leak", "name", "p_value", "per_class", "protocol"),
        *("leaking_random_folds", "run_id", "runs", "salience", "scored", "system"),
        *("temperature", "unknown", "window"),
    ]
)
"""What ``metrics.json`` and the tables hold under names of their own."""


def metrics_for(
    *, multi_label: bool = False, of: Literal["labels", "scores"] | None = None
) -> dict[str, Metric]:
    """Metrics by name in the order in which they are shown.

    Parameters
    ----------
    multi_label : bool
        Whether clips may carry several labels; else those that apply to one label a clip.
    of : {"labels", "scores"} or None
        Only those of predicted labels, or only those of probabilities.
    """
    return {
        name: metric
        for name, metric in _in_order().items()
        if (metric.multi_label if multi_label else metric.single_label) and of in (None, metric.of)
    }


def metric_values(metrics: Mapping[str, Metric], clips: WeightedClips) -> dict[str, FloatArray]:
    """Each metric under every weighting of the clips, shape (D,), by name.

    Raises
    ------
    ParameterError
        A metric does not give one number a weighting.
    """
    found = {}
    for name, metric in metrics.items():
        found[name] = np.asarray(metric.values(clips), dtype=np.float64)
        if found[name].shape != clips.times.shape[:1]:
            n = len(clips.times)
            raise ParameterError(
                f"metric {name!r}: shape {found[name].shape} for {n} weightings; needs ({n},)"
            )
    return found


def metric_names(figures: Iterable[str]) -> list[str]:
    """Names of the metrics among the keys of figures.

    Those that are installed come in their order. After them come others that have ``NAME_low``
    beside them, as one that was installed when the figures were made.
    """
    keys = dict.fromkeys(figures)
    known = list(_in_order())
    there = [n for n in keys if n in known or (f"{n}_low" in keys and "." not in n)]
    return sorted(there, key=lambda name: known.index(name) if name in known else len(known))


def titles(figures: Iterable[str]) -> dict[str, str]:
    """Titles of the metrics among the keys of figures, by name.

    Parameters
    ----------
    figures : iterable of str
        ``NAME``, ``NAME_low`` and ``NAME_high`` of each metric, beside other keys, as in
        ``metrics.json`` or a row of ``curve.csv``. One that is no longer installed is called by
        its name.
    """
    known = _in_order()
    return {n: known[n].title if n in known else n for n in metric_names(figures)}


def scores(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    classes: Sequence[str],
    *,
    multi_label: bool = False,
) -> dict[str, float]:
    """Metrics of predicted labels, by name.

    Parameters
    ----------
    y_true, y_pred : array_like of str, shape (N,)
        Labels, each one of `classes`, or several joined where `multi_label`.
    classes : sequence of str, length C
        Every class that can be predicted.

    Raises
    ------
    ParameterError
        There is nothing to score, lengths differ, or a label is not one of `classes`.

    Examples
    --------
    >>> scores(["owl", "owl", "wren"], ["owl", "wren", "wren"], ["owl", "wren"])["accuracy"]
    0.6666666666666666
    """
    from faunashot.evaluation.scored import ScoredClips

    clips = ScoredClips.of_labels(y_true, y_pred, classes, multi_label=multi_label)
    whole = clips.weighted(np.ones((1, clips.n_parts)))
    found = metric_values(metrics_for(multi_label=multi_label, of="labels"), whole)
    return {name: float(values[0]) for name, values in found.items()}


@cache
def _in_order() -> dict[str, Metric]:
    made = {name: metric() for name, metric in METRICS.classes().items()}
    if taken := sorted(TAKEN & made.keys()):
        raise ParameterError(f"metric {taken[0]!r}: another figure has that name; rename it")
    return dict(sorted(made.items(), key=lambda item: (item[1].order, item[0])))
