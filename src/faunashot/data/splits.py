"""The one object that makes splits, and refuses those that leak."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from faunashot.data.corpora.base import TEST, TRAIN, VALIDATION
from faunashot.data.labels import carry_several, names_by_clip
from faunashot.errors import SplitError

N_FOLDS = 5


@dataclass(frozen=True)
class Split:
    """Clip ids to learn from, to choose on, and to score; no group is in two of them.

    Attributes
    ----------
    name : str
        Of the test fold.
    train, validation, test : tuple of str
        Clip ids.
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
    clips : DataFrame
        Columns clip_id, label, fold, group, and ``multi_label`` where clips carry several classes.
    seed : int
        Of the folds that are made.
    official : bool
        False to make folds over all clips even where the corpus has its own, which is for
        choosing without looking at the published test part; such figures compare with no others.

    Attributes
    ----------
    multi_label : bool
        Whether a clip may carry several classes, or none.

    Raises
    ------
    SplitError
        The clips give no two sides to learn from and to score, or all carry the same label.

    Notes
    -----
    A group whose copies sit in several folds is scored where it is and learned from nowhere else:
    its clips are left out of the training side of every fold that tests one of them.
    """

    def __init__(self, clips: pd.DataFrame, *, seed: int, official: bool = True) -> None:
        self.multi_label = carry_several(clips)
        self._clips = clips.set_index("clip_id")
        self._seed = seed
        self._official = official
        self._fold = self._folds() if official else grouped_folds(self._clips, seed=seed)
        self._names = self._test_folds()
        self._made: dict[str, Split] = {}
        if self._clips["label"].nunique() < 2:
            only = self._clips["label"].iloc[0]
            shared = f"of class {only!r}" if only else "of none of the classes"
            raise SplitError(f"all clips are {shared}: there is nothing to tell apart")

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
        """The split that tests fold number `at`, modulo their count; made once."""
        name = self._names[at % len(self._names)]
        if name not in self._made:
            self._made[name] = self._make(at)
        return self._made[name]

    def _make(self, at: int) -> Split:
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

    def refuse_unlearnable(self) -> None:
        """Raise `SplitError` where a class is scored that no clip to learn from is of."""
        lost = self._unlearnable()
        if not lost:
            return
        name, fold = next(iter(lost.items()))
        names = names_by_clip(self._clips)
        others = sorted(set(names) - set(lost))
        if self._official and self._can_be_learned_in_grouped_folds():
            advice = "set protocol.folds=grouped"
        elif len(others) > 1:
            advice = f"add recordings of it, or set the corpus' classes to [{', '.join(others)}]"
        else:
            advice = "add recordings of it"
        several = self._clips["group"][names.index[names == name]].nunique() > 1
        raise SplitError(
            f"fold {fold}: class {name} is absent from the other folds, so it cannot be learned"
            f"{'' if several else ' (it has one source recording)'}; {advice}"
        )

    def _unlearnable(self) -> dict[str, str]:
        """Classes that no clip to learn from is of where they are scored, each with its fold."""
        lost: dict[str, str] = {}
        for split in self:
            scored, learned = (
                set(names_by_clip(self._clips.loc[list(ids)]))
                for ids in (split.test, split.learnable)
            )
            lost = dict.fromkeys(sorted(scored - learned), split.name) | lost
        return lost

    def _can_be_learned_in_grouped_folds(self) -> bool:
        try:
            grouped = Splits(self._clips.reset_index(), seed=self._seed, official=False)
            return not grouped._unlearnable()
        except SplitError:
            return False

    def _folds(self) -> pd.Series:
        fold = self._clips["fold"]
        if fold.notna().all() and len(fold):
            return fold
        if fold.notna().any():
            some = fold[fold.isna()].index[0]
            raise SplitError(
                f"some clips have a fold and others have none, such as {some}: give each one, or "
                "set protocol.folds=grouped"
            )
        return grouped_folds(self._clips, seed=self._seed)

    def _held_back(self, rest: pd.Series) -> pd.Series:
        made = grouped_folds(self._clips[rest], seed=self._seed)
        return (made == "1").reindex(rest.index, fill_value=False)

    def _test_folds(self) -> list[str]:
        names = sorted(set(self._fold), key=lambda f: (len(f), f))
        parts = {TRAIN, VALIDATION, TEST}
        if not set(names) & parts:
            if len(names) < 2:
                raise SplitError(
                    f"all clips are in fold {names[0]!r}: nothing to learn from; set "
                    "protocol.folds=grouped"
                )
            return names
        if not set(names) <= parts or not {TRAIN, TEST} <= set(names):
            raise SplitError(f"folds {names} are neither numbers nor {TRAIN} and {TEST}")
        return [TEST]

    def _ids(self, mask: pd.Series) -> list[str]:
        return list(self._clips.index[mask])

    def _without(self, ids: Sequence[str], tested: Sequence[str]) -> list[str]:
        group = self._clips["group"]
        taken = set(group.loc[list(tested)])
        return [i for i, of in zip(ids, group.loc[list(ids)], strict=True) if of not in taken]

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
    clips : DataFrame
        Columns label and group, and ``multi_label`` where clips carry several classes, indexed by
        clip id.
    seed : int
        Of the order that groups are dealt in.

    Returns
    -------
    Series of str
        Numbers from "1", by clip id.

    Raises
    ------
    SplitError
        There are fewer than two groups, or no two clips of any class.

    Notes
    -----
    A clip that carries several classes is dealt as one of its rarest: see `_strata`.
    """
    stratum = _strata(clips)
    largest = max(stratum.value_counts(), default=0)
    n = min(N_FOLDS, clips["group"].nunique(), largest)
    if n < 2:
        raise SplitError("fewer than two source recordings, or clips of a class, make no folds")
    from sklearn.model_selection import StratifiedGroupKFold

    maker = StratifiedGroupKFold(n, shuffle=True, random_state=seed)
    fold = pd.Series("", index=clips.index)
    order = clips.sort_index()
    with warnings.catch_warnings():  # of a class of fewer clips: the protocols note it by name
        warnings.filterwarnings("ignore", message="The least populated class")
        made = list(maker.split(order, stratum[order.index], order["group"]))
    for number, (_, test) in enumerate(made, 1):
        fold[order.index[test]] = str(number)
    return fold


def _strata(clips: pd.DataFrame) -> pd.Series:
    """The class that each clip is dealt to a fold as, by clip id: its only one, or of several one.

    Of several it is the class of the fewest recordings that still has two, one for each side of a
    split: what is rare is what a fold may lack, and the most frequent classes are in all folds
    anyway. Combinations of classes, the alternative, are mostly single in soundscapes, and would
    have to be merged into one stratum that says nothing.
    """
    if not carry_several(clips):
        return clips["label"]
    names = names_by_clip(clips)
    listed = pd.DataFrame({"name": names, "group": clips["group"][names.index]})
    recordings = listed.groupby("name")["group"].transform("nunique")
    listed = listed.assign(alone=recordings < 2, recordings=recordings)
    listed = listed.sort_values(["alone", "recordings", "name"], kind="stable")
    chosen = listed["name"][~listed.index.duplicated()]
    return chosen.reindex(clips.index, fill_value="").astype(str)


def held_back(clips: pd.DataFrame, *, seed: int) -> tuple[list[str], list[str]]:
    """Clip ids to train on, and a fifth of each class to choose on; no group is in both.

    A class whose recordings would all be held back is trained on instead.

    Parameters
    ----------
    clips : DataFrame
        Columns clip_id, label, group, and ``multi_label`` where clips carry several classes.
    seed : int
        Of what is held back.
    """
    clips = clips.set_index("clip_id")
    back = grouped_folds(clips, seed=seed) == "1"
    names = names_by_clip(clips)
    lost = set(names) - set(names[~back[names.index].to_numpy()])
    of_lost = clips["group"].isin(clips["group"][names.index[names.isin(lost)]])
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
