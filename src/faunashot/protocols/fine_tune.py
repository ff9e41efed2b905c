"""All training folds: a head on features, or a network itself, end to end.

What can be chosen (settings, the epoch or round to stop at, how to pool, the temperature) is chosen
on the validation fold, in every rotation anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from faunashot.data.splits import Split, held_back
from faunashot.estimators.base import Estimator
from faunashot.estimators.calibration import clip_temperature
from faunashot.estimators.examples import Examples, FloatArray
from faunashot.estimators.pooling import mean_average_precision
from faunashot.protocols.base import Outcome, Protocol, Rotation
from faunashot.protocols.support.design import Design
from faunashot.protocols.support.scoring import Scored, labelled_range, scored, together
from faunashot.protocols.support.task import Learn, Task, clip_scores
from faunashot.protocols.support.thresholds import fit_thresholds, highest_scores
from faunashot.systems.record import ClassThreshold, Temperature


class FineTune(Protocol):
    """Folds rotated: learn on three, choose on one, score the fifth."""

    scores_every_fold = True

    def run(self, task: Task) -> Outcome:
        """Choose, learn and score in each rotation, then learn from all clips what is served.

        Raises
        ------
        ParameterError, SplitError
            See `refuse`.
        """
        self.refuse(task.design)
        each = list(task.splits())
        k = _clips_a_class(task, each)
        found = task.of_each(each, lambda split: held_out(task, split, k=k))
        chosen = [{"fold": s.name, **of.facts} for s, of in zip(each, found, strict=True)]
        every = together([of.scored for of in found])
        model, served = _served(task, chosen)
        temperature = float(np.median([facts["temperature"] for facts in chosen]))
        whole = task.kind.level == "clip"
        return Outcome(
            held_out=every.clips,
            windows=every.windows,
            classes=task.target.classes,
            headline_k=k,
            estimator=model,
            multi_label=task.target.multi_label,
            temperature=Temperature(value=temperature, clips=sum(len(s.validation) for s in each)),
            thresholds=_thresholds(task, each, found),
            test_conditions=every.test_conditions,
            rotations=[Rotation(-1, s.learnable, s.test) for s in each if whole],
            learned_from=task.target.clips["clip_id"].tolist(),
            facts={"chosen": chosen, "served_with": served},
            notes=[*task.splits().notes, *_notes(task, each)],
        )

    def refuse(self, design: Design) -> None:
        """Raise where the clips cannot be split, or a class cannot be learned."""
        design.refuse_unlearnable()


class HeldOut(NamedTuple):
    """What comes of one split.

    Attributes
    ----------
    scored : Scored
        Its test fold.
    facts : dict
        What was chosen for it.
    validated : ndarray, shape (n, C)
        Highest scores of the clips of its validation fold, see `highest_scores`.
    """

    scored: Scored
    facts: dict[str, Any]
    validated: FloatArray


def held_out(task: Task, split: Split, *, k: int = -1) -> HeldOut:
    """Scores of the test fold of one split, and what was chosen for it."""
    choice = _choose(task, split)
    model = choice.model
    if not task.kind.uses_validation and split.learnable != split.train:
        (model,) = task.fit([Learn(split.learnable)], **choice.settings)
    facts = {"settings": choice.settings, **model.chosen(), "temperature": choice.temperature}
    labelled = labelled_range(task, split.learnable)
    where: dict[str, Any] = {"k": k, **labelled, "episode": -1, "fold": split.name}
    test = scored(task, model, split.test, temperature=choice.temperature, **where)
    return HeldOut(test, facts, choice.validated)


class _Choice(NamedTuple):
    """Settings, an estimator that has them and has not learned the validation fold, temperature.

    `validated` are the highest scores of the clips of that fold, (n, C).
    """

    settings: dict[str, Any]
    model: Estimator
    temperature: float
    validated: FloatArray


def _choose(task: Task, split: Split) -> _Choice:
    """The grid's settings that do best on the validation fold; ties go to the first."""
    validation = split.validation if task.kind.uses_validation else ()
    learn = Learn(split.train, validation=validation, name=split.name)
    if not split.validation:
        settings = dict(task.system.settings)
        (model,) = task.fit([learn], **settings)
        return _Choice(settings, model, 1.0, np.zeros((0, len(task.target.classes))))
    from sklearn.model_selection import ParameterGrid

    examples = task.target.examples(split.validation)
    best: tuple[float, dict[str, Any], Estimator, FloatArray] | None = None
    for settings in ParameterGrid(task.system.grid or {}):
        (model,) = task.fit([learn], **settings)
        scores = clip_scores(model, examples)
        quality = _quality(scores, examples)
        if best is None or quality > best[0]:
            best = quality, {key: settings[key] for key in sorted(settings)}, model, scores
    assert best is not None
    _, chosen, model, scores = best
    temperature = clip_temperature(scores, examples)
    highest = highest_scores(model, examples, temperature=temperature)
    return _Choice(chosen, model, temperature, highest)


def _thresholds(
    task: Task, splits: Sequence[Split], found: Sequence[HeldOut]
) -> dict[str, ClassThreshold]:
    """Thresholds from the validation folds, each scored by what had not learned it."""
    ids = [clip_id for split in splits for clip_id in split.validation]
    if not ids:
        return {}
    scores = np.concatenate([of.validated for of in found])
    return fit_thresholds(scores, task.target.examples(ids).targets, task.target.classes)


def _quality(scores: FloatArray, examples: Examples) -> float:
    """Macro-F1, or the mean average precision where clips carry several labels."""
    from sklearn.metrics import f1_score

    if examples.multi_label:
        return mean_average_precision(scores, examples.targets > 0)
    guess = np.asarray(examples.classes)[scores.argmax(axis=1)]
    return float(f1_score(examples.labels, guess, average="macro", zero_division=0))


def _served(task: Task, chosen: list[dict[str, Any]]) -> tuple[Estimator, dict[str, Any]]:
    """What is served, learned from all clips, and with what.

    Where the rotations settle on nothing, a fifth of the clips is held back, to choose on.
    """
    settings = task.kind.settled(chosen)
    if settings is None:
        train, validation = held_back(task.target.clips, seed=task.seed)
        (model,) = task.fit([Learn(train, validation=validation, name="all")])
        return model, model.chosen()
    (model,) = task.fit([Learn(task.target.clips["clip_id"].tolist(), name="all")], **settings)
    return model, settings


def _clips_a_class(task: Task, splits: Sequence[Split]) -> int:
    counts = task.target.clips_by_class(splits[0].learnable)
    return round(float(np.mean([n for n in counts.values() if n])))


def _notes(task: Task, splits: list[Split]) -> list[str]:
    notes = []
    for split in splits:
        missing = sorted(set(task.target.classes) - task.target.classes_of(split.test))
        if missing:
            notes.append(f"fold {split.name} has no clip of {', '.join(missing)}")
    return notes
