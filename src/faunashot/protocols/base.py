"""What a protocol gets, and what it hands on: scores of clips that were held out."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed

from faunashot.data.splits import Splits
from faunashot.errors import ParameterError, SplitError
from faunashot.estimators.heads.base import Head, fit_heads, make_head
from faunashot.estimators.heads.logistic import Support
from faunashot.estimators.temperature import fit_temperature
from faunashot.estimators.unknown import Novelty
from faunashot.protocols.table import WindowTable
from faunashot.systems.catalogue import System

if TYPE_CHECKING:
    from faunashot.estimators.training.classifier import NetworkClassifier


@dataclass(frozen=True)
class TrainingContext:
    """What training a whole network needs beside its windows.

    Attributes
    ----------
    backbone : loads the pretrained network, where the system trains one.
    checkpoints : folder of the checkpoints, none are kept if not given.
    on_epoch : is told the name of the fold that is tested, and the facts of the epoch.
    noise : loads the features of recordings of noise, (N, dim); there may be none.
    """

    backbone: Callable[[], Any] | None = None
    checkpoints: Path | None = None
    on_epoch: Callable[[str, dict[str, Any]], None] = lambda fold, facts: None
    noise: Callable[[], npt.NDArray[np.float32] | None] = lambda: None


class Learn(NamedTuple):
    """Clip ids that one head learns from: labelled, of the source, and without their labels.

    Where it is `balanced`, a class of fewer clips weighs as much as one of more.
    """

    labelled: Sequence[str]
    source: Sequence[str] = ()
    unlabelled: Sequence[str] = ()
    balanced: bool = False


@dataclass(frozen=True)
class Task:
    """What a protocol works on.

    Attributes
    ----------
    target : the corpus that is scored.
    source : the corpus that may be learned from beside it; may hold no clips.
    system : head, settings, grid and steps.
    seed : of everything that is drawn.
    official : False to make folds even where the corpus has its own.
    transfer : "joint", the source's classes are learned beside the target's; "sequential", a
        head is fitted on the source first, and its outputs join the embedding; "background", the
        source is no class: it says what a recording of none of the classes sounds like.
    tuning : where the system trains a whole network.
    heard : the clips of the target as they are heard under other conditions, by name: scored
        beside them, learned from nowhere.
    """

    target: WindowTable
    source: WindowTable
    system: System
    seed: int
    official: bool = True
    transfer: str = "joint"
    tuning: TrainingContext | None = None
    heard: Mapping[str, WindowTable] = field(default_factory=dict)

    @property
    def learns_source(self) -> bool:
        """Whether a head learns from the source."""
        return bool(len(self.source.clips)) and self.transfer != "background"

    def without_source(self) -> Task:
        """The same task on the target alone."""
        return replace(self, source=self.source.none())

    def splits(self) -> Splits:
        """Splits of the target."""
        return Splits(self.target.clips, seed=self.seed, official=self.official)

    def refuse_unlearnable(self, splits: Splits) -> None:
        """Raise `SplitError` where a class is scored that no training clip is of."""
        for split in splits:
            lost = set(self.target.labels(split.test)) - set(self.target.labels(split.learnable))
            if lost:
                raise SplitError(
                    f"fold {split.name}: class {sorted(lost)[0]} is absent from the other folds, "
                    "so it cannot be learned; leave it out of the corpus' classes, or use "
                    "protocol.folds=grouped"
                )

    def head(self, **settings: Any) -> Head:
        """An unfitted head, with the system's settings where none are given."""
        return make_head(
            self.system.head,
            seed=self.seed,
            fit_steps_on=self.system.fit_steps_on,
            blocks=self.target.blocks,
            **{"steps": self.system.steps, **self.system.settings, **settings},
        )

    def fit(self, sets: Sequence[Learn], **settings: Any) -> list[Head]:
        """Heads fitted on clips, one a set, many at once where the head can."""
        heads = [self.head(**settings) for _ in sets]
        if self.learns_source and self.transfer == "sequential":
            for head in heads:
                head.before = self.source_head
        half = (len(sets) + 1) // 2  # dealt to two threads in the same way on every machine
        fit = delayed(fit_heads)
        Parallel(n_jobs=2, backend="threading")(
            fit(heads[part], map(self._support, sets[part]), alike=map(self._rows, sets[part]))
            for part in (slice(half), slice(half, None))
            if heads[part]
        )
        return heads

    def tuned(
        self, train: Sequence[str], validation: Sequence[str], *, name: str, **settings: Any
    ) -> NetworkClassifier:
        """The network, trained on the windows of clips; `name` is of its checkpoint.

        Raises
        ------
        ParameterError
            The features are not what the network reads.
        """
        from faunashot.estimators.base import TrainingContext as Context
        from faunashot.estimators.training.classifier import classifier

        tuning, system = self.tuning, self.system
        if tuning is None or system.reads not in ("", self.target.maker.backbone):
            raise ParameterError(
                f"system: {system.name} reads the features of {system.reads}, not of "
                f"{self.target.maker.backbone}: set backbone={system.reads}"
            )

        folder = tuning.checkpoints
        network = classifier(system.head)(**{**system.settings, **settings}, seed=self.seed)
        context = Context(
            backbone=tuning.backbone,
            checkpoint=None if folder is None else folder / f"{name}.npz",
            on_epoch=lambda facts: tuning.on_epoch(name, dict(facts)),
            noise=tuning.noise,
        )
        held = self.target.examples(validation) if validation else None
        return network.fit(self.target.examples(train), validation=held, context=context)

    @cached_property
    def source_head(self) -> Head:
        """The head that knows the source alone."""
        every = self.source.clips["clip_id"].tolist()
        return self.head().fit(self.source.means(every), self.source.labels(every))

    def _rows(self, one: Learn) -> Hashable:
        """What rows a support is of, whichever of them are labelled."""
        learned = one.source if self.transfer == "joint" else ()
        return frozenset((*one.labelled, *one.unlabelled)), frozenset(learned)

    def _support(self, one: Learn) -> Support:
        learned = [(self.target, one.labelled)]
        if one.source and self.transfer == "joint":
            learned.append((self.source, one.source))
        X, y, group = (
            np.concatenate([of(table, ids) for table, ids in learned])
            for of in (WindowTable.means, WindowTable.labels, WindowTable.groups)
        )
        of_target = np.arange(len(y)) < len(one.labelled)
        weight = None
        if one.balanced:
            _, of, counts = np.unique(y[of_target], return_inverse=True, return_counts=True)
            weight = np.ones(len(y))
            weight[of_target] = counts.max() / counts[of]
        unlabelled = self.target.means(one.unlabelled) if one.unlabelled else None
        found = Support(X, y, weight, unlabelled, of_target, group=group)
        if self.system.parts:
            parts, part_of = self.target.some(one.labelled, self.system.parts)
            found = found._replace(parts=parts, part_of=part_of)
        return found


def class_temperature(
    table: WindowTable, clip_ids: Sequence[str], scores: npt.NDArray[np.float64]
) -> float:
    """Temperature under which scores of whole clips, (n, C), are the most likely."""
    truth = np.searchsorted(np.asarray(table.classes), table.labels(clip_ids))
    n = len(clip_ids)
    return fit_temperature(scores, np.arange(n), weight=np.ones(n), truth=truth)


class Rotation(NamedTuple):
    """What one head, of those scored at the headline k, learned from, and what it was tested on."""

    episode: int
    learned: Sequence[str]
    tested: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What a protocol hands on.

    Attributes
    ----------
    held_out : scores of clips that the head had not seen, or of their windows; columns k (labelled
        clips a class), episode (-1 where nothing is drawn), fold, temperature (that the scores
        were tempered by; or not there) and those of `WindowTable.held_out`.
    classes : target classes, in the order of the ``p_`` columns.
    headline_k : the k whose figures are the run's.
    head : fitted head to be served; takes the embedding of a clip, embeddings of windows, or the
        backbone's own scores of windows.
    takes : "clips", "windows" or "scores".
    temperature : that `head` was tempered by: ``value``, and ``clips``, how many it was fitted on;
        empty where it was not.
    windows : scores of windows at the headline k, where `held_out` has those of whole clips.
    heard : the same as `held_out` under each of the task's other conditions, by name.
    rotations : of the heads that `held_out` was scored by, where they learn from clips.
    novelty : detector of recordings of none of the classes, where there is one.
    unknown : its scores of held-out clips, less the threshold: columns clip_id, group, known,
        score, correct.
    facts : what else is worth saying, JSON-ready.
    notes : one line each, for the person who runs it.
    """

    held_out: pd.DataFrame
    classes: list[str]
    headline_k: int
    head: Any
    takes: str = "clips"
    temperature: dict[str, float] = field(default_factory=dict)
    windows: pd.DataFrame | None = None
    heard: dict[str, pd.DataFrame] = field(default_factory=dict)
    rotations: list[Rotation] = field(default_factory=list)
    novelty: Novelty | None = None
    unknown: pd.DataFrame | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
