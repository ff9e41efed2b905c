"""Which chunks of which recordings make which shard: the same for every engine and cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from faunashot.audio.decode import Announced
from faunashot.audio.perturbation import Perturbation
from faunashot.audio.reading import Reading
from faunashot.errors import AudioError
from faunashot.features.cut import chunk_spans, expected_windows
from faunashot.features.extract import Chunk, cores, stamp
from faunashot.features.extractors import Extractor
from faunashot.features.shards import shard_key
from faunashot.features.spec import Derivation
from faunashot.files import sha256_of

SHARD_WINDOWS = 4_096
"""Windows of a shard: what a killed run loses at most, and what is in memory at once."""

SHARD_BYTES = 2**27
"""The same of waveforms, whose windows are long."""


@dataclass(frozen=True)
class Recording:
    """What is to be embedded under a name; its SHA-256 where that is known already."""

    clip_id: str
    path: Path
    sha256: str | None = None


@dataclass(frozen=True)
class Shard:
    """Chunks that are stored together.

    Attributes
    ----------
    key : str
        Of everything its bytes depend on, as long as no chunk turns out to be bad.
    chunks : tuple of Chunk
        In the order of their rows.
    seconds : tuple of float
        What each chunk is expected to hold of audio.
    """

    key: str
    chunks: tuple[Chunk, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """Which shards a features folder is made of.

    Attributes
    ----------
    derivation : Derivation
        How features are made.
    perturbation : Perturbation, optional
        What is done to the audio before.
    shards : tuple of Shard
        In order.
    bad : tuple of dict
        What is known to be bad without decoding.
    notes : tuple of (str, str)
        Recordings that can be used though their headers are wrong, and what is wrong.
    listed : frozenset of str
        Clips whose hash was given, and not read from their files.
    """

    derivation: Derivation
    perturbation: Perturbation | None
    shards: tuple[Shard, ...]
    bad: tuple[dict[str, Any], ...]
    notes: tuple[tuple[str, str], ...] = ()
    listed: frozenset[str] = frozenset()

    @property
    def seconds(self) -> float:
        """What all shards are expected to hold of audio."""
        return sum(sum(shard.seconds) for shard in self.shards)


def plan(
    recordings: Iterable[Recording],
    extractor: Extractor,
    *,
    perturbation: Perturbation | None = None,
    workers: int | None = None,
) -> Plan:
    """Read the headers of recordings, hash them, and share their chunks out among shards.

    Nothing is decoded, and of the extractor only attributes are read.
    """
    chunks: list[_Planned] = []
    bad: list[dict[str, Any]] = []
    notes: list[tuple[str, str]] = []
    listed: set[str] = set()
    with ThreadPoolExecutor(workers or cores()) as pool:
        for seen in pool.map(lambda recording: _survey(recording, extractor.reading), recordings):
            if isinstance(seen, dict):
                bad.append(seen)
                continue
            if seen.recording.sha256 is not None:
                listed.add(seen.recording.clip_id)
            found = None if perturbation else seen.announced  # which needs the whole of a recording
            spans = chunk_spans(found, extractor)
            if seen.announced and seen.announced.note:
                notes.append((seen.recording.clip_id, seen.announced.note))
            wrong = seen.announced is not None and seen.announced.announces_less
            n = 1 if found is None else expected_windows(found, extractor)
            for span in spans:
                recording = seen.recording
                chunk = Chunk(
                    recording.clip_id, recording.path, span, seen.stamp, seen.sha256, wrong
                )
                stop, end_s = n, seen.announced.duration_s if seen.announced else extractor.hop_s
                if span.stop is not None:
                    stop, end_s = span.stop, span.stop * extractor.hop_s
                seconds = end_s - span.first * extractor.hop_s
                seconds /= extractor.reading.time_expansion
                chunks.append(_Planned(chunk, stop - span.first, seconds))
    derivation = Derivation.of(extractor, perturbation)
    most = SHARD_WINDOWS
    if extractor.dtype == "int16":
        most = min(most, max(1, SHARD_BYTES // (2 * extractor.dim)))
    shards = [_shard(group, derivation) for group in _groups(chunks, most=most)]
    return Plan(
        derivation, perturbation, tuple(shards), tuple(bad), tuple(notes), frozenset(listed)
    )


def bad_part(
    clip_id: str, reason: str, *, start_s: float = 0.0, end_s: float | None = None
) -> dict[str, Any]:
    """What there are no features of: a recording, or seconds of it; to its end where None."""
    return {"clip_id": clip_id, "start_s": start_s, "end_s": end_s, "reason": reason}


@dataclass(frozen=True)
class _Seen:
    recording: Recording
    announced: Announced | None
    sha256: str
    stamp: tuple[int, int]


class _Planned(NamedTuple):
    chunk: Chunk
    windows: int
    seconds: float


def _survey(recording: Recording, reading: Reading) -> _Seen | dict[str, Any]:
    try:
        found_stamp = stamp(recording.path)
        found = reading.announced(recording.path)
        sha256 = recording.sha256
        if sha256 is None:
            sha256 = sha256_of(recording.path)
    except AudioError as error:
        return bad_part(recording.clip_id, str(error))
    except FileNotFoundError:
        return bad_part(recording.clip_id, "no such file")
    except OSError as error:
        return bad_part(recording.clip_id, f"unreadable: {error.strerror or error}")
    return _Seen(recording, found, sha256, found_stamp)


def _groups(chunks: Iterable[_Planned], *, most: int) -> Iterator[list[_Planned]]:
    """Chunks in order, as many together as have so many windows at most."""
    group: list[_Planned] = []
    total = 0
    for chunk in chunks:
        if group and total + chunk.windows > most:
            yield group
            group, total = [], 0
        group.append(chunk)
        total += chunk.windows
    if group:
        yield group


def _shard(group: list[_Planned], derivation: Derivation) -> Shard:
    chunks, _, seconds = zip(*group, strict=True)
    return Shard(shard_key(derivation, (chunk.key for chunk in chunks)), chunks, seconds)
