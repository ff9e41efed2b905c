"""Recordings to a store: only what it has not yet, and nothing lost when it is interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from faunashot.backbones import store
from faunashot.backbones.base import Backbone
from faunashot.backbones.cut import Block
from faunashot.backbones.extract import Embedded, Piece, embed, index
from faunashot.backbones.plan import Plan, Shard, bad_part
from faunashot.backbones.store import Maker
from faunashot.errors import StoreError
from faunashot.files import locked
from faunashot.places import Place


@dataclass(frozen=True)
class Done:
    """What of a store is done: seconds of audio, and the windows that were embedded for it."""

    seconds: float
    embedded: int


@dataclass(frozen=True)
class Outcome:
    """What became of recordings.

    Attributes
    ----------
    windows : in the store.
    embedded : windows that were embedded for it now.
    bad : what there are no features of, see `faunashot.backbones.store.Features`.
    """

    windows: int
    embedded: int
    bad: tuple[dict[str, Any], ...]


class Engine(Protocol):
    """Who makes shards: this process, see `local`, or a cluster."""

    def __call__(self, shards: Sequence[Shard], plan: Plan, place: Place) -> Iterator[Done]:
        """Write shards as `write_shards` does; tell what is done as it is done."""
        ...


def local(backbone: Backbone, *, workers: int | None = None) -> Engine:
    """Threads of this process, as many as there are processors if not given."""

    def run(shards: Sequence[Shard], plan: Plan, place: Place) -> Iterator[Done]:
        return write_shards(shards, plan, place, backbone, workers=workers)

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
    url : a folder that is new, empty or a store, see `faunashot.places.Place`.
    engine : who embeds.
    replace : whether the folder may be made anew, whatever it holds.
    on_done : told of each step.

    Raises
    ------
    StoreError
        Another process is writing the store, or the folder holds something else.
    """
    place = Place(url)
    embedded = 0
    with _alone_in(place):
        _refuse_others(place, plan, replace=replace)
        todo = [shard for shard in plan.shards if not _whole(place, shard)]
        there = sum(sum(s.seconds) for s in plan.shards) - sum(sum(s.seconds) for s in todo)
        on_done(Done(there, 0))
        for done in engine(todo, plan, place) if todo else ():
            embedded += done.embedded
            on_done(done)
        facts = [_facts(place, shard) for shard in plan.shards]
        bad = _merged([*plan.bad, *(part for fact in facts for part in fact["bad"])])
        keys = [shard.key for shard in plan.shards]
        store.finish(place, keys, maker=plan.maker, bad=bad)
    windows = sum(rows for fact in facts for *_, rows in fact["pieces"])
    return Outcome(windows, embedded, tuple(bad))


def write_shards(
    shards: Sequence[Shard],
    plan: Plan,
    place: Place,
    backbone: Backbone,
    *,
    workers: int | None = None,
) -> Iterator[Done]:
    """Embed the pieces of shards that are in no shard of the place yet, and write the shards."""
    there = _Reusable(place, plan)

    def missing() -> Iterator[Piece]:
        for shard in shards:
            for piece, source in zip(shard.pieces, shard.sources, strict=True):
                if (source, piece.block) not in there:
                    yield piece

    stream = embed(missing(), backbone, equaliser=plan.equaliser, workers=workers)
    with closing(stream) as fresh:
        for shard in shards:
            yield from _write_shard(shard, plan, place, there, fresh)


def _write_shard(
    shard: Shard, plan: Plan, place: Place, there: _Reusable, fresh: Iterator[Embedded]
) -> Iterator[Done]:
    parts: list[Embedded] = []
    bad: list[dict[str, Any]] = []
    for piece, source, seconds in zip(shard.pieces, shard.sources, shard.seconds, strict=True):
        known = there.get(source, piece)
        part = known or next(fresh)
        parts.append(part)
        if part.error is not None:
            bad.append(_bad(part, hop_s=plan.maker.hop_s))
        yield Done(seconds, 0 if known else len(part.windows))
    made_of = [
        [source, part.piece.block.first, part.piece.block.stop, len(part.windows)]
        for source, part in zip(shard.sources, parts, strict=True)
    ]
    facts = {**_made_by(plan), "pieces": made_of, "bad": bad}
    windows = np.concatenate([part.windows for part in parts])
    store.write_shard(place, shard.key, windows, index(parts), facts=facts)


class _Reusable:
    """Pieces that shards of a place hold already, whatever the recordings are called there."""

    def __init__(self, place: Place, plan: Plan) -> None:
        self._place = place
        self._at: dict[tuple[str, Block], tuple[str, int, int]] = {}
        self._opened: tuple[str, Any] = ("", None)
        for key in sorted(store.shards_in(place)):
            facts = store.facts_of(place, key)
            if facts is None or {name: facts.get(name) for name in _made_by(plan)} != _made_by(
                plan
            ):
                continue
            row = 0
            for source, first, stop, rows in facts["pieces"]:
                if rows:
                    self._at[source, Block(first, stop)] = (key, row, row + rows)
                row += rows

    def __contains__(self, piece: tuple[str, Block]) -> bool:
        return piece in self._at

    def get(self, source: str, piece: Piece) -> Embedded | None:
        """A piece of the recording with this hash, if it is there."""
        at = self._at.get((source, piece.block))
        if at is None:
            return None
        key, first, last = at
        if self._opened[0] != key:
            self._opened = key, store.rows_of(self._place, key)
        windows, rows = self._opened[1]
        start_s, end_s = (rows[name].to_numpy()[first:last] for name in ("start_s", "end_s"))
        return Embedded(piece, windows[first:last], start_s, end_s)


@contextmanager
def _alone_in(place: Place) -> Iterator[None]:
    if place.local is None:  # whoever else writes there writes the same bytes
        yield
        return
    place.local.mkdir(parents=True, exist_ok=True)
    with locked(place.local, wait=False) as held:
        if not held:
            raise StoreError(f"{place} is being written by another process; wait for it to end")
        yield


def _refuse_others(place: Place, plan: Plan, *, replace: bool) -> None:
    foreign = store.foreign(place)
    if replace:
        place.remove(foreign)
        return
    if foreign:
        raise StoreError(
            f"{place} holds {min(foreign - {store.META})}, which is no features of this version: "
            "name another folder, or remove it"
        )
    made_by = store.maker_of(place)
    if made_by is not None and made_by != plan.maker:
        raise StoreError(
            f"{place} holds features of {_named(made_by)}, not of {_named(plan.maker)}: "
            "name another folder, or remove it"
        )


def _named(maker: Maker) -> str:
    weights = maker.weights_hash[:12]
    return f"{maker.backbone} {maker.version} (hop {maker.hop_s:g} s, weights {weights})"


def _whole(place: Place, shard: Shard) -> bool:
    facts = store.facts_of(place, shard.key)
    return facts is not None and not facts["bad"]  # what was bad is tried again


def _facts(place: Place, shard: Shard) -> dict[str, Any]:
    facts = store.facts_of(place, shard.key)
    if facts is None:
        raise StoreError(f"{place}: shard {shard.key[:12]} was not written; run it again")
    return facts


def _made_by(plan: Plan) -> dict[str, Any]:
    made_by = {"maker": asdict(plan.maker), "equaliser": plan.equaliser and asdict(plan.equaliser)}
    decoded: dict[str, Any] = json.loads(json.dumps({"format": store.FORMAT, **made_by}))
    return decoded


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
