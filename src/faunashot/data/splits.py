"""The one object that makes splits, and refuses those that leak."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from faunashot.data import Folds
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
    learns_validation : bool
        Whether what was chosen on the validation clips may learn from them afterwards.
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    learns_validation: bool = True

    @property
    def learnable(self) -> tuple[str, ...]:
        """Clips that a head may be fitted on once nothing is left to choose."""
        return self.train + self.validation if self.learns_validation else self.train


class Splits:
    """Splits of a corpus: official folds rotated, fixed parts kept, folds made where none are.

    Parameters
    ----------
    clips : DataFrame
        Columns clip_id, label, fold, group, ``multi_label`` where clips carry several classes, and
        ``part`` where a study publishes fixed parts.
    seed : int
        Of the folds that are made.
    folds : str
        "official": those of the corpus, made where it has none. "published": the parts of a study,
        of which that for training alone is learned from. "grouped": made of all clips even where
        the corpus has folds, which is for choosing without looking at its test part; such figures
        compare with no others. "random": as many as the official ones, but each clip is taken for
        a recording of its own. Copies of what is scored are then learned from: never for a result,
        only to say what that leak would be worth.

    Attributes
    ----------
    multi_label : bool
        Whether a clip may carry several classes, or none.
    notes : list of str
        What a person should know of the split, one line each.

    Raises
    ------
    SplitError
        The clips give no two sides to learn from and to score, or all carry the same label.

    Notes
    -----
    A group whose copies sit in several folds is scored where it is and learned from nowhere else:
    its clips are left out of the training side of every fold that tests one of them.
    """

    def __init__(self, clips: pd.DataFrame, *, seed: int, folds: Folds = "official") -> None:
        self.multi_label = carry_several(clips)
        self.notes: list[str] = []
        self._clips = clips.set_index("clip_id")
        self._seed = seed
        self._folds = folds
        make = {
            "official": self._official,
            "published": self._published,
            "grouped": self._grouped,
            "random": self._random,
        }
        self._fold = make[folds]()
        self._note_recordings_in_several_folds()
        self._names = self._test_folds()
        self._made: dict[str, Split] = {}
        if self._clips["label"].nunique() < 2:
            only = self._clips["label"].iloc[0]
            shared = f"of class {only!r}" if only else "of none of the classes"
            raise SplitError(f"all clips are {shared}: there is nothing to tell apart")

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
        learns_validation = self._folds != "published"
        split = Split(name, tuple(train), tuple(validation), tuple(test), learns_validation)
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
        if self._folds == "official" and self._can_be_learned_in_grouped_folds():
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
            grouped = Splits(self._clips.reset_index(), seed=self._seed, folds="grouped")
            return not grouped._unlearnable()
        except SplitError:
            return False

    def _grouped(self) -> pd.Series:
        return grouped_folds(self._clips, seed=self._seed)

    def _random(self) -> pd.Series:
        honest = Splits(self._clips.reset_index(), seed=self._seed)
        self._clips = self._clips.assign(group=self._clips.index)
        n_folds = len(honest) if len(honest) > 1 else N_FOLDS
        return "random-" + grouped_folds(self._clips, seed=self._seed, n_folds=n_folds)

    def _published(self) -> pd.Series:
        """The parts of the study; where none validates, clips of the last training fold do."""
        part = self._clips["part"] if "part" in self._clips else pd.Series(None, self._clips.index)
        if part.isna().any():
            raise SplitError(
                "protocol.folds: published, but no study is known that splits this corpus into "
                "fixed parts; set protocol.folds=official"
            )
        for needed, what in ((TRAIN, "learned from"), (TEST, "scored")):
            if not (part == needed).any():
                raise SplitError(
                    f"protocol.folds: published, but the part that is {what} has no clips; add "
                    "its folds, or set protocol.folds=official"
                )
        if (part == VALIDATION).any():
            return part
        return part.mask(self._chosen_on(part == TRAIN), VALIDATION)

    def _chosen_on(self, training: pd.Series) -> pd.Series:
        """Whether a clip is of the half of the last training fold that stands in to choose on."""
        folds = self._clips["fold"][training]
        last = max(set(folds), key=lambda name: (len(name), name))
        n_parts = 2 if folds.nunique() > 1 else N_FOLDS
        of_last = self._clips.loc[folds.index[folds == last]]
        made = grouped_folds(of_last, seed=self._seed, n_folds=n_parts)
        chosen = (made == "1").reindex(training.index, fill_value=False)
        self.notes.append(
            f"the published validation part has no clips: {int(chosen.sum())} of fold {last}, not "
            "learned from, stand in for it"
        )
        return chosen

    def _note_recordings_in_several_folds(self) -> None:
        group = self._clips["group"]
        count = self._fold.groupby(group).nunique()
        several = count.index[count > 1]
        if len(several):
            folds = self._fold[group == several[0]].drop_duplicates()
            first = " and ".join(f"{clip_id} in {fold}" for clip_id, fold in folds.items())
            self.notes.append(
                f"source recordings, or copies of one, in several folds: {len(several)}, such as "
                f"{first}; where one is scored, none of it is learned from"
            )

    def _official(self) -> pd.Series:
        fold = self._clips["fold"]
        if fold.notna().all() and len(fold):
            return fold
        if fold.notna().any():
            some = fold[fold.isna()].index[0]
            raise SplitError(
                f"some clips have a fold and others have none, such as {some}: give each one, or "
                "set protocol.folds=grouped"
            )
        return self._grouped()

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


def grouped_folds(clips: pd.DataFrame, *, seed: int, n_folds: int = N_FOLDS) -> pd.Series:
    """Names of folds that keep groups together and classes in their proportion, by clip id.

    Parameters
    ----------
    clips : DataFrame
        Columns label and group, and ``multi_label`` where clips carry several classes, indexed by
        clip id.
    seed : int
        Of the order that groups are dealt in.
    n_folds : int
        Of which fewer are made where there are fewer groups, or clips of the largest class.

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
    n = min(n_folds, clips["group"].nunique(), largest)
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
