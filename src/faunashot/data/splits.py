"""The one object that makes splits, and refuses those that leak."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from faunashot.data.corpora.base import TEST, TRAIN, VALIDATION
from faunashot.errors import SplitError

N_FOLDS = 5


@dataclass(frozen=True)
class Split:
    """Clip ids to learn from, to choose on, and to score; no group is in two of them.

    Attributes
    ----------
    name : of the test fold.
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    @property
    def learnable(self) -> tuple[str, ...]:
        """Clips that a head may be fitted on once nothing is left to choose."""
        return self.train + self.validation


class Splits:
    """Splits of a corpus: official folds rotated, fixed parts kept, folds made where none are.

    Parameters
    ----------
    clips : columns clip_id, label, fold, group.
    seed : of the folds that are made.
    official : False to make folds over all clips even where the corpus has its own, which is for
        choosing without looking at the published test part; such figures compare with no others.

    Raises
    ------
    SplitError
        The clips give no two sides to learn from and to score, or are of a single class.

    Notes
    -----
    A group whose copies sit in several folds is scored where it is and learned from nowhere else:
    its clips are left out of the training side of every fold that tests one of them.
    """

    def __init__(self, clips: pd.DataFrame, *, seed: int, official: bool = True) -> None:
        self._clips = clips.set_index("clip_id")
        self._seed = seed
        self._fold = self._folds() if official else grouped_folds(self._clips, seed=seed)
        self._names = self._test_folds()
        if self._clips["label"].nunique() < 2:
            only = self._clips["label"].iloc[0]
            raise SplitError(f"all clips are of class {only!r}: there is nothing to tell apart")

    @classmethod
    def leaking_on_purpose(cls, clips: pd.DataFrame, *, seed: int) -> Splits:
        """Shuffled folds that take every clip for a recording of its own: never for a result.

        What figures gain by it over ``Splits(clips, seed=seed, official=False)`` is what the leak
        of source recordings and duplicates would have been worth.
        """
        return cls(clips.assign(group=clips["clip_id"]), seed=seed, official=False)

    def __iter__(self) -> Iterator[Split]:
        """One `Split` a test fold; every clip that is tested is tested once."""
        for at in range(len(self._names)):
            yield self.split(at)

    def __len__(self) -> int:
        return len(self._names)

    def split(self, at: int) -> Split:
        """The split that tests fold number `at`, modulo their count."""
        name = self._names[at % len(self._names)]
        test = self._ids(self._fold == name)
        rest = self._fold != name
        if len(self._names) > 2:
            is_validation = self._fold == self._names[(at + 1) % len(self._names)]
        elif (self._fold == VALIDATION).any():
            is_validation = self._fold == VALIDATION
        else:
            is_validation = self._held_back(rest)
        validation = self._without(self._ids(rest & is_validation), test)
        train = self._without(self._ids(rest & ~is_validation), test + validation)
        split = Split(name, tuple(train), tuple(validation), tuple(test))
        self._refuse_leak(split)
        return split

    def _folds(self) -> pd.Series:
        fold = self._clips["fold"]
        if fold.notna().all() and len(fold):
            return fold
        if fold.notna().any():
            some = fold[fold.isna()].index[0]
            raise SplitError(f"some clips have a fold and others have none, such as {some}")
        return grouped_folds(self._clips, seed=self._seed)

    def _held_back(self, rest: pd.Series) -> pd.Series:
        made = grouped_folds(self._clips[rest], seed=self._seed)
        return (made == "1").reindex(rest.index, fill_value=False)

    def _test_folds(self) -> list[str]:
        names = sorted(set(self._fold), key=lambda f: (len(f), f))
        parts = {TRAIN, VALIDATION, TEST}
        if not set(names) & parts:
            if len(names) < 2:
                raise SplitError(f"all clips are in fold {names[0]!r}: nothing to learn from")
            return names
        if not set(names) <= parts or not {TRAIN, TEST} <= set(names):
            raise SplitError(f"folds {names} are neither numbers nor {TRAIN} and {TEST}")
        return [TEST]

    def _ids(self, mask: pd.Series) -> list[str]:
        return list(self._clips.index[mask])

    def _without(self, ids: Sequence[str], tested: Sequence[str]) -> list[str]:
        taken = set(self._clips.loc[list(tested), "group"])
        return [i for i in ids if self._clips.at[i, "group"] not in taken]

    def _refuse_leak(self, split: Split) -> None:
        refuse_leak(self._clips["group"], [split.train, split.validation, split.test])
        if not split.train:
            raise SplitError(f"fold {split.name}: nothing is left to learn from")
        if not split.test:
            raise SplitError(f"fold {split.name}: nothing is left to score")


def grouped_folds(clips: pd.DataFrame, *, seed: int) -> pd.Series:
    """Names of folds that keep groups together and classes in their proportion, by clip id.

    Parameters
    ----------
    clips : columns label and group, indexed by clip id.
    seed : of the order that groups are dealt in.

    Raises
    ------
    SplitError
        There are fewer than two groups, or no two clips of any class.
    """
    largest_class = max(clips["label"].value_counts(), default=0)
    n = min(N_FOLDS, clips["group"].nunique(), largest_class)
    if n < 2:
        raise SplitError("fewer than two source recordings, or clips of a class, make no folds")
    maker = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    fold = pd.Series("", index=clips.index)
    order = clips.sort_index()
    with warnings.catch_warnings():  # of a class of fewer clips: the protocols note it by name
        warnings.filterwarnings("ignore", message="The least populated class")
        made = list(maker.split(order, order["label"], order["group"]))
    for number, (_, test) in enumerate(made, 1):
        fold[order.index[test]] = str(number)
    return fold


def held_back(clips: pd.DataFrame, *, seed: int) -> tuple[list[str], list[str]]:
    """Clip ids to train on, and a fifth of each class to choose on; no group is in both.

    A class whose recordings would all be held back is trained on instead.

    Parameters
    ----------
    clips : columns clip_id, label, group.
    """
    clips = clips.set_index("clip_id")
    back = grouped_folds(clips, seed=seed) == "1"
    lost = set(clips["label"]) - set(clips["label"][~back])
    of_lost = clips["group"].isin(clips["group"][clips["label"].isin(lost)])
    back &= ~of_lost
    return list(clips.index[~back]), list(clips.index[back])


def refuse_leak(group: pd.Series, parts: Sequence[Sequence[str]]) -> None:
    """Raise `SplitError` when a group is in two parts; `group` is indexed by clip id."""
    seen: dict[str, int] = {}
    for number, ids in enumerate(parts):
        for clip_id in ids:
            name = str(group.at[clip_id])
            if seen.setdefault(name, number) != number:
                raise SplitError(f"leak: clips of {name} sit on both sides of a split ({clip_id})")


def draw_support(clips: pd.DataFrame, k: int, *, rng: np.random.Generator) -> dict[str, list[str]]:
    """Clip ids of each label in drawn order, at most k, distinct source recordings first.

    The first j of a draw are the draw for j, so that figures along a curve are paired.
    """
    drawn: dict[str, list[str]] = {}
    for label, of_label in clips.sort_values("clip_id").groupby("label", sort=True):
        shuffled = of_label.iloc[rng.permutation(len(of_label))]
        repeat = shuffled.groupby("group").cumcount()
        first = shuffled.iloc[np.argsort(repeat.to_numpy(), kind="stable")]
        drawn[str(label)] = first["clip_id"].tolist()[:k]
    return drawn
