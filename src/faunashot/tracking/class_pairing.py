"""Runs against one another class by class, on the classes and clips that both have scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from faunashot.errors import TrackingError
from faunashot.evaluation.class_pairs import A, B, class_pairs
from faunashot.evaluation.decisions import Decisions
from faunashot.evaluation.scored import OF_SCORES
from faunashot.evaluation.summary import DIGITS
from faunashot.targets import join_names, names_of
from faunashot.tracking.pairing import ScoredRun, pair
from faunashot.wording import records


@dataclass(frozen=True)
class ClassComparison:
    """A run and the one that it is compared with, class by class.

    Attributes
    ----------
    experiment, against : str
        Names of the two.
    classes, overall : list of dict
        Rows of `class_pairs.ClassPairs`, JSON-ready; ``a`` is the experiment, ``b`` what it is
        compared with.
    pairing : str
        Which clips are paired.
    left_out : list of str
        What either run has that the other has not, in sentences.
    """

    experiment: str
    against: str
    classes: list[dict[str, Any]]
    overall: list[dict[str, Any]]
    pairing: str
    left_out: list[str]

    def points(self) -> pd.DataFrame:
        """What `plots.class_effect.class_effect_figure` draws of both."""
        table = pd.DataFrame(self.classes)
        occurs = table[table["clips"] > 0]
        parts = []
        for side, name in ((B, self.against), (A, self.experiment)):
            drawn = occurs[["label", "clips"]].assign(system=name)
            for end in ("", "_low", "_high"):
                drawn[f"{OF_SCORES}{end}"] = occurs[f"{side}{end}"].astype(float)
            parts.append(drawn)
        return pd.concat(parts, ignore_index=True)


def by_class(runs: Sequence[ScoredRun]) -> list[ClassComparison]:
    """Every run against the first, such as specialised models against a general one.

    Both are restricted to the classes and the clips that both have scored. The scores of a clip
    that may carry several labels stay as they are; of one label a clip those of the shared classes
    are made to sum to 1.

    Raises
    ------
    TrackingError
        They share no class or no clip, or say something else of a clip.
    """
    first, *others = runs
    return [_compared(run, first) for run in others]


def _compared(run: ScoredRun, first: ScoredRun) -> ClassComparison:
    shared = sorted(set(run.classes) & set(first.classes))
    if not shared:
        raise TrackingError(f"{first.name} and {run.name} share no class")
    multi_label = run.multi_label or first.multi_label
    kept = [_restricted(one, shared, multi_label=multi_label) for one in (run, first)]
    both = set.intersection(*({*one.predictions["clip_id"]} for one in kept))
    if not both:
        raise TrackingError(f"{first.name} and {run.name} have scored no clip that is the same")
    kept = [
        replace(one, predictions=one.predictions[one.predictions["clip_id"].isin(both)])
        for one in kept
    ]
    paired = pair(kept[0], kept[1], of_one_corpus=False)
    found = class_pairs(paired.run, paired.less, shared, multi_label=multi_label)
    left_out = [
        sentence
        for one in (run, first)
        for sentence in _left_out(one, shared, len({*one.predictions["clip_id"]} - both))
    ]
    return ClassComparison(
        run.name,
        first.name,
        records(found.of_classes.round(DIGITS)),
        records(found.overall.round(DIGITS)),
        paired.what,
        left_out,
    )


def _restricted(run: ScoredRun, classes: Sequence[str], *, multi_label: bool) -> ScoredRun:
    """The run's predictions of some classes; of one label a clip only clips of those."""
    table = run.predictions
    if multi_label:
        names = (names_of(label, multi_label=True) for label in table["label"])
        table = table.assign(label=[join_names(set(of) & set(classes)) for of in names])
    else:
        table = table[table["label"].isin(classes)]
    others = [f"p_{name}" for name in run.classes if name not in classes]
    decide = Decisions(classes, multi_label=multi_label)
    return replace(run, predictions=decide.clips(table.drop(columns=others)))


def _left_out(run: ScoredRun, shared: Sequence[str], clips: int) -> list[str]:
    others = sorted(set(run.classes) - set(shared))
    said = []
    if others:
        said.append(f"classes that {run.name} alone knows: {len(others)}, such as {others[0]}")
    if clips:
        said.append(f"clips that {run.name} alone has scored: {clips}")
    return said
