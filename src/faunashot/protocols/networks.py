"""Networks that learn from windows: trained, stopped and tempered on clips held back, scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.estimators.heads.base import scores_of
from faunashot.estimators.temperature import temper
from faunashot.estimators.training.classifier import NetworkClassifier
from faunashot.protocols.base import Task, class_temperature
from faunashot.protocols.table import WindowTable


class Scored(NamedTuple):
    """Scores of the clips that one classifier was tested on.

    Attributes
    ----------
    clips, windows : tables of their scores, see `WindowTable.held_out_clips` and `held_out`.
    heard : the same as `clips` under each of the task's other conditions, by name.
    facts : what was chosen for it, the ``temperature`` among that.
    """

    clips: pd.DataFrame
    windows: pd.DataFrame
    heard: dict[str, pd.DataFrame]
    facts: dict[str, Any]


def trained(
    task: Task, train: Sequence[str], validation: Sequence[str], *, name: str, **settings: Any
) -> tuple[NetworkClassifier, float]:
    """The network, and the temperature that suits the clips that stopped it; 1 without any."""
    network = task.tuned(train, validation, name=name, **settings)
    if not validation:
        return network, 1.0
    _, scores = pooled(network, task.target, validation)
    return network, class_temperature(task.target, validation, scores)


def scored(
    task: Task, network: NetworkClassifier, temperature: float, test: Sequence[str], **where: Any
) -> Scored:
    """Scores of test clips and of their windows, in tables with the columns `where`.

    Clips are tempered once they are pooled: of sharper windows a few would outvote the others.
    """
    classes = task.target.classes

    def of_clips(table: WindowTable, scores: npt.NDArray[np.float64]) -> pd.DataFrame:
        tempered = temper(scores, temperature)
        return table.held_out_clips(test, tempered, classes, temperature=temperature, **where)

    of_windows, scores = pooled(network, task.target, test)
    heard = {
        name: of_clips(table, pooled(network, table, test)[1]) for name, table in task.heard.items()
    }
    return Scored(
        clips=of_clips(task.target, scores),
        windows=task.target.held_out(test, of_windows, classes, **where),
        heard=heard,
        facts={**network.chosen(), "temperature": temperature},
    )


def pooled(
    network: NetworkClassifier, table: WindowTable, clip_ids: Sequence[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Scores of the windows of clips, (N, C), and of the clips, (n, C)."""
    held, counts = table.learn(clip_ids), table.counts(clip_ids)
    scores = scores_of(network, held.X, table.classes)
    first = np.cumsum([0, *counts[:-1]])
    return scores, np.add.reduceat(np.asarray(held.weight)[:, None] * scores, first)


def together(parts: Sequence[Scored]) -> Scored:
    """The tables of several classifiers one below the other; `facts` is empty."""
    heard = {
        name: pd.concat([part.heard[name] for part in parts], ignore_index=True)
        for name in parts[0].heard
    }
    return Scored(
        pd.concat([part.clips for part in parts], ignore_index=True),
        pd.concat([part.windows for part in parts], ignore_index=True),
        heard,
        {},
    )
