"""k labelled clips a class from the training folds, scored on the whole test fold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd
from pydantic import Field

from faunashot import options
from faunashot.data.draws import draw_support
from faunashot.data.splits import Split, held_back
from faunashot.errors import ParameterError
from faunashot.estimators.base import Estimator
from faunashot.estimators.calibration import clip_temperature
from faunashot.protocols.base import Outcome, Protocol, Rotation
from faunashot.protocols.support.design import Design
from faunashot.protocols.support.scoring import (
    Scored,
    labelled_range,
    scored,
    together,
    validated_temperature,
)
from faunashot.protocols.support.task import Learn, Task, clip_scores
from faunashot.protocols.support.thresholds import validated_thresholds
from faunashot.systems.record import Temperature

FINAL = 2**31 - 1
"""Episode number that seeds the draw of what is served."""

CALIBRATION_FOLDS = 5
"""Parts of a support, each scored by a head on the others, that the temperature is fitted on."""

Count = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Episode:
    """One draw of labelled clips.

    Attributes
    ----------
    number : int
    split : Split
    pool : tuple of str
        Clips of the training side, drawn from; what is not drawn is known without its label.
    support : dict of list of str
        Clips of each class in drawn order, as many as the largest k.
    source : list of str
        Clips of the source corpus that are learned jointly.
    """

    number: int
    split: Split
    pool: tuple[str, ...]
    support: dict[str, list[str]]
    source: list[str]

    def labelled(self, k: int) -> list[str]:
        """The first k clips of each class."""
        return list(dict.fromkeys(i for ids in self.support.values() for i in ids[:k]))

    def learn(self, k: int) -> Learn:
        """What an estimator learns from at k that chooses nothing."""
        labelled = self.labelled(k)
        known = set(labelled)
        unlabelled = [i for i in self.pool if i not in known]
        return Learn(labelled, self.source, unlabelled, balanced=True)

    def learn_and_choose(self, k: int, clips: pd.DataFrame, *, seed: int) -> Learn:
        """The same where a fifth of the labelled clips is held back to choose on."""
        labelled = clips[clips["clip_id"].isin(self.labelled(k))]
        train, validation = held_back(labelled, seed=seed)
        return Learn(train, validation=validation, name=f"{self.number}-k{k}")


class FewShot(Protocol):
    """Supports drawn over the test folds in turn; every k is scored on each.

    The support for a smaller k is part of that for a larger one, so figures along the curve, and
    of two systems with one seed, are paired. Under joint transfer clips of the source corpus are
    learned as further classes, and left out when the target's classes are scored. Of an estimator
    that chooses on validation clips a fifth of each support is held back for that.
    """

    class Options(options.Options):
        """Settings of the protocol.

        Attributes
        ----------
        k_values : tuple of int
            Further numbers of labelled clips a class: the curve.
        episodes : int
            Draws.
        source_clips : int
            Clips a class of the source that are learned jointly.
        """

        k_values: tuple[Count, ...] = ()
        episodes: int = Field(20, ge=2)
        source_clips: Count = 10

    def run(self, task: Task) -> Outcome:
        """Draw, learn and score.

        Raises
        ------
        ParameterError, SplitError
            See `refuse`.
        """
        self.refuse(task.design)
        splits, counts = task.splits(), task.design.learnable
        k_values, left_out = self._k_values(task)
        each = [self.draw(task, splits.split(n), n) for n in range(self.settings.episodes)]
        of_k = {k: self._scored(task, each, k) for k in k_values}
        every = together(list(of_k.values()))
        final = self.draw(task, None, FINAL)
        (learn,) = self._learn(task, [final], self.k)
        (model,) = task.fit([learn])
        (pairs,) = self._left_out(task, [final], self.k)
        if pairs is None:
            pairs = [(model, list(learn.validation))]
            temperature = validated_temperature(task, model, learn.validation)
        else:
            temperature = _temperature(task, pairs)
        learned = [*learn.labelled, *learn.validation]
        tempered_on = learn.validation if task.kind.uses_validation else learned
        whole = task.kind.level == "clip"
        return Outcome(
            held_out=every.clips,
            windows=of_k[self.k].windows,
            classes=task.target.classes,
            headline_k=self.k,
            estimator=model,
            multi_label=task.target.multi_label,
            temperature=Temperature(value=temperature, clips=len(tempered_on)),
            thresholds=validated_thresholds(task, pairs, temperature=temperature),
            test_conditions=every.test_conditions,
            rotations=[Rotation(e.number, e.labelled(self.k), e.split.test) for e in each if whole],
            learned_from=learned,
            facts={"episodes": self.settings.episodes, "test_folds": len(splits)},
            notes=[*splits.notes, *notes(counts, k_values), *left_out],
        )

    def refuse(self, design: Design) -> None:
        """Raise where the tables of the corpora tell that this cannot be run.

        Raises
        ------
        ParameterError
            A class has fewer than k clips to learn from, k is less than the system needs, or there
            is a source that it cannot learn.
        SplitError
            A class is absent from the training folds of a test fold.
        """
        if design.learns_source and not design.kind.takes_source:
            raise ParameterError(
                f"source: {design.system.name} learns from the corpus that is scored alone; set "
                "source=none"
            )
        least_k = design.kind.least_k
        if self.k < least_k:
            raise ParameterError(
                f"protocol.k: {self.k}; {design.system.name} needs {least_k} labelled clips a "
                "class or more"
            )
        design.refuse_unlearnable()
        counts = design.learnable
        label = min(counts, key=lambda name: counts[name])
        if counts[label] < least_k:
            raise ParameterError(
                f"system: {design.system.name} needs {least_k} labelled clips a class, and class "
                f"{label} has {counts[label]} to learn from beside its test fold; set another, "
                f"such as system=logistic, and protocol.k={counts[label]}"
            )
        if counts[label] < self.k:
            further = (
                ", and put a larger k into protocols.few_shot.k_values, where such a class is "
                "learned from all of them"
            )
            raise ParameterError(
                f"protocol.k: {self.k}, but class {label} has {counts[label]} clips to learn from "
                f"beside its test fold; set protocol.k={counts[label]}"
                + (further if max(counts.values()) > counts[label] else "")
            )

    def _k_values(self, task: Task) -> tuple[list[int], list[str]]:
        """Every k that is scored, and a line for each that is not."""
        least, most = task.kind.least_k, max(task.design.learnable.values())
        every_k = sorted({*self.settings.k_values, self.k})
        too_few = f"{task.system.name} needs {least} clips a class"
        too_many = f"no class has more than {most} clips to learn from"
        return [k for k in every_k if least <= k <= most], [
            f"k = {k} is left out: {too_few if k < least else too_many}"
            for k in every_k
            if not least <= k <= most
        ]

    def draw(self, task: Task, split: Split | None, number: int) -> Episode:
        """The draw of an episode; without a split, from all clips."""
        rng = np.random.default_rng([task.seed, number])
        clips = task.target.clips
        if split is not None:
            clips = clips[clips["clip_id"].isin(split.learnable)]
        most = max([*self.settings.k_values, self.k])
        support = draw_support(clips, most, rng=rng)
        drawn = draw_support(task.source.clips, self.settings.source_clips, rng=rng)
        source = [i for ids in drawn.values() for i in ids]
        nowhere = Split("all", (), (), ())
        return Episode(number, split or nowhere, tuple(clips["clip_id"]), support, source)

    def _learn(self, task: Task, episodes: Sequence[Episode], k: int) -> list[Learn]:
        if task.kind.uses_validation:
            clips = task.target.clips
            return [e.learn_and_choose(k, clips, seed=task.seed) for e in episodes]
        return [episode.learn(k) for episode in episodes]

    def _scored(self, task: Task, episodes: Sequence[Episode], k: int) -> Scored:
        """Scores of the test clips of each episode at k, of their windows at the headline k."""
        learns, parts = self._learn(task, episodes, k), []
        models = task.fit(learns)
        temperatures = self._temperatures(task, episodes, k)
        for episode, learn, model, temperature in zip(
            episodes, learns, models, temperatures, strict=True
        ):
            if temperature is None:
                temperature = validated_temperature(task, model, learn.validation)
            where: dict[str, Any] = {
                "k": k,
                **labelled_range(task, episode.labelled(k)),
                "episode": episode.number,
                "fold": episode.split.name,
            }
            parts.append(
                scored(
                    task,
                    model,
                    episode.split.test,
                    temperature=temperature,
                    windows=k == self.k,
                    **where,
                )
            )
        return together(parts)

    def _temperatures(self, task: Task, episodes: Sequence[Episode], k: int) -> list[float | None]:
        """Temperature of each episode, from its own labelled clips: no others are known.

        None where clips are held back, which say it of each fitted estimator.
        """
        return [
            None if pairs is None else _temperature(task, pairs)
            for pairs in self._left_out(task, episodes, k)
        ]

    def _left_out(
        self, task: Task, episodes: Sequence[Episode], k: int
    ) -> list[list[tuple[Estimator, list[str]]] | None]:
        """Heads on parts of each episode's support, each with the clips that it did not learn.

        Each part of the support is left out by a head on the rest, clips of one recording together.
        With one clip a class there is no rest: none, as beside the headline k, whose figures are
        not about confidence. None in place of a list where clips are held back.
        """
        if task.kind.uses_validation:
            return [None] * len(episodes)
        parts = min(k, CALIBRATION_FOLDS)
        if parts < 2 or k != self.k:
            return [[] for _ in episodes]
        sets, left_out = [], []
        for episode in episodes:
            for learn, out in _without_part(task, episode, k, parts=parts):
                sets.append(learn)
                left_out.append(out)
        models: list[Estimator] = list(task.fit(sets))
        every = [(m, ids) for m, ids in zip(models, left_out, strict=True)]
        spans = [every[at * parts : (at + 1) * parts] for at in range(len(episodes))]
        return [[pair for pair in span if pair[1]] for span in spans]


def _temperature(task: Task, pairs: Sequence[tuple[Estimator, Sequence[str]]]) -> float:
    """The temperature that suits clips that heads did not learn; 1 where there are none."""
    if not pairs:
        return 1.0
    scores = [clip_scores(model, task.target.examples(ids)) for model, ids in pairs]
    ids = [clip_id for _, of_part in pairs for clip_id in of_part]
    return clip_temperature(np.concatenate(scores), task.target.examples(ids))


def _without_part(
    task: Task, episode: Episode, k: int, *, parts: int
) -> list[tuple[Learn, list[str]]]:
    """Of each part of a support what is learned without it, and the clips of it that are scored."""
    table, learn = task.target, episode.learn(k)
    drawn = [ids[:k] for ids in episode.support.values()]
    numbers = [pd.factorize(table.groups(ids))[0] % parts for ids in drawn]
    found = []
    for part in range(parts):
        out = {i for ids, n in zip(drawn, numbers, strict=True) for i in np.array(ids)[n == part]}
        kept = [i for i in learn.labelled if i not in out]
        # a class of one clip has no other part to learn from: it stays
        lost = table.classes_of(sorted(out)) - table.classes_of(kept)
        kept += [i for i in sorted(out) if table.classes_of([i]) & lost]
        found.append((learn._replace(labelled=kept), sorted(out - set(kept))))
    return found


def notes(counts: dict[str, int], k_values: Sequence[int]) -> list[str]:
    """One line a class that has fewer clips to learn from than are asked for."""
    return [
        f"class {label}: {n} clips to learn from, fewer than k = {max(k_values)}; "
        "for a larger k all of them are used"
        for label, n in counts.items()
        if n < max(k_values)
    ]
