"""What a protocol works on, and how an estimator is fitted on the clips that it picks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from faunashot.data import Folds
from faunashot.data.splits import Splits
from faunashot.errors import ParameterError
from faunashot.estimators.base import Estimator, LearningSet, TrainingContext, columns
from faunashot.estimators.examples import Examples, FloatArray
from faunashot.features.extractors import FRONT_END
from faunashot.features.names import BY
from faunashot.progress import tracked
from faunashot.protocols.support.design import Design
from faunashot.protocols.support.table import WindowTable, joined
from faunashot.systems.catalogue import System

if TYPE_CHECKING:
    from faunashot.estimators.head import Head


@dataclass(frozen=True)
class Training:
    """What training a whole network needs beside its clips.

    Attributes
    ----------
    backbone : callable, optional
        Loads what `TrainingContext.backbone` says.
    checkpoints : path, optional
        Folder of the checkpoints; none are kept if not given.
    on_epoch : callable
        Is told the name of what is trained, such as the fold that is tested, and the facts of the
        epoch.
    noise : callable
        Loads the features of recordings of noise, shape (N, dim), or None where there are none.
    """

    backbone: Callable[[], Any] | None = None
    checkpoints: Path | None = None
    on_epoch: Callable[[str, Mapping[str, Any]], None] = field(default=lambda name, facts: None)
    noise: Callable[[], npt.NDArray[np.float32] | None] = field(default=lambda: None)

    def context(self, name: str) -> TrainingContext:
        """The context of one training; its checkpoint is called `name`."""
        folder = self.checkpoints
        return TrainingContext(
            backbone=self.backbone,
            checkpoint=None if folder is None else folder / f"{name}.npz",
            on_epoch=lambda facts: self.on_epoch(name, facts),
            noise=self.noise,
        )


class Learn(NamedTuple):
    """Clip ids that one estimator learns from.

    Attributes
    ----------
    labelled, validation : sequence of str
        Clips of the target to learn from and to choose on.
    source, unlabelled : sequence of str
        Clips of the source, and of the target without their labels.
    balanced : bool
        Whether a class of fewer clips weighs as much as one of more.
    name : str
        Of the training, for its checkpoint.
    """

    labelled: Sequence[str]
    source: Sequence[str] = ()
    unlabelled: Sequence[str] = ()
    validation: Sequence[str] = ()
    balanced: bool = False
    name: str = ""


@dataclass(frozen=True)
class Task:
    """What a protocol works on.

    Attributes
    ----------
    target : WindowTable
        The corpus that is scored.
    source : WindowTable
        The corpus that may be learned from beside it; may hold no clips.
    system : System
        What learns.
    seed : int
        Of everything that is drawn.
    folds : str
        How the corpus is split, see `faunashot.data.splits.Splits`.
    transfer : "joint", "sequential" or "background"
        The source's classes are learned beside the target's; or a head is fitted on the source
        first, and its outputs join the features; or the source is no class: it says what a
        recording of none of the classes sounds like.
    training : Training
        Where the system trains a whole network.
    test_conditions : mapping of str to WindowTable
        The clips of the target as they are under other conditions, by name: scored beside them,
        learned from nowhere.
    backbone : callable, optional
        Loads the backbone that made the features, for what asks it for scores of its own classes.
    """

    target: WindowTable
    source: WindowTable
    system: System
    seed: int
    folds: Folds = "official"
    transfer: str = "joint"
    training: Training = field(default_factory=Training)
    test_conditions: Mapping[str, WindowTable] = field(default_factory=dict)
    backbone: Callable[[], Any] | None = None

    @property
    def kind(self) -> type[Estimator]:
        """The class of the system's estimator."""
        return self.system.estimator_class

    @cached_property
    def design(self) -> Design:
        """What of the task is known without features."""
        tables = self.target.clips, self.source.clips
        return Design(
            *tables,
            system=self.system,
            seed=self.seed,
            folds=self.folds,
            transfer=self.transfer,
        )

    @property
    def learns_source(self) -> bool:
        """Whether an estimator learns from the source."""
        return self.design.learns_source

    def without_source(self) -> Task:
        """The same task on the target alone."""
        return replace(self, source=self.source.none())

    def splits(self) -> Splits:
        """Splits of the target."""
        return self.design.splits

    def estimator(self, **settings: Any) -> Estimator:
        """An unfitted estimator, with the system's settings where none are given.

        Raises
        ------
        ParameterError
            The features are not those that the system reads.
        """
        spec = self.target.spec
        if self.system.features == FRONT_END and spec.layer != FRONT_END:
            raise ParameterError(
                f"system: {self.system.name} trains the layers of a backbone, and reads its layer "
                f"{FRONT_END}, not those of {'.'.join(filter(None, (spec.backbone, spec.layer)))}"
            )
        self.system.refuse(BY.join(dict.fromkeys(spec.backbone.split(BY))))  # of joined layers one
        return self.system.estimator(seed=self.seed, blocks=self.target.blocks, **settings)

    def fit(self, sets: Sequence[Learn], **settings: Any) -> Iterator[Estimator]:
        """Estimators fitted on clips, one a set, many at once where they can; as they are ready."""
        if self.kind.takes_source and self.learns_source and self.transfer == "sequential":
            settings["source_head"] = self.source_head
        estimators = [self.estimator(**settings) for _ in sets]
        fitted = self.kind.fit_many(estimators, _Sets(self._learning_set, sets))
        return tracked(fitted, f"learning {self.system.name}", total=len(sets))

    @cached_property
    def source_head(self) -> Head:
        """The head that knows the source alone.

        Raises
        ------
        ParameterError
            The system has no head.
        """
        from faunashot.estimators.head import Head

        alone = replace(self.system, windows_per_clip=0)  # of a whole corpus, means say enough
        head = alone.estimator(seed=self.seed, blocks=self.target.blocks)
        if not isinstance(head, Head) or not head.takes_source:
            raise ParameterError(f"source: {self.system.name} has no head to learn it with")
        every = self.source.examples(self.source.clips["clip_id"].tolist())
        return head.fit(replace(every, groups=np.asarray(every.clip_ids)))

    def _learning_set(self, one: Learn) -> LearningSet:
        target = self.target
        if one.source and self.transfer == "joint":
            train = self._joined.examples_at(
                np.concatenate(
                    [target.at(one.labelled), len(target.clips) + self.source.at(one.source)]
                )
            )
            of_target = np.arange(len(train)) < len(one.labelled)
        else:
            train = target.examples(one.labelled)
            of_target = np.ones(len(train), dtype=bool)
        weights = None
        if one.balanced and not target.multi_label:
            _, of, counts = np.unique(
                train.labels[of_target], return_inverse=True, return_counts=True
            )
            weights = np.ones(len(train))
            weights[of_target] = counts.max() / counts[of]
        return LearningSet(
            replace(train, clip_weights=weights, of_target=of_target),
            unlabelled=target.examples(one.unlabelled) if one.unlabelled else None,
            validation=target.examples(one.validation) if one.validation else None,
            context=self.training.context(one.name),
        )

    @cached_property
    def _joined(self) -> WindowTable:
        return joined(self.target, self.source)


class _Sets(Sequence[LearningSet]):
    """Learning sets that are made when they are read: of a large corpus each is much."""

    def __init__(self, make: Callable[[Learn], LearningSet], learns: Sequence[Learn]) -> None:
        self._make, self._learns = make, learns

    def __len__(self) -> int:
        return len(self._learns)

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, slice):
            return _Sets(self._make, self._learns[at])
        return self._make(self._learns[at])


def clip_scores(model: Estimator, examples: Examples) -> FloatArray:
    """Scores of the classes of `examples` in each of their clips, (n, C), not tempered."""
    scores = model.predict_clips(examples)
    return columns(scores, model.classes_, examples.classes, multi_label=examples.multi_label)
