"""What would leak: the same recording under several names, labels, folds or corpora."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from faunashot.data import SOURCE, TARGET
from faunashot.data.labels import carry_several
from faunashot.data.near_duplicates import NearDuplicate, near_duplicates

_WAV, _OGG, _AIFF = (".wav", ".wave"), (".ogg", ".oga", ".opus"), (".aif", ".aiff", ".aifc")
SUFFIXES: dict[str, tuple[str, ...]] = {
    "WAV": _WAV, "WAVEX": _WAV, "RF64": _WAV, "W64": (".w64", *_WAV), "OGG": _OGG, "AIFF": _AIFF,
    "FLAC": (".flac",), "MP3": (".mp3",), "MPEG": (".mp3", ".mp2", ".mpga"), "AU": (".au", ".snd"),
    "CAF": (".caf",), "MOV": (".m4a", ".mp4", ".m4b", ".m4r", ".mov", ".3gp", ".3g2"),
    "MATROSKA": (".mka", ".mkv", ".webm"), "ASF": (".wma", ".asf", ".wmv"), "AAC": (".aac",),
}  # fmt: skip
"""Suffixes that fit what libsndfile or FFmpeg calls a container; of others, any not listed."""


@dataclass(frozen=True)
class Audited:
    """Clips fit to be split.

    Attributes
    ----------
    clips : DataFrame
        Of all corpora (column ``role``), groups of duplicates joined.
    report : dict of str to Any
        Counts and lists for ``reports/audit.json``. ``exact_duplicates`` are groups of paths
        with the same samples, ``near_duplicates`` pairs that hold the same sound, whole or in
        part: one path for all with its samples. Groups of either kind are in ``crossing`` where
        they sit in several folds of a corpus, in ``conflicts`` where a corpus gives them several
        labels, in ``across_corpora`` where they are in several.
    """

    clips: pd.DataFrame
    report: dict[str, Any]


def audit(
    target: pd.DataFrame, source: pd.DataFrame, *, files: Callable[[str, str], Path]
) -> Audited:
    """Examine two corpora, and leave out conflicts and source clips that are in the target.

    Parameters
    ----------
    target, source : DataFrame
        Tables of ingested clips.
    files : callable
        The file of a role, `TARGET` or `SOURCE`, and a path.

    Raises
    ------
    AudioError
        A clip cannot be decoded any more.
    """
    found = _Copies.among({TARGET: target, SOURCE: source}, files=files)
    left_out = {i for g in found.conflicts for i in g.index}
    left_out |= {i for g in found.across for i in g.index[g["role"] == SOURCE]}
    clips = found.joined()
    groups = int(clips.loc[clips["role"] == TARGET, "group"].nunique())
    report = {"clips": len(target), **found.report(), "groups": groups, "left_out": len(left_out)}
    return Audited(clips.drop(index=sorted(left_out)).reset_index(drop=True), report)


def examine(
    tables: Mapping[str, pd.DataFrame],
    *,
    files: Callable[[str, str], Path],
) -> Audited:
    """Examine any number of corpora, by name, and leave every clip in."""
    found = _Copies.among(tables, files=files)
    return Audited(found.joined(), {"clips": len(found.clips), **found.report()})


@dataclass(frozen=True)
class _Copies:
    """Clips with the columns ``role``, ``file`` and ``copies``, which all copies share."""

    clips: pd.DataFrame
    near: list[dict[str, Any]]

    @classmethod
    def among(
        cls,
        tables: Mapping[str, pd.DataFrame],
        *,
        files: Callable[[str, str], Path],
    ) -> _Copies:
        """Look at each sound once: copies with the same samples are alike."""
        clips = pd.concat(
            [table.assign(role=role) for role, table in tables.items()], ignore_index=True
        )
        names = zip(clips["role"], clips["path"], strict=True)
        clips = clips.assign(file=pd.Series([files(*name) for name in names], dtype=object))
        sounds = clips.sort_values("path", kind="stable").drop_duplicates("sound_sha256")
        pairs = near_duplicates(sounds["file"].tolist())
        name = dict(zip(sounds["sound_sha256"], _sets(len(sounds), pairs), strict=True))
        paths = sounds["path"].tolist()
        near = [
            {
                "paths": [paths[pair.first], paths[pair.second]],
                "correlation": pair.correlation,
                "offset_s": pair.offset_s,
                "common_s": pair.common_s,
            }
            for pair in pairs
        ]
        return cls(clips.assign(copies=clips["sound_sha256"].map(name)), near)

    @property
    def exact(self) -> list[pd.DataFrame]:
        """Clips with the same samples."""
        return self._several("sound_sha256")

    @cached_property
    def within(self) -> list[pd.DataFrame]:
        """Clips of one corpus with the same samples, then those that hold the same sound."""
        sets = self._several("role", "copies")
        same = self._several("role", "sound_sha256")
        return same + [g for g in sets if g["sound_sha256"].nunique() > 1]

    @property
    def conflicts(self) -> list[pd.DataFrame]:
        """Copies in one corpus with several labels.

        Clips that carry several classes may share a part and rightly differ in what else is in
        them: of these, only copies with the same samples have to agree.
        """
        return [
            g
            for g in self.within
            if g["label"].nunique() > 1
            and (g["sound_sha256"].nunique() == 1 or not carry_several(g))
        ]

    @property
    def across(self) -> list[pd.DataFrame]:
        """Copies in several corpora."""
        return [g for g in self._several("copies") if g["role"].nunique() > 1]

    def _several(self, *by: str) -> list[pd.DataFrame]:
        """Groups of more than one clip, of which there are few: one table a clip is costly."""
        several = self.clips[self.clips.duplicated(list(by), keep=False)]
        return [g for _, g in several.groupby(list(by))]

    def joined(self) -> pd.DataFrame:
        """The clips, copies and groups of one corpus' clips under one group."""
        group = self.clips["role"] + "/" + self.clips["group"].astype(str)
        clips = self.clips.assign(group=_joined(group, self.clips["copies"]))
        return clips.drop(columns=["file", "copies"])

    def report(self) -> dict[str, Any]:
        """The lists of `Audited.report`."""
        crossing = [g for g in self.within if g["fold"].nunique(dropna=False) > 1]
        return {
            "exact_duplicates": _paths(self.exact),
            "near_duplicates": self.near,
            "crossing": _paths(crossing),
            "conflicts": _paths(self.conflicts),
            "across_corpora": _paths(self.across),
            "wrong_extension": [
                {"path": path, "codec": codec}
                for path, file, codec in self.clips[["path", "file", "codec"]].to_numpy()
                if not _suffix_fits(file, codec)
            ],
        }


def _sets(n: int, pairs: Sequence[NearDuplicate]) -> npt.NDArray[np.int32]:
    """Number the sets of `n` sounds that pairs connect: shape (n,)."""
    ends = np.array([(pair.first, pair.second) for pair in pairs], dtype=np.intp).reshape(-1, 2)
    edges = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(n, n))
    numbers: npt.NDArray[np.int32] = connected_components(edges, directed=False)[1]
    return numbers


def _joined(group: pd.Series, same: pd.Series) -> pd.Series:
    """Join groups that share a value of `same`: the first name of each connected set."""
    if group.empty:
        return group
    names, of_clip = np.unique(group.to_numpy(dtype=str), return_inverse=True)
    _, of_value = np.unique(same.to_numpy(), return_inverse=True)
    n = len(names)
    edges = coo_matrix(
        (np.ones(len(group)), (of_clip, of_value + n)), shape=(n + of_value.max() + 1,) * 2
    )
    _, component = connected_components(edges, directed=False)
    first = pd.Series(names).groupby(component[:n]).transform("first")
    return pd.Series(first.to_numpy()[of_clip], index=group.index)


def _suffix_fits(file: Path, codec: str) -> bool:
    """Whether a file's name says what it holds."""
    suffix, container = file.suffix.lower(), codec.split("/")[0]
    if container in SUFFIXES:
        return suffix in SUFFIXES[container]
    return not any(suffix in others for others in SUFFIXES.values())


def _paths(groups: Iterable[pd.DataFrame]) -> list[list[str]]:
    return sorted(sorted(g["path"]) for g in groups)
