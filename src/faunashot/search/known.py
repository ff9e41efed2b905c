"""What has a label already, so that nobody is asked for it again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.audio.recordings import recordings_in
from faunashot.data.layout import read_table
from faunashot.errors import CorpusError
from faunashot.files import plain_name, sha256_of

TABLES = ("labels.csv", "uncertain.csv")
"""Of a folder that `faunashot label` wrote; what was uncertain was listened to, too."""


@dataclass
class Known:
    """What was labelled: whole recordings, or spans of them.

    Attributes
    ----------
    files : set of str
        Recordings, by name.
    spans : dict of str to list of (float, float)
        Seconds of recordings that are labelled in part, by name.
    sha256 : set of str
        Hashes of files.
    groups : set of str
        Source recordings.
    group_of : dict of str to str
        Source recording of a file, where that is known.
    """

    files: set[str] = field(default_factory=set)
    spans: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    sha256: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    group_of: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of_clips(cls, learned: Iterable[str], clips: pd.DataFrame | None = None) -> Self:
        """Clips that a model learned from.

        Parameters
        ----------
        learned : iterable of str
            Their ids.
        clips : DataFrame, optional
            Of their corpus: clip_id, group, sha256. Others of the same source recordings are taken
            for known, too.
        """
        ids = set(learned)
        files = set(map(plain_name, ids))
        if clips is None:
            return cls(files)
        of = clips[clips["clip_id"].isin(ids)]
        groups = dict(zip(clips["clip_id"], clips["group"], strict=True))
        return cls(files, {}, set(of["sha256"]), set(of["group"]), groups)

    def add(self, labelled: Path) -> None:
        """Take a table, or a folder of labelled recordings.

        Parameters
        ----------
        labelled : Path
            A CSV with a column ``file`` (and ``start_s``, ``end_s`` where parts are labelled) or
            ``path``; or a folder, such as one of `faunashot label`.

        Raises
        ------
        CorpusError
            It is neither.
        """
        if labelled.is_dir():
            tables = [labelled / name for name in TABLES if (labelled / name).exists()]
            files = recordings_in(labelled)
            if not tables and not files:
                raise CorpusError(f"--labelled {labelled}: holds no recordings and no labels.csv")
            with ThreadPoolExecutor() as pool:
                self.sha256 |= set(pool.map(sha256_of, files))
        elif labelled.exists():
            tables = [labelled]
        else:
            raise CorpusError(f"--labelled {labelled}: there is no such table or folder")
        for table in tables:
            self._take(table)

    def _take(self, table: Path) -> None:
        rows = read_table(table, ())
        name = next((each for each in ("file", "path") if rows and each in rows[0]), None)
        if rows and name is None:
            raise CorpusError(f"--labelled {table}: has no column file or path")
        for number, row in enumerate(rows, start=2):
            if not row.get("start_s") and not row.get("end_s"):
                self.files.add(plain_name(row[str(name)]))
                continue
            try:
                span = float(row["start_s"] or 0), float(row["end_s"] or "inf")
            except ValueError as error:
                raise CorpusError(f"{table}, row {number}: its times are no numbers") from error
            self.spans.setdefault(plain_name(row[str(name)]), []).append(span)

    def of_recordings(
        self, files: Sequence[str], hashes: Mapping[str, str]
    ) -> npt.NDArray[np.bool_]:
        """Which recordings are labelled as a whole, shape (n,)."""
        return np.array(
            [
                plain_name(file) in self.files
                or hashes.get(file) in self.sha256
                or self.group_of.get(file) in self.groups
                for file in files
            ],
            dtype=bool,
        )

    def overlap(
        self, file: str, start_s: npt.ArrayLike, end_s: npt.ArrayLike
    ) -> npt.NDArray[np.bool_]:
        """Which parts of a recording are labelled, or overlap one that is, of one shape."""
        starts, ends = np.asarray(start_s), np.asarray(end_s)
        found = np.zeros(starts.shape, dtype=bool)
        for start, end in self.spans.get(plain_name(file), ()):
            found |= (starts < end) & (start < ends)
        return found
