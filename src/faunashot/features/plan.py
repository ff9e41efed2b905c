"""Which pieces of which recordings make which shard of a store: the same for every engine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from faunashot.audio.decode import Announced, announced
from faunashot.audio.perturbation import Perturbation
from faunashot.backbones.base import Backbone
from faunashot.errors import AudioError
from faunashot.features.cut import blocks, expected_windows
from faunashot.features.extract import Chunk, cores, stamp
from faunashot.features.store import FORMAT, FeatureSpec

SHARD_WINDOWS = 4_096
"""Windows of a shard: what a killed run loses at most, and what is in memory at once."""


@dataclass(frozen=True)
class Recording:
    """What is to be embedded under a name; its SHA-256 where that is known already."""

    clip_id: str
    path: Path
    sha256: str | None = None


@dataclass(frozen=True)
class Shard:
    """Pieces that are stored together.

    Attributes
    ----------
    key : of everything its bytes depend on.
    pieces : in the order of their rows.
    sources : of each piece, the SHA-256 of its recording.
    seconds : of each piece, what it is expected to hold of audio.
    """

    key: str
    pieces: tuple[Chunk, ...]
    sources: tuple[str, ...]
    seconds: tuple[float, ...]


@dataclass(frozen=True)
class Plan:
    """Shards of a store in order, and what is known to be bad before anything is decoded."""

    maker: FeatureSpec
    perturbation: Perturbation | None
    shards: tuple[Shard, ...]
    bad: tuple[dict[str, Any], ...]

    @property
    def seconds(self) -> float:
        """What all shards are expected to hold of audio."""
        return sum(sum(shard.seconds) for shard in self.shards)


def plan(
    recordings: Iterable[Recording],
    backbone: Backbone,
    *,
    perturbation: Perturbation | None = None,
    workers: int | None = None,
) -> Plan:
    """Read the headers of recordings, hash them, and share their pieces out among shards."""
    pieces: list[_Planned] = []
    bad: list[dict[str, Any]] = []
    with ThreadPoolExecutor(workers or cores()) as pool:
        for seen in pool.map(_survey, recordings):
            if isinstance(seen, dict):
                bad.append(seen)
                continue
            found = None if perturbation else seen.announced  # which needs the whole of a recording
            parts = blocks(found, backbone)
            if found is not None and found.cut_off and len(parts) > 1:
                # what is there of a long recording is good; a short one is refused when decoded
                reason = f"cut off: {found.cut_off}"
                bad.append(bad_part(seen.recording, reason, start_s=found.duration_s))
            n = 1 if found is None else expected_windows(found, backbone)
            for part in parts:
                piece = Chunk(seen.recording.clip_id, seen.recording.path, part, seen.stamp)
                stop, end_s = n, seen.announced.duration_s if seen.announced else backbone.hop_s
                if part.stop is not None:
                    stop, end_s = part.stop, part.stop * backbone.hop_s
                seconds = end_s - part.first * backbone.hop_s
                pieces.append(_Planned(piece, seen.sha256, stop - part.first, seconds))
    maker = FeatureSpec.of(backbone)
    shards = [_shard(group, maker, perturbation) for group in _groups(pieces)]
    return Plan(maker, perturbation, tuple(shards), tuple(bad))


def bad_part(
    recording: Recording | Chunk, reason: str, *, start_s: float = 0.0, end_s: float | None = None
) -> dict[str, Any]:
    """What there are no features of: a recording, or seconds of it; to its end where None."""
    return {"clip_id": recording.clip_id, "start_s": start_s, "end_s": end_s, "reason": reason}


def feature_facts(maker: FeatureSpec, perturbation: Perturbation | None) -> dict[str, Any]:
    """All that features depend on beside the recordings, as JSON gives it back.

    ``equaliser`` is any perturbation: it was the only one when stores were first written.
    """
    treated = perturbation.facts() if perturbation else None
    facts = {"format": FORMAT, "maker": asdict(maker), "equaliser": treated}
    decoded: dict[str, Any] = json.loads(json.dumps(facts))
    return decoded


@dataclass(frozen=True)
class _Seen:
    recording: Recording
    announced: Announced | None
    sha256: str
    stamp: tuple[int, int]


class _Planned(NamedTuple):
    piece: Chunk
    source: str
    windows: int
    seconds: float


def _survey(recording: Recording) -> _Seen | dict[str, Any]:
    try:
        found_stamp = stamp(recording.path)
        found = announced(recording.path)
        sha256 = recording.sha256
        if sha256 is None:
            with recording.path.open("rb") as opened:
                sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    except AudioError as error:
        return bad_part(recording, str(error))
    except FileNotFoundError:
        return bad_part(recording, "no such file")
    except OSError as error:
        return bad_part(recording, f"unreadable: {error.strerror or error}")
    return _Seen(recording, found, sha256, found_stamp)


def _groups(pieces: Iterable[_Planned]) -> Iterator[list[_Planned]]:
    """Pieces in order, as many together as have `SHARD_WINDOWS` windows."""
    group: list[_Planned] = []
    total = 0
    for piece in pieces:
        if group and total + piece.windows > SHARD_WINDOWS:
            yield group
            group, total = [], 0
        group.append(piece)
        total += piece.windows
    if group:
        yield group


def _shard(group: list[_Planned], maker: FeatureSpec, perturbation: Perturbation | None) -> Shard:
    pieces, sources, _, seconds = zip(*group, strict=True)
    made_of = {
        **feature_facts(maker, perturbation),
        "pieces": [
            [piece.clip_id, source, piece.block.first, piece.block.stop]
            for piece, source in zip(pieces, sources, strict=True)
        ],
    }
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    return Shard(key, pieces, sources, seconds)
