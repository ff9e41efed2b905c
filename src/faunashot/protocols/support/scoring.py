"""Held-out clips scored by a fitted estimator, and the temperature of its probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from faunashot.estimators.base import Estimator, columns
from faunashot.estimators.calibration import clip_temperature, temper
from faunashot.estimators.examples import FloatArray
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task, clip_scores


class Scored(NamedTuple):
    """Scores of the clips that an estimator was tested on.

    Attributes
    ----------
    clips : DataFrame
        See `WindowTable.held_out_clips`; tempered once they are pooled: of sharper windows a few
        would outvote the others.
    windows : DataFrame
        See `WindowTable.held_out`; not tempered. Empty where they were not asked for.
    test_conditions : dict of DataFrame
        The same as `clips` under each of the task's test conditions, by name.
    """

    clips: pd.DataFrame
    windows: pd.DataFrame
    test_conditions: dict[str, pd.DataFrame]


def scored(
    task: Task,
    model: Estimator,
    test: Sequence[str],
    *,
    temperature: float | None = None,
    windows: bool = True,
    **where: Any,
) -> Scored:
    """Scores of test clips, and of their windows, in tables with the columns `where`.

    Parameters
    ----------
    task : Task
    model : Estimator
    test : sequence of str
        Clip ids.
    temperature : float, optional
        That clips are tempered by; a column of theirs. They are not where none is given.
    windows : bool
        Whether windows are asked for.
    **where
        Facts of the run.
    """
    classes, multi_label = task.target.classes, task.target.multi_label
    tempered = where if temperature is None else {**where, "temperature": temperature}

    def of_clips(table: WindowTable, scores: FloatArray | None = None) -> pd.DataFrame:
        found = clip_scores(model, table.examples(test)) if scores is None else scores
        found = temper(found, temperature or 1.0, multi_label=multi_label)
        return table.held_out_clips(test, found, classes, **tempered)

    if windows:
        both = model.averaged(task.target.examples(test))
        of_windows, scores = (
            columns(of, both.classes, classes, multi_label=multi_label)
            for of in (both.windows, both.clips)
        )
        table = task.target.held_out(test, of_windows, classes, **where)
        clips = of_clips(task.target, scores)
    else:
        table, clips = pd.DataFrame(), of_clips(task.target)
    others = {name: of_clips(other) for name, other in task.test_conditions.items()}
    return Scored(clips, table, others)


def labelled_range(task: Task, clip_ids: Sequence[str]) -> dict[str, int]:
    """Of these labelled clips, how many the class with the fewest has, and that with the most."""
    counts = task.target.clips_by_class(clip_ids).values()
    return {"labelled_least": min(counts), "labelled_most": max(counts)}


def together(parts: Sequence[Scored]) -> Scored:
    """The tables of several estimators one below the other."""
    return Scored(
        pd.concat([part.clips for part in parts], ignore_index=True),
        pd.concat([part.windows for part in parts], ignore_index=True),
        {
            name: pd.concat([part.test_conditions[name] for part in parts], ignore_index=True)
            for name in parts[0].test_conditions
        },
    )


def validated_temperature(task: Task, model: Estimator, validation: Sequence[str]) -> float:
    """The temperature that suits clips that a fitted estimator was chosen on; 1 without any."""
    if not validation:
        return 1.0
    examples = task.target.examples(validation)
    return clip_temperature(clip_scores(model, examples), examples)
