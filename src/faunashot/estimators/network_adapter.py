"""Networks that do not keep the contract of estimators themselves, put behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from faunashot.estimators.base import Estimator, Level, TrainingContext
from faunashot.estimators.examples import Examples, Scores
from faunashot.estimators.pooling import pool


@cache
def adapted(classifier: Any) -> type[Estimator]:
    """The estimator that a network's classifier is."""

    class Adapted(Estimator):
        """A network on windows, whose probabilities are averaged."""

        KIND = classifier.KIND
        level: ClassVar[Level] = "window"
        uses_validation = True
        threads = "threads"

        def __init__(self, network: Any = None, **settings: Any) -> None:
            self.model = classifier(**settings) if not isinstance(network, classifier) else network
            if isinstance(network, str):
                self.model = classifier(network=network, **settings)

        def fit(
            self,
            train: Examples,
            *,
            unlabelled: Examples | None = None,
            validation: Examples | None = None,
            context: TrainingContext | None = None,
        ) -> Self:
            """Train the network."""
            told = context or TrainingContext()
            initial = None if told.backbone is None else told.backbone()
            needs = {"noise": told.noise(), "initial": initial}
            self.model.fit(
                *_windows(train),
                validation=None if validation is None else _windows(validation),
                checkpoint=told.checkpoint,
                on_epoch=told.on_epoch,
                **{classifier.NEEDS: needs[classifier.NEEDS]},
            )
            self.classes_ = self.model.classes_
            return self

        def predict(self, examples: Examples) -> Scores:
            """Scores of windows, and of clips their mean."""
            names = tuple(str(name) for name in self.model.classes_)
            windows = self.model.predict_proba(examples.windows())
            if names != examples.classes:
                from faunashot.estimators.base import columns

                windows, names = columns(windows, names, examples.classes), examples.classes
            return Scores(names, windows, pool(windows, examples))

        def chosen(self) -> dict[str, Any]:
            """What the validation clips chose."""
            found: dict[str, Any] = self.model.chosen()
            return found

        @classmethod
        def settled(cls, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
            """What several fits have settled on."""
            found: dict[str, Any] | None = classifier.settled(chosen)
            return found

        def cost(self) -> dict[str, int]:
            """Parameters and multiply-adds."""
            found: dict[str, int] = self.model.cost()
            return found

        def save(self, folder: Path) -> None:
            """Write the network."""
            self.model.save(folder)

        @classmethod
        def load(cls, folder: Path) -> Self:
            """Load what `save` wrote."""
            found = cls(classifier.load(folder))
            found.classes_ = found.model.classes_
            return found

    return Adapted


def _windows(examples: Examples) -> Any:
    from faunashot.estimators.networks.windows import Windows

    ids = np.repeat(np.asarray(examples.clip_ids), examples.counts)
    labels = examples.labels[examples.clip_of]
    return Windows(examples.windows(), labels, examples.coverage, ids)
