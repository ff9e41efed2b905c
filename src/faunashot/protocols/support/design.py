"""What is known of a run before anything is embedded: its clips, how they are split, the system."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from faunashot.data import Folds
from faunashot.data.labels import clips_a_class
from faunashot.data.splits import Splits
from faunashot.errors import ParameterError
from faunashot.estimators.base import Estimator
from faunashot.systems.catalogue import System


@dataclass(frozen=True)
class Design:
    """An experiment as far as the tables of its corpora tell.

    Attributes
    ----------
    clips, source : DataFrame
        Of the corpus that is scored, and of the one that may be learned from beside it: columns
        clip_id, label, fold, group, and ``multi_label`` where clips carry several classes.
    system : System
        What learns.
    seed : int
        Of folds that are made.
    folds : str
        How the corpus is split, see `faunashot.data.splits.Splits`.
    transfer : "joint", "sequential" or "background"
        What the source is.
    """

    clips: pd.DataFrame
    source: pd.DataFrame
    system: System
    seed: int
    folds: Folds = "official"
    transfer: str = "joint"

    @property
    def kind(self) -> type[Estimator]:
        """The class of the system's estimator."""
        return self.system.estimator_class

    @property
    def learns_source(self) -> bool:
        """Whether an estimator learns from the source."""
        return bool(len(self.source)) and self.transfer != "background"

    @cached_property
    def splits(self) -> Splits:
        """Splits of the corpus that is scored."""
        return Splits(self.clips, seed=self.seed, folds=self.folds)

    @cached_property
    def learnable(self) -> dict[str, int]:
        """Clips of each class that can be learned from: the fewest that a test fold leaves."""
        learned = [self.clips["clip_id"].isin(split.learnable) for split in self.splits]
        counts = [clips_a_class(self.clips[of_split]) for of_split in learned]
        return {
            name: min(of_split.get(name, 0) for of_split in counts)
            for name in clips_a_class(self.clips)
        }

    def refuse_unlearnable(self) -> None:
        """Raise where the system cannot learn the corpus that is scored.

        Raises
        ------
        ParameterError
            Clips carry several classes, and the system learns one.
        SplitError
            A class is absent from the training folds of a test fold.
        """
        learns_several = all(kind.multi_label for kind in self.system.estimator_classes)
        if self.splits.multi_label and not learns_several:
            raise ParameterError(
                f"system: {self.system.name} learns one label a clip, and clips of this corpus "
                "carry several: use another, such as logistic or lightgbm"
            )
        self.splits.refuse_unlearnable()
