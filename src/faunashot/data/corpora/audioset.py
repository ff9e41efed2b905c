"""AudioSet, or a part of its ontology such as the animals: clips of ten seconds, several labels."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from faunashot.audio.recordings import recordings_in
from faunashot.data import layout
from faunashot.data.corpora.base import TEST, TRAIN, Clip, Corpus, CorpusOptions
from faunashot.errors import CorpusError, ParameterError
from faunashot.targets import join_names

_ONTOLOGY, _INDICES = "ontology.json", "class_labels_indices.csv"
_SEGMENTS = {
    "balanced": "balanced_train_segments.csv",
    "unbalanced": "unbalanced_train_segments.csv",
    "eval": "eval_segments.csv",
}
_STEM = re.compile(r"(?P<video>[\w-]{11}|Y[\w-]{11})(_(?P<start>\d+(\.\d+)?)(_.*)?)?")
"""Name of a file, less its suffix: of a YouTube video, with a ``Y`` before it or not, and from
which second or millisecond on it is."""


class AudioSetOptions(CorpusOptions):
    """What may be set of AudioSet.

    Attributes
    ----------
    classes : str or list of str
        "all", "animals", or classes of the ontology by name or id, such as ``Bird`` or
        ``/m/015p6``: each stands for itself and all that is below it.
    train : "balanced", "unbalanced" or "both"
        Which segments are learned from; those of ``eval_segments.csv`` are scored.
    """

    train: Literal["balanced", "unbalanced", "both"] = "balanced"


@dataclass(frozen=True)
class _Segment:
    """A row of a table of segments."""

    video: str
    start_s: float
    labels: tuple[str, ...]
    row: str


class AudioSet(Corpus):
    """AudioSet as published, beside a folder of the audio of its videos.

    The tables (`ontology.json`, `class_labels_indices.csv`, `balanced_train_segments.csv`,
    `unbalanced_train_segments.csv`, `eval_segments.csv`) lie in the root or a folder in it, the
    recordings anywhere below it: `YTID.*`, `YYTID.*` or `YTID_START.*`, of any format, cut to
    their segment. Videos vanish: rows without a recording are counted as missing.

    `group` is the video. A class that all clips have, or that has clips only to learn from or only
    to score, is left out, and a note says so.
    """

    name = "audioset"
    licence = "CC BY 4.0 (ontology CC BY-SA 4.0); the sound belongs to those who uploaded it"
    citation = (
        "J. F. Gemmeke, D. P. W. Ellis, D. Freedman, A. Jansen, W. Lawrence, R. C. Moore,"
        " M. Plakal, M. Ritter (2017). Audio Set: An ontology and human-labeled dataset for audio"
        " events. ICASSP 2017, 776-780. doi:10.1109/ICASSP.2017.7952261"
    )
    url = "https://research.google.com/audioset/download.html"
    class_sets: ClassVar[dict[str, tuple[str, ...]]] = {"animals": ("Animal",)}
    multi_label = True
    Options = AudioSetOptions
    options: AudioSetOptions

    def clips(self, root: Path) -> Iterator[Clip]:
        """Yield the clips of the wanted classes, see `Corpus.scorable`."""
        yield from self.scorable(super().clips(root))

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the segments whose recordings are there."""
        self._ontology = _ontology(_table(root, _ONTOLOGY))
        names = {node["id"]: node["name"] for node in self._ontology.values()}
        if (indices := _table(root, _INDICES)) is not None:
            rows = layout.read_table(indices, ("mid", "display_name"))
            names |= {row["mid"]: row["display_name"] for row in rows}
        if not names:
            raise self.not_here(root, f"{_INDICES} and {_ONTOLOGY} are missing")
        self._name_of = names
        files = _Recordings(root)
        train = ["balanced", "unbalanced"] if self.options.train == "both" else [self.options.train]
        found = False
        for table, part in [*((name, TRAIN) for name in train), ("eval", TEST)]:
            for segment in self._segments(root, _SEGMENTS[table]):
                clip = self._clip(segment, files, part)
                if clip is not None:
                    found = True
                    yield clip
        if not found:
            first = "; first: {}: {}".format(*self.problems[0]) if self.problems else ""
            lack = "none of the segments that its tables list has a recording named YTID.*"
            raise self.not_here(root, f"{lack}{first}")

    def _segments(self, root: Path, name: str) -> Iterator[_Segment]:
        table = _table(root, name)
        if table is None:
            raise self.not_here(root, f"{name} is missing")
        for number, cells in _rows(table):
            row = f"{name}, line {number}"
            try:
                video, start_s, _, labels = cells
                ids = tuple(filter(None, (one.strip() for one in labels.split(","))))
                yield _Segment(video, float(start_s), ids, row)
            except ValueError:
                self.problems.append((row, "it is not YTID, start, end and quoted labels"))

    def _clip(self, segment: _Segment, files: _Recordings, part: str) -> Clip | None:
        """The clip of a segment; None, and it is noted, where it has no recording or no labels."""
        clip_id = f"{segment.video}_{segment.start_s:g}"
        unknown = [one for one in segment.labels if one not in self._name_of]
        label = join_names(self._name_of.get(one, "") for one in segment.labels)
        path = files.of(segment)
        if path is None:
            self.missing.append(Clip(clip_id, f"{segment.video}.*", label, part, segment.video))
            return None
        reason = ""
        if not segment.labels:
            reason = f"{segment.row} gives it no label"
        elif unknown:
            reason = f"{segment.row} has the unknown label {unknown[0]}"
        elif path in files.taken:
            reason = f"{segment.row} is another segment of a video that has one recording"
        if reason:
            self.problems.append((path, reason))
            return None
        files.taken.add(path)
        return Clip(clip_id, path, label, part, segment.video)

    def wanted(self, present: Iterable[str]) -> frozenset[str]:
        """Class names below the nodes of the ontology that the option `classes` names.

        Raises
        ------
        ParameterError
            There is no such node, or no clip at hand is of it.
        """
        there, given = frozenset(present), self.options.classes
        if given == "all":
            return there
        key = f"corpora.{self.name}.classes"
        if not self._ontology:
            raise ParameterError(f"{key}: {given!r} needs {_ONTOLOGY}, which is missing; say all")
        found: set[str] = set()
        named = [given] if isinstance(given, str) else given
        for name in (one for each in named for one in self.class_sets.get(each, (each,))):
            ids = [at for at, node in self._ontology.items() if name in (at, node["name"])]
            if not ids:
                known = [node["name"] for node in self._ontology.values()]
                raise ParameterError.unknown(key, name, [*known, *self.class_sets, "all"])
            below = {self._name_of[at] for at in _below(self._ontology, ids)} & there
            if not below:
                raise ParameterError(
                    f"{key}: no clip here is of {name!r}, nor of what is below it in the ontology"
                )
            found |= below
        return frozenset(found)

    def fetch(self, root: Path) -> None:
        """Say how to get it: the tables are published, the sound is on YouTube."""
        raise CorpusError(
            f"AudioSet is not fetched: download the tables and ontology.json from {self.url}\n"
            f"into {root}, and put the recordings that you have of its videos below it, as "
            "audio/YTID.wav"
        )


class _Recordings:
    """Recordings below a root by the video that they are of."""

    def __init__(self, root: Path) -> None:
        self._of: dict[str, dict[str, str]] = {}
        self.taken: set[str] = set()
        for file in recordings_in(root):
            if match := _STEM.fullmatch(file.stem):
                path = layout.relative(file, root)
                self._of.setdefault(match["video"], {}).setdefault(match["start"] or "", path)

    def of(self, segment: _Segment) -> str | None:
        """Path of the recording of a segment: one that names its start, else of the video."""
        starts: dict[str, str] = {}
        for video in (f"Y{segment.video}", segment.video):
            starts |= self._of.get(video, {})
        for start, path in starts.items():
            if start and float(start) in (segment.start_s, 1000 * segment.start_s):
                return path
        return starts.get("")


def _table(root: Path, name: str) -> Path | None:
    """A published file in the root or in a folder of it; None where there is none."""
    places = [root, *layout.subfolders(root)]
    return next((place / name for place in places if (place / name).is_file()), None)


def _rows(table: Path) -> Iterator[tuple[int, list[str]]]:
    """Numbers and cells of the lines of a table of segments, less its comments."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            for number, cells in enumerate(csv.reader(file, skipinitialspace=True), start=1):
                if cells and not cells[0].startswith("#"):
                    yield number, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{table} cannot be read as a UTF-8 table: {error}") from error


def _ontology(file: Path | None) -> dict[str, dict[str, Any]]:
    """Nodes of the ontology by id; none where there is no such file."""
    if file is None:
        return {}
    try:
        nodes = json.loads(file.read_text("utf-8"))
        return {node["id"]: {"child_ids": [], **node, "name": node["name"]} for node in nodes}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{file} is not AudioSet's ontology: {error!r}") from error


def _below(ontology: dict[str, dict[str, Any]], ids: Iterable[str]) -> set[str]:
    """Ids of nodes and of all below them; a node may be below several, and a loop ends."""
    found: set[str] = set()
    todo = list(ids)
    while todo:
        at = todo.pop()
        if at in ontology and at not in found:
            found.add(at)
            todo += ontology[at]["child_ids"]
    return found
