"""A corpus in one HDF5 file: waveforms of one rate and length, multi-hot targets, names.

The file is made once and copied like any other; training reads random clips of it at the speed of
the disk. See `faunashot.audio.waveforms` for why an array lies in one piece in it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from faunashot.audio.reading import Channel, Reading
from faunashot.audio.resample import resample
from faunashot.audio.waveforms import (
    WAVEFORM,
    Int16Array,
    as_int16,
    memory_map,
    place_of,
    reserve,
)
from faunashot.data.corpora.base import Clip, Corpus
from faunashot.errors import AudioError, CorpusError, StoreError
from faunashot.files import DRAFT, locked
from faunashot.progress import progress
from faunashot.targets import class_names, target_matrix

FORMAT = 1
AT_ONCE = 64
"""Clips that are decoded before they are written: what a killed process packs again."""

BY_CLIP = ("clip_id", "label", "group", "fold")
_ROW = "row"
"""Name of the dataset that says, in a file that is being packed, which row each clip has."""

_NOT_YET = 0
"""In `_ROW`, which counts rows from 1: what a file holds before anything is written."""


@dataclass(frozen=True)
class PackSummary:
    """What became of a corpus.

    Attributes
    ----------
    clips : int
        In the file.
    packed : int
        How many of them were packed now.
    packed_s : float
        How long these are.
    classes : int
    n_bytes : int
        Of the file.
    longer : int
        Clips packed now that are longer than a row, of which the beginning is in the file.
    bad : tuple of (str, str)
        Path and reason of each clip that is not.
    """

    clips: int
    packed: int
    packed_s: float
    classes: int
    n_bytes: int
    longer: int
    bad: tuple[tuple[str, str], ...]


class Packed:
    """A packed corpus, open for reading; from several threads and processes, if need be.

    Parameters
    ----------
    file : Path
        What `pack` made.

    Attributes
    ----------
    corpus : str
    clip_ids, labels, groups, folds : tuple of str, length n
        As of `faunashot.data.corpora.base.Clip`; the fold is empty where there is none.
    classes : tuple of str, length C
    targets : ndarray of uint8, shape (n, C)
        1 where a clip is of a class.
    multi_label : bool
        Whether a clip may carry several classes, or none.
    rate_hz : int
    waveforms : ndarray of int16, shape (n, n_samples)
        A read-only memory map; full scale is 32768.

    Raises
    ------
    StoreError
        The file is cut off, was not packed to its end, or is something else.

    Examples
    --------
    What learns from arrays learns from the file, and reads what it needs of it:
    ``Examples.of_rows(packed.waveforms, packed.labels, multi_label=packed.multi_label)``.
    """

    def __init__(self, file: Path) -> None:
        import h5py

        try:
            with h5py.File(file) as opened:
                facts = json.loads(opened.attrs["faunashot"])
                if _ROW in opened:
                    raise StoreError(f"{file} was not packed to its end: pack it again")
                named = {name: tuple(opened[name].asstr()[()]) for name in (*BY_CLIP, "class")}
                self.targets: npt.NDArray[np.uint8] = opened["target"][()]
        except (OSError, KeyError, ValueError) as error:
            raise StoreError(f"{file} is cut off, or no packed corpus ({error})") from error
        if facts["format"] != FORMAT:
            raise StoreError(f"{file} has format {facts['format']}, this version reads {FORMAT}")
        self.corpus: str = facts["corpus"]
        self.rate_hz: int = facts["rate_hz"]
        self.multi_label: bool = facts["multi_label"]
        self.key: str = facts["key"]
        self.clip_ids, self.labels, self.groups, self.folds = (named[name] for name in BY_CLIP)
        self.classes = named["class"]
        self.waveforms: Int16Array = memory_map(file)[: len(self.clip_ids)]

    def __len__(self) -> int:
        return len(self.clip_ids)

    @property
    def n_samples(self) -> int:
        """Samples of a row."""
        return int(self.waveforms.shape[1])

    def read(self, rows: Any) -> Int16Array:
        """Waveforms of some rows, in any order, read now: int16, shape (N, n_samples)."""
        return np.array(self.waveforms[rows])


def pack(
    corpus: Corpus,
    root: Path,
    file: Path,
    *,
    rate_hz: int = 32_000,
    window_s: float = 10.0,
    channel: Channel = "mix",
    workers: int | None = None,
) -> PackSummary:
    """Pack the clips of a corpus, a row each, padded with zeros or cut to one length.

    The file is there once it is whole. A process that is killed leaves a hidden draft beside it,
    which the next call goes on with; clips that were bad are tried again then. A file that holds
    just these clips already is left as it is.

    Parameters
    ----------
    corpus : Corpus
        Whose layout `root` has; its options choose classes.
    root : Path
        Folder of the corpus.
    file : Path
        What is made.
    rate_hz : int
        Sample rate of the rows.
    window_s : float
        Length of the rows.
    channel : str
        What of several channels.
    workers : int, optional
        Threads; as many as there are processors if not given.

    Raises
    ------
    CorpusError
        `root` does not hold the corpus, or no clip of it can be packed.
    StoreError
        The file holds something else, or another process is packing it.
    """
    clips = list(corpus.clips(root))
    if not clips:
        raise CorpusError(f"{root}: {corpus.name} has no clips of these classes")
    facts = {
        "format": FORMAT,
        "corpus": corpus.name,
        "multi_label": corpus.multi_label,
        "rate_hz": rate_hz,
        "n_samples": (n_samples := round(rate_hz * window_s)),
    }
    files = [[*asdict(clip).values(), (root / clip.path).stat().st_size] for clip in clips]
    told = json.dumps([facts, channel, files], sort_keys=True)
    facts["key"] = hashlib.sha256(told.encode()).hexdigest()
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{DRAFT}{file.name}")
    with locked(draft.with_name(f"{draft.name}.lock"), timeout_s=0) as held:
        if not held:
            raise StoreError(f"{file} is being packed by another process; wait for it to end")
        if file.exists():
            return _there(file, facts, corpus)
        being = _Draft(draft, clips, facts)
        reading = Reading(channel)
        being.fill(root, lambda path: _row(path, reading, rate_hz, n_samples), workers)
        if not being.packed:
            first = "{}: {}".format(*being.bad[0])
            raise CorpusError(f"{corpus.name}: no clip can be packed; the first is {first}")
        being.finish(file)
    return being.summary(file, corpus)


def _there(file: Path, facts: dict[str, Any], corpus: Corpus) -> PackSummary:
    """What is said of a file that is there already."""
    found = Packed(file)
    if found.key != facts["key"]:
        raise StoreError(
            f"{file} holds other clips, or these in another way ({len(found)} of {found.corpus}, "
            f"{found.n_samples} samples at {found.rate_hz} Hz): name another file, or remove it"
        )
    size = file.stat().st_size
    return PackSummary(len(found), 0, 0.0, len(found.classes), size, 0, tuple(corpus.problems))


class _Draft:
    """A file that is being packed.

    Rows are filled one after the other, and `_ROW` notes of each clip which one it has once that
    is on the disk. Nothing else of the file changes until it is finished.
    """

    def __init__(self, path: Path, clips: Sequence[Clip], facts: dict[str, Any]) -> None:
        self.path, self.clips, self.facts = path, clips, facts
        self.bad: list[tuple[str, str]] = []
        self.longer, self.packed_s, self.packed_now = 0, 0.0, 0
        try:
            self.rows = np.array(memory_map(path, _ROW))
            same = self._key() == facts["key"]
        except StoreError:
            same = False
        if not same:
            self._make()

    @property
    def packed(self) -> int:
        """How many rows are filled."""
        return int(self.rows.max())

    def _key(self) -> str:
        import h5py

        with h5py.File(self.path) as opened:
            return str(json.loads(opened.attrs["faunashot"])["key"])

    def _make(self) -> None:
        import h5py

        n = len(self.clips)
        self.rows = np.full(n, _NOT_YET, np.int64)
        with h5py.File(self.path, "w") as opened:
            reserve(opened, WAVEFORM, (n, self.facts["n_samples"]), "<i2")
            reserve(opened, _ROW, (n,), "<i8")
            opened.attrs["faunashot"] = json.dumps(self.facts)

    def fill(self, root: Path, row: Any, workers: int | None) -> None:
        """Pack the clips that are not yet, in threads, in their order."""
        todo = np.flatnonzero(self.rows == _NOT_YET)
        name = str(self.facts["corpus"])
        places = place_of(self.path)[0], place_of(self.path, _ROW)[0]
        with (
            self.path.open("r+b") as opened,
            ThreadPoolExecutor(workers or os.cpu_count()) as pool,
            progress(f"packing {name}", total=len(self.clips)) as advance,
        ):
            advance(len(self.clips) - len(todo), was_done=True)
            for numbers, found in self._decoded(todo, root, row, pool):
                self._write(opened, places, numbers, found)
                advance(len(numbers))

    def _decoded(
        self, todo: npt.NDArray[np.intp], root: Path, row: Any, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[npt.NDArray[np.intp], list[Any]]]:
        """Numbers of clips with what was decoded of them, one batch ahead of who writes them."""
        waiting: tuple[npt.NDArray[np.intp], list[Future[Any]]] | None = None
        for at in range(0, len(todo), AT_ONCE):
            numbers = todo[at : at + AT_ONCE]
            ahead = [pool.submit(row, root / self.clips[i].path) for i in numbers]
            if waiting is not None:
                yield waiting[0], [future.result() for future in waiting[1]]
            waiting = numbers, ahead
        if waiting is not None:
            yield waiting[0], [future.result() for future in waiting[1]]

    def _write(
        self,
        opened: BinaryIO,
        places: tuple[int, int],
        numbers: npt.NDArray[np.intp],
        found: Sequence[Any],
    ) -> None:
        first = at = self.packed
        for number, one in zip(numbers, found, strict=True):
            if isinstance(one, str):
                self.bad.append((self.clips[number].path, one))
                continue
            samples, length_s = one
            opened.seek(places[0] + at * samples.nbytes)
            opened.write(samples.astype("<i2", copy=False).tobytes())
            at += 1
            self.rows[number] = at
            self.packed_s += length_s
            self.longer += round(length_s * self.facts["rate_hz"]) > len(samples)
        _to_disk(opened)
        for number in numbers[self.rows[numbers] != _NOT_YET]:
            opened.seek(places[1] + 8 * number)
            opened.write(self.rows[number].astype("<i8").tobytes())
        _to_disk(opened)
        self.packed_now += at - first

    def finish(self, file: Path) -> None:
        """Write targets and names in the order of the rows, and give the file its name."""
        import h5py

        order = np.argsort(self.rows, kind="stable")[(self.rows == _NOT_YET).sum() :]
        clips = [self.clips[i] for i in order]
        several = bool(self.facts["multi_label"])
        labels = [clip.label for clip in clips]
        self.classes = class_names(labels, multi_label=several)
        target = target_matrix(labels, self.classes, multi_label=several)
        with h5py.File(self.path, "r+") as opened:
            text = h5py.string_dtype()
            for name in BY_CLIP:
                values = [getattr(clip, name) or "" for clip in clips]
                opened.create_dataset(name, data=np.array(values, object), dtype=text)
            opened.create_dataset("class", data=np.array(self.classes, object), dtype=text)
            opened.create_dataset("target", data=target.astype(np.uint8))
            del opened[_ROW]
        os.replace(self.path, file)

    def summary(self, file: Path, corpus: Corpus) -> PackSummary:
        """What was done."""
        return PackSummary(
            clips=self.packed,
            packed=self.packed_now,
            packed_s=self.packed_s,
            classes=len(self.classes),
            n_bytes=file.stat().st_size,
            longer=self.longer,
            bad=(*corpus.problems, *self.bad),
        )


def _row(
    path: Path, reading: Reading, rate_hz: int, n_samples: int
) -> tuple[Int16Array, float] | str:
    """Samples of a recording as they are packed, and its length; or why it cannot be used."""
    try:
        audio = reading.read(path)
    except AudioError as error:
        return str(error)
    samples = as_int16(resample(audio.samples[:, 0], audio.sample_rate, to_hz=rate_hz)[:n_samples])
    return np.pad(samples, (0, n_samples - len(samples))), audio.duration_s


def _to_disk(opened: BinaryIO) -> None:
    opened.flush()
    os.fsync(opened.fileno())
