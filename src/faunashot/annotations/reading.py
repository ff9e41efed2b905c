"""Tables of events of any format, one or thousands, whichever program wrote them."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from faunashot.annotations.delimited import HEAD_BYTES
from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.formats.base import AnnotationFormat
from faunashot.annotations.gathering import gathered
from faunashot.errors import AnnotationError

SUFFIXES = frozenset({".txt", ".csv", ".tsv", ".json", ".parquet", ".pq"})
"""What files of a folder end in that are looked into."""

ENDING = re.compile(
    r"(?:\.(?:birdnet|table|\d+|selections?|results|labels?|audacity|annotations?|events"
    r"|detections?|crowsetta|soundevent))*\.\w+$",
    re.IGNORECASE,
)
"""What a table's name has behind that of its recording: ``.Table.1.selections.txt``."""

FIRST = ("parquet", "csv", "raven", "soundevent", "crowsetta", "audacity")
"""Formats by how much they hold: of a folder that has the same in several, the first is read."""

THREADS = 8


@dataclass
class EventTables:
    """What tables of events hold.

    Attributes
    ----------
    events : DataFrame
        As `faunashot.annotations.table.as_table` gives it.
    recordings : list of str
        All that a table is of, sorted, also those without an event.
    problems : list of (str, str)
        Tables that could not be read, and why.
    notes : list of str
        What is to be said of the others, a line each.
    """

    events: pd.DataFrame
    recordings: list[str] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_events(path: Path) -> pd.DataFrame:
    """Events of a table of any format, or of all tables of a folder.

    Parameters
    ----------
    path : Path
        Of a file, whose format is told by its content, or of a folder.

    Returns
    -------
    DataFrame
        As `faunashot.annotations.table.as_table` gives it. Where a table does not name its
        recording, `file` is the table's name without its endings.

    Raises
    ------
    AnnotationError
        A table cannot be read; the message names it, and the line.
    """
    found = read_all([path])
    for name, reason in found.problems:
        raise AnnotationError(f"{name}: {reason}")
    return found.events


def read_all(named: Iterable[Path]) -> EventTables:
    """Events of files and folders, of thousands within seconds; what is bad is told, not raised.

    In a folder, files that are no tables are passed over, and where the same recordings stand in
    several formats, one is read.

    Parameters
    ----------
    named : iterable of Path
        Tables, and folders of them.

    Raises
    ------
    AnnotationError
        A folder or file is not there, or there is no table in any.
    """
    chosen = list(named)
    roots = _roots(chosen)
    with ThreadPoolExecutor(THREADS) as pool:
        contents = dict(zip(roots, pool.map(_content, roots), strict=True))
    problems: list[tuple[str, str]] = []
    files: dict[Path, tuple[AnnotationFormat, bytes]] = {}
    formats: dict[Path, str] = {}
    unread: list[str] = []
    kinds = {name: kind() for name, kind in ANNOTATION_FORMATS.classes().items()}
    for path, content in contents.items():
        if isinstance(content, str):
            problems.append((str(path), content))
        elif kind := _recognised(content, kinds):
            files[path], formats[path] = (kinds[kind], content), kind
        elif path in chosen:
            problems.append((str(path), _unknown(content)))
        elif path.suffix != ".json":
            unread.append(path.name)
    if not files and not problems:
        raise AnnotationError(f"{', '.join(map(str, chosen))}: no table of events")
    of = {path: _recording_of(path, roots[path]) for path in files}
    found = gathered(files, named=of)
    problems += [(str(path), reason) for path, reason in found.problems]
    kept, notes = _one_format(found.recordings, formats)
    if unread:
        more = f" and {len(unread) - 1} more" if len(unread) > 1 else ""
        notes.append(f"{unread[0]}{more}: no table of events, passed over")
    is_kept = np.array([path in kept for path in found.paths], dtype=bool)[found.source]
    events, twice = _without_twins(found.events[is_kept], found.source[is_kept])
    if twice:
        notes.append(f"{twice} events stand in two tables, and count once")
    recordings = {name for path in kept for name in found.recordings[path]}
    return EventTables(events, sorted(recordings), problems, notes)


def _roots(named: Sequence[Path]) -> dict[Path, Path]:
    """Tables, and the folder below which each is named: of files, the one that all are in."""
    for name in named:
        if not name.exists():
            raise AnnotationError(f"{name}: not there")
    files = [name for name in named if not name.is_dir()]
    common = os.path.commonpath([file.parent.absolute() for file in files] or [Path.cwd()])
    roots = {file: Path(common) for file in files}
    for folder in named:
        if folder.is_dir():
            roots |= dict.fromkeys(_files_in(folder), folder)
    return roots


def _files_in(folder: Path) -> list[Path]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [
            Path(place, name)
            for name in sorted(files)
            if os.path.splitext(name)[1].lower() in SUFFIXES and not name.startswith(".")
        ]
    return found


def _content(path: Path) -> bytes | str:
    """The bytes of a file, or why they cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        return error.strerror or str(error)


def _recognised(content: bytes, kinds: Mapping[str, AnnotationFormat]) -> str | None:
    head = content[:HEAD_BYTES]
    return next((name for name, kind in kinds.items() if kind.recognises(head)), None)


def _unknown(content: bytes) -> str:
    if content.startswith(b"PK"):
        return "a spreadsheet or an archive: save it as CSV"
    return f"no table of events of any format ({', '.join(ANNOTATION_FORMATS)})"


def _recording_of(path: Path, root: Path) -> str:
    """The recording that a table is named after, with its folder below the root."""
    within = Path(os.path.relpath(path, root))
    return within.with_name(ENDING.sub("", path.name) or path.stem).as_posix()


def _one_format(
    recordings: Mapping[Path, list[str]], formats: Mapping[Path, str]
) -> tuple[set[Path], list[str]]:
    """Tables without those that hold, in another format, what others hold."""
    by_format: dict[str, dict[Path, set[str]]] = {}
    for path, names in recordings.items():
        stems = {Path(name).stem if "." in name else Path(name).name for name in names}
        by_format.setdefault(formats[path], {})[path] = stems
    kept: set[Path] = set()
    seen: dict[str, str] = {}
    left = Counter[tuple[str, str]]()
    ranked = sorted(by_format, key=lambda name: FIRST.index(name) if name in FIRST else len(FIRST))
    for name in ranked:
        fresh: dict[str, str] = {}
        for path, stems in by_format[name].items():
            if shared := next((stem for stem in stems if stem in seen), None):
                left[name, seen[shared]] += 1
            else:
                kept.add(path)
                fresh |= dict.fromkeys(stems, name)
        seen |= fresh
    return kept, [
        f"{n} tables in the format {name} hold what others hold in {first}, and are passed over"
        for (name, first), n in left.items()
    ]


def _without_twins(events: pd.DataFrame, source: np.ndarray) -> tuple[pd.DataFrame, int]:
    """Events without those that stand in another table, too, to the last digit."""
    if len(set(source.tolist())) < 2:
        return events.reset_index(drop=True), 0
    same = ["file", "start_s", "end_s", "label", "score", "model"]
    first = events.assign(_source=source).groupby(same, dropna=False)["_source"].transform("first")
    is_twin = first.to_numpy() != source
    return events[~is_twin].reset_index(drop=True), int(is_twin.sum())
