"""Recordings to a store: only what it has not yet, and nothing lost when it is interrupted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from faunashot.backbones.base import Backbone
from faunashot.errors import StoreError
from faunashot.features import store
from faunashot.features.cut import ChunkSpan
from faunashot.features.extract import Chunk, Embedded, embed, index
from faunashot.features.plan import Plan, Shard, bad_part, feature_facts
from faunashot.features.store import FeatureSpec
from faunashot.files import locked
from faunashot.storage import Storage


@dataclass(frozen=True)
class Done:
    """What of a store is done.

    Attributes
    ----------
    seconds : of audio.
    embedded : windows that were embedded for it.
    wrote : keys of the shards that are written with it, by those that were planned.
    """

    seconds: float
    embedded: int
    wrote: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of recordings.

    Attributes
    ----------
    windows : in the store.
    embedded : windows that were embedded for it now.
    bad : what there are no features of, see `faunashot.features.store.Features`.
    """

    windows: int
    embedded: int
    bad: tuple[dict[str, Any], ...]


class Engine(Protocol):
    """Who makes shards: this process, see `local`, or a cluster."""

    def __call__(
        self, shards: Sequence[Shard], plan: Plan, place: Storage, there: ShardIndex
    ) -> Iterator[Done]:
        """Write shards as `write_shards` does; tell what is done as it is done."""
        ...


def local(backbone: Backbone, *, workers: int | None = None) -> Engine:
    """Threads of this process, as many as there are processors if not given."""

    def run(
        shards: Sequence[Shard], plan: Plan, place: Storage, there: ShardIndex
    ) -> Iterator[Done]:
        return write_shards(shards, plan, place, there, backbone, workers=workers)

    return run


def store_features(
    plan: Plan,
    url: str | Path,
    engine: Engine,
    *,
    replace: bool = False,
    on_done: Callable[[Done], None] = lambda done: None,
) -> Outcome:
    """Bring a store to hold what was planned, and nothing else.

    Shards that are there are kept, and of others the pieces that any shard has already. The same
    recordings give the same bytes on every engine, however often a run was killed before.

    Parameters
    ----------
    plan : of the recordings.
    url : a folder that is new, empty or a store, see `faunashot.storage.Storage`.
    engine : who embeds.
    replace : whether the folder may be made anew, whatever it holds.
    on_done : told of each step.

    Raises
    ------
    StoreError
        Another process is writing the store, or the folder holds something else.
    """
    place = Storage(url)
    embedded = 0
    with _alone_in(place):
        _refuse_others(place, plan, replace=replace)
        before = store.shards_in(place)
        names = {shard.key: shard.key for shard in plan.shards}
        todo = [shard for shard in plan.shards if shard.key not in before]
        kept_s = sum(sum(shard.seconds) for shard in plan.shards if shard.key in before)
        on_done(Done(kept_s, 0))
        there = ShardIndex.of(before, plan)
        for done in engine(todo, plan, place, there) if todo else ():
            embedded += done.embedded
            names.update(done.wrote)
            on_done(done)
        after = store.shards_in(place) if todo else before
        lost = [shard.key for shard in plan.shards if names[shard.key] not in after]
        if lost:
            raise StoreError(f"{place}: shard {lost[0][:12]} was not written; run it again")
        facts = [after[names[shard.key]] for shard in plan.shards]
        bad = _merged([*plan.bad, *(part for shard in facts for part in shard["bad"])])
        store.finish(place, facts, maker=plan.maker, bad=bad)
    windows = sum(rows for shard in facts for *_, rows in shard["pieces"])
    return Outcome(windows, embedded, tuple(bad))


def write_shards(
    shards: Sequence[Shard],
    plan: Plan,
    place: Storage,
    there: ShardIndex,
    backbone: Backbone,
    *,
    workers: int | None = None,
) -> Iterator[Done]:
    """Embed the pieces of shards that are not `there` yet, and write the shards."""
    missing = (
        piece
        for shard in shards
        for piece, source in zip(shard.pieces, shard.sources, strict=True)
        if (source, piece.block) not in there.at
    )
    known = ShardReader(place, there)
    stream = embed(missing, backbone, perturbation=plan.perturbation, workers=workers)

    def embedded(piece: Chunk, source: str) -> Embedded:
        if (source, piece.block) not in there.at:
            return next(stream)
        (again,) = embed([piece], backbone, perturbation=plan.perturbation, workers=1)
        return again

    with closing(stream):
        for shard in shards:
            yield from _write_shard(shard, plan, place, known, embedded)


def _write_shard(
    shard: Shard,
    plan: Plan,
    place: Storage,
    known: ShardReader,
    embedded: Callable[[Chunk, str], Embedded],
) -> Iterator[Done]:
    parts: list[Embedded] = []
    bad: list[dict[str, Any]] = []
    for piece, source, seconds in zip(shard.pieces, shard.sources, shard.seconds, strict=True):
        kept = known.get(source, piece)
        part = kept or embedded(piece, source)
        parts.append(part)
        if part.error is not None:
            bad.append(_bad(part, hop_s=plan.maker.hop_s))
        yield Done(seconds, 0 if kept else len(part.windows))
    made_of = [
        [source, part.piece.block.first, part.piece.block.stop, len(part.windows)]
        for source, part in zip(shard.sources, parts, strict=True)
    ]
    facts = {**feature_facts(plan.maker, plan.perturbation), "pieces": made_of, "bad": bad}
    windows = np.concatenate([part.windows for part in parts])
    key = shard.key
    if bad:  # it is tried again, and then written beside, as pieces of this one may be wanted still
        key = hashlib.sha256(f"{key} {json.dumps(bad)}".encode()).hexdigest()
    store.write_shard(place, key, windows, index(parts), facts=facts)
    yield Done(0.0, 0, {shard.key: key})


@dataclass(frozen=True)
class ShardIndex:
    """Pieces that shards of a place hold already, whatever the recordings are called there.

    Attributes
    ----------
    at : of the piece of a recording, by the recording's SHA-256, the key of its shard and its rows.
    shards : facts of those shards.
    """

    at: dict[tuple[str, ChunkSpan], tuple[str, int, int]]
    shards: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, shards: dict[str, dict[str, Any]], plan: Plan) -> ShardIndex:
        """What of shards was made as `plan` makes it."""
        expected, at = feature_facts(plan.maker, plan.perturbation), {}
        for key, facts in shards.items():
            if {name: facts.get(name) for name in expected} != expected:
                continue
            row = 0
            for source, first, stop, rows in facts["pieces"]:
                if rows:
                    at[source, ChunkSpan(first, stop)] = (key, row, row + rows)
                row += rows
        return cls(at, shards)

    def only(self, shard: Shard) -> ShardIndex:
        """What concerns a shard alone, to send it to a worker."""
        pieces = ((s, piece.block) for s, piece in zip(shard.sources, shard.pieces, strict=True))
        at = {piece: self.at[piece] for piece in pieces if piece in self.at}
        return ShardIndex(at, {key: self.shards[key] for key, *_ in at.values()})


class ShardReader:
    """Reads pieces that are there, a shard at a time."""

    def __init__(self, place: Storage, there: ShardIndex) -> None:
        self._place, self._there = place, there
        self._opened: tuple[str, Any] = ("", None)

    def get(self, source: str, piece: Chunk) -> Embedded | None:
        """A piece of the recording with this hash, if it is there.

        None also where its shard is torn, or was written anew since, with what was bad in it.
        """
        at = self._there.at.get((source, piece.block))
        if at is None:
            return None
        key, first, last = at
        if self._opened[0] != key:
            try:
                self._opened = key, store.rows_of(self._place, self._there.shards[key])
            except (OSError, StoreError):
                return None
        windows, rows = self._opened[1]
        start_s, end_s = (rows[name].to_numpy()[first:last] for name in ("start_s", "end_s"))
        return Embedded(piece, windows[first:last], start_s, end_s)


@contextmanager
def _alone_in(place: Storage) -> Iterator[None]:
    if place.local is None:  # whoever else writes there writes the same bytes
        yield
        return
    place.local.mkdir(parents=True, exist_ok=True)
    with locked(place.local, wait=False) as held:
        if not held:
            raise StoreError(f"{place} is being written by another process; wait for it to end")
        yield


def _refuse_others(place: Storage, plan: Plan, *, replace: bool) -> None:
    foreign = store.foreign(place)
    if replace:
        place.remove(foreign)
        return
    if foreign:
        raise StoreError(
            f"{place} holds {min(foreign - {store.META})}, which is no features of this version: "
            "name another folder, or remove it"
        )
    maker = store.maker_of(place)
    if maker is not None and maker != plan.maker:
        raise StoreError(
            f"{place} holds features of {_named(maker)}, not of {_named(plan.maker)}: "
            "name another folder, or remove it"
        )


def _named(maker: FeatureSpec) -> str:
    weights = maker.weights_hash[:12]
    return f"{maker.backbone} {maker.version} (hop {maker.hop_s:g} s, weights {weights})"


def _bad(part: Embedded, *, hop_s: float) -> dict[str, Any]:
    block = part.piece.block
    end_s = None if block.stop is None else block.stop * hop_s
    return bad_part(part.piece, str(part.error), start_s=block.first * hop_s, end_s=end_s)


def _merged(bad: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bad parts that follow each other in a recording, and are bad for one reason, as one."""
    merged: list[dict[str, Any]] = []
    for part in bad:
        last = merged[-1] if merged else {"clip_id": None}
        same = all(last.get(name) == part[name] for name in ("clip_id", "reason"))
        if same and last["end_s"] == part["start_s"]:
            last["end_s"] = part["end_s"]
        else:
            merged.append(dict(part))
    return merged
