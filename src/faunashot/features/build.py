"""Recordings to a features folder: only what nobody embedded before, nothing lost when killed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faunashot.errors import StoreError
from faunashot.features import cache, shards, store
from faunashot.features.engine import Engine, Progress, ShardIndex, ShardTarget, WrittenShard
from faunashot.features.extract import Chunk, cores
from faunashot.features.plan import Plan, Shard, bad_part
from faunashot.features.shards import TIMES, ShardFacts
from faunashot.files import locked, sha256_of
from faunashot.storage import Storage

ATTEMPTS = 3
"""How often shards are made again that were taken away before they could be linked."""


@dataclass(frozen=True)
class StoredFeatures:
    """What became of recordings.

    Attributes
    ----------
    windows : int
        In the folder.
    embedded : int
        Windows that were embedded for it now.
    bad : tuple of dict
        What there are no features of, see `faunashot.features.store.Features`.
    """

    windows: int
    embedded: int
    bad: tuple[dict[str, Any], ...]


def store_features(
    plan: Plan,
    url: str | Path,
    engine: Engine,
    *,
    replace: bool = False,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> StoredFeatures:
    """Bring a features folder to hold what was planned, and nothing else.

    It is made of links into the cache, see `faunashot.features.cache`; what the cache has not is
    put together from chunks that it has and such as have to be embedded. The same plan gives the
    same bytes with every engine and every cache, however often a run was killed before.

    Parameters
    ----------
    plan : Plan
        Of the recordings.
    url : str or Path
        A folder that is new, empty or of features, see `faunashot.storage.Storage`.
    engine : Engine
        Who embeds.
    replace : bool
        Whether the folder may be made anew, whatever it holds.
    on_progress : callable
        Told of each step.

    Raises
    ------
    StoreError
        Another process is writing the folder, or it holds something else, or a recording is not
        the one that was listed.
    """
    folder, cached = Storage(url), cache.shards_of(plan.derivation)
    embedded = 0
    with _alone_in(folder):
        _refuse_others(folder, plan, replace=replace)
        made = _MadeFolder(plan, ShardTarget(cached, folder))
        on_progress(Progress(made.take_what_is_there(), 0))
        if made.lacking:
            with cache.filling(cached):
                if found_s := made.take_what_is_there():  # by who filled it before
                    on_progress(Progress(found_s, 0))
                for _ in range(ATTEMPTS):
                    for step in made.embed(engine):
                        embedded += step.embedded
                        on_progress(step)
        return made.finish(embedded)


class _MadeFolder:
    """A features folder that is being made."""

    def __init__(self, plan: Plan, target: ShardTarget) -> None:
        self.plan, self.target = plan, target
        self.made: dict[str, WrittenShard] = {}
        self.warned = False

    @property
    def lacking(self) -> list[Shard]:
        """Shards that the folder has not yet."""
        return [shard for shard in self.plan.shards if shard.key not in self.made]

    def take_what_is_there(self) -> float:
        """Take what the folder or the cache has of just the shards that lack; gives its seconds."""
        before = self.lacking
        for storage in (self.target.folder, self.target.cached):
            keys = [shard.key for shard in self.lacking]
            if not keys:
                break
            for facts in shards.shards_in(storage, self.plan.derivation, keys=keys):
                self._take(facts.key, WrittenShard(facts, storage, {}))
        return sum(sum(shard.seconds) for shard in before if shard.key in self.made)

    def embed(self, engine: Engine) -> Iterator[Progress]:
        """Have the shards made that lack."""
        todo = self.lacking
        if not todo:
            return
        known, wanted = ShardIndex(), {chunk.key for shard in todo for chunk in shard.chunks}
        for storage in (self.target.folder, self.target.cached):
            for facts in shards.shards_in(storage, self.plan.derivation):
                known.add(storage, facts, wanted=wanted)
        _refuse_unlisted(todo, self.plan, known)
        for step in engine(todo, self.plan, self.target, known):
            for key, written in step.written.items():
                self._take(key, written)
            if step.cache_error and not self.warned:
                self.warned = True
                print(
                    f"faunashot: {self.target.cached}: {step.cache_error}; features are kept in "
                    f"{self.target.folder} alone",
                    file=sys.stderr,
                )
            yield step

    def _take(self, key: str, written: WrittenShard) -> None:
        """Link a shard into the folder; not where it is torn or gone by now."""
        facts, folder = written.facts, self.target.folder
        if facts is None:
            self.made[key] = written
            return
        array, times = facts.array, f"{facts.key}.{TIMES}"
        try:
            if written.storage.local is not None:
                shards.read_array(written.storage, array, sha256=facts.sha256)
            if written.storage.url != folder.url:
                folder.link(array, written.storage)
                # a copy, so that the cache's may be touched
                folder.write(times, written.storage.read(times))
                cache.touch(written.storage, facts.key)
        except StoreError:
            written.storage.remove({array, times})
        except FileNotFoundError:
            pass
        else:
            self.made[key] = written

    def finish(self, embedded: int) -> StoredFeatures:
        """Make what was taken the folder's features."""
        plan, folder = self.plan, self.target.folder
        if self.lacking:
            key = self.lacking[0].key
            raise StoreError(f"{folder}: shard {key[:12]} was not written; run it again")
        made = [(shard, self.made[shard.key]) for shard in plan.shards]
        found: list[dict[str, Any]] = [*plan.bad]
        index = store.IndexWriter()
        kept: list[ShardFacts] = []
        for shard, written in made:
            for number, reason in written.bad.items():
                found.append(_bad(shard.chunks[number], reason, hop_s=plan.derivation.spec.hop_s))
            if written.facts is None:
                continue
            good = (c for number, c in enumerate(shard.chunks) if number not in written.bad)
            lengths = (rows for *_, rows in written.facts.chunks)
            clips = [(chunk.clip_id, rows) for chunk, rows in zip(good, lengths, strict=True)]
            index.add(clips, *shards.read_times(folder, written.facts.key))
            kept.append(written.facts)
        bad = _merged(found)
        listed = [(facts.key, facts.sha256) for facts in kept]
        store.finish(folder, listed, index, spec=plan.derivation.spec, bad=bad)
        return StoredFeatures(sum(facts.n_rows for facts in kept), embedded, tuple(bad))


@contextmanager
def _alone_in(folder: Storage) -> Iterator[None]:
    if folder.local is None:  # whoever else writes there writes the same bytes
        yield
        return
    folder.local.mkdir(parents=True, exist_ok=True)
    with locked(folder.local / store.LOCK, timeout_s=0) as held:
        if not held:
            raise StoreError(f"{folder} is being written by another process; wait for it to end")
        yield


def _refuse_others(folder: Storage, plan: Plan, *, replace: bool) -> None:
    foreign = store.foreign(folder)
    if replace:
        folder.remove(foreign)
        return
    if foreign:
        raise StoreError(
            f"{folder} holds {min(foreign - {store.META})}, which is no features of this version: "
            "name another folder, or remove it"
        )
    spec = store.spec_of(folder)
    if spec is not None and spec != plan.derivation.spec:
        raise StoreError(
            f"{folder} holds features of {spec}, not of {plan.derivation.spec}: "
            "name another folder, or remove it"
        )


def _refuse_unlisted(planned: Sequence[Shard], plan: Plan, known: ShardIndex) -> None:
    """Refuse recordings that would be cached under a hash that was listed and is theirs no more."""
    missing = {
        chunk.clip_id: chunk
        for shard in planned
        for chunk in shard.chunks
        if chunk.clip_id in plan.listed and chunk.key not in known.rows
    }

    def is_listed(chunk: Chunk) -> bool:
        if not isinstance(chunk.source, Path):
            return True
        try:
            return sha256_of(chunk.source) == chunk.sha256
        except OSError:
            return True  # to be told of it in turn

    with ThreadPoolExecutor(cores()) as pool:
        for chunk, same in zip(
            missing.values(), pool.map(is_listed, missing.values()), strict=True
        ):
            if not same:
                raise StoreError(
                    f"{chunk.source!s} was changed since it was listed: "
                    "run `dvc repro`, or list it anew"
                )


def _bad(chunk: Chunk, reason: str, *, hop_s: float) -> dict[str, Any]:
    stop = chunk.span.stop
    end_s = None if stop is None else stop * hop_s
    return bad_part(chunk.clip_id, reason, start_s=chunk.span.first * hop_s, end_s=end_s)


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
