"""Shards from what is cached and what has to be embedded, by the threads of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, field
from typing import Protocol

from faunashot.errors import StoreError
from faunashot.features import cache, shards
from faunashot.features.beside import LayersBeside
from faunashot.features.extract import Chunk, EmbeddedChunk, embed
from faunashot.features.extractors import Extractor
from faunashot.features.plan import Plan, Shard
from faunashot.features.shards import ChunkKey, ShardFacts, ShardRows
from faunashot.storage import Storage


@dataclass(frozen=True)
class WrittenShard:
    """What became of a shard that was planned.

    Attributes
    ----------
    facts : ShardFacts or None
        Of what was written: the chunks that are good. None where none is.
    storage : Storage
        Where it is.
    bad : dict of int to str
        Why, by the numbers of the chunks that were planned and are bad.
    """

    facts: ShardFacts | None
    storage: Storage
    bad: dict[int, str]


@dataclass(frozen=True)
class Progress:
    """A step of the way to shards.

    Attributes
    ----------
    seconds : float
        Of audio that are dealt with.
    embedded : int
        Windows that were embedded for it.
    written : dict of str to WrittenShard
        Shards that are written with it, by the key that was planned.
    cache_error : str, optional
        Why they could not be written to the cache.
    """

    seconds: float
    embedded: int
    written: dict[str, WrittenShard] = field(default_factory=dict)
    cache_error: str | None = None


@dataclass(frozen=True)
class ShardTarget:
    """Where shards are written: the cache, or where that cannot be written, a features folder."""

    cached: Storage
    folder: Storage


class Engine(Protocol):
    """Who makes shards: this process, see `local`, or a cluster."""

    def __call__(
        self, shards: Sequence[Shard], plan: Plan, target: ShardTarget, known: ShardIndex
    ) -> Iterator[Progress]:
        """Write shards as `write_shards` does; tell what is done as it is done."""
        ...


def local(
    extractor: Extractor, *, beside: Sequence[Extractor] = (), workers: int | None = None
) -> Engine:
    """Threads of this process, as many as there are processors if not given.

    Further layers `beside` are cached from the same pass, see `LayersBeside`.
    """

    def run(
        shards: Sequence[Shard], plan: Plan, target: ShardTarget, known: ShardIndex
    ) -> Iterator[Progress]:
        work = (shards, plan, target, known, extractor)
        return write_shards(*work, beside=beside, workers=workers)

    return run


@dataclass(frozen=True)
class ShardIndex:
    """Chunks that shards hold already, whatever they were embedded for.

    Attributes
    ----------
    rows : dict
        Of a chunk, the key of its shard and its first and last row there.
    shards : dict
        Those shards' facts, and where they lie, by key.
    """

    rows: dict[ChunkKey, tuple[str, int, int]] = field(default_factory=dict)
    shards: dict[str, tuple[Storage, ShardFacts]] = field(default_factory=dict)

    def add(
        self, storage: Storage, facts: ShardFacts, *, wanted: AbstractSet[ChunkKey] | None = None
    ) -> None:
        """Note a shard that lies in a storage, where it has any of the chunks that are wanted."""
        row = 0
        for sha256, span, rows in facts.chunks:
            if wanted is None or (sha256, span) in wanted:
                self.rows[sha256, span] = (facts.key, row, row + rows)
                self.shards[facts.key] = (storage, facts)
            row += rows

    def only(self, shard: Shard) -> ShardIndex:
        """What concerns one shard, to send it to a worker."""
        keys = {chunk.key for chunk in shard.chunks}
        rows = {key: self.rows[key] for key in keys if key in self.rows}
        return ShardIndex(rows, {key: self.shards[key] for key, *_ in rows.values()})


class ShardReader:
    """Reads chunks that are there, with a few shards open at a time."""

    MOST_OPEN = 8

    def __init__(self, index: ShardIndex) -> None:
        self.index = index
        self._open: dict[str, ShardRows | None] = {}

    def get(self, chunk: Chunk) -> EmbeddedChunk | None:
        """A chunk that is there; None also where its shard is torn, which is removed, or gone."""
        at = self.index.rows.get(chunk.key)
        if at is None:
            return None
        key, first, last = at
        if key not in self._open:
            while len(self._open) >= self.MOST_OPEN:
                del self._open[next(iter(self._open))]
            self._open[key] = self._read(key)
        rows = self._open[key]
        if rows is None:
            return None
        rows = rows[first:last]
        return EmbeddedChunk(chunk, rows.windows, rows.start_s, rows.end_s)

    def _read(self, key: str) -> ShardRows | None:
        storage, facts = self.index.shards[key]
        try:
            return shards.read_rows(storage, facts)
        except StoreError:
            storage.remove({f"{key}.{suffix}" for suffix in shards.SUFFIXES})
        except OSError:  # removed meanwhile
            pass
        return None


def write_shards(
    planned: Sequence[Shard],
    plan: Plan,
    target: ShardTarget,
    known: ShardIndex,
    extractor: Extractor,
    *,
    beside: Sequence[Extractor] = (),
    workers: int | None = None,
) -> Iterator[Progress]:
    """Embed the chunks of shards that are not known yet, each once, and write the shards."""
    missing: dict[ChunkKey, Chunk] = {}
    for shard in planned:
        for chunk in shard.chunks:
            if chunk.key not in known.rows:
                missing.setdefault(chunk.key, chunk)
    reader = ShardReader(known)
    writer = _Writer(plan, target)
    layers = LayersBeside(extractor, beside, perturbation=plan.perturbation, missing=missing)
    stream = embed(
        list(missing.values()), layers.extractor, perturbation=plan.perturbation, workers=workers
    )

    def embedded(chunk: Chunk) -> EmbeddedChunk:
        if missing.pop(chunk.key, None) is not None:
            return layers.split(next(stream))
        (again,) = embed([chunk], extractor, perturbation=plan.perturbation, workers=1)
        return again

    with closing(stream):
        for shard in planned:
            yield from _write_shard(shard, reader, writer, embedded)
            layers.write()


def _write_shard(
    shard: Shard,
    reader: ShardReader,
    writer: _Writer,
    embedded: Callable[[Chunk], EmbeddedChunk],
) -> Iterator[Progress]:
    good: list[EmbeddedChunk] = []
    bad: dict[int, str] = {}
    here: dict[ChunkKey, EmbeddedChunk] = {}  # a recording may be there twice
    for number, (chunk, seconds) in enumerate(zip(shard.chunks, shard.seconds, strict=True)):
        kept = here.get(chunk.key) or reader.get(chunk)
        part = kept or embedded(chunk)
        if part.error is None:
            good.append(part)
            here[chunk.key] = part
        else:
            bad[number] = part.error
        yield Progress(seconds, 0 if kept else len(part.windows))
    if not good:
        yield Progress(0.0, 0, {shard.key: WrittenShard(None, writer.target.folder, bad)})
        return
    storage, facts = writer.write(good, reader.index)
    reader.index.add(storage, facts)
    written = {shard.key: WrittenShard(facts, storage, bad)}
    yield Progress(0.0, 0, written, writer.cache_error)


class _Writer:
    """Writes shards to the cache, and where that fails to the features folder from then on."""

    def __init__(self, plan: Plan, target: ShardTarget) -> None:
        self.derivation, self.target = plan.derivation, target
        self.cache_error: str | None = None

    def write(
        self, parts: Sequence[EmbeddedChunk], index: ShardIndex
    ) -> tuple[Storage, ShardFacts]:
        """Write a shard, where it is not there; gives where it is."""
        key = shards.shard_key(self.derivation, (part.chunk.key for part in parts))
        if key in index.shards:
            return index.shards[key]
        chunks, rows = shards.as_shard(parts)
        cached, folder = self.target.cached, self.target.folder
        if self.cache_error is None:
            try:
                cache.note(cached, self.derivation)
                return cached, shards.write_shard(cached, self.derivation, chunks, rows)
            except OSError as error:
                self.cache_error = error.strerror or str(error)
        return folder, shards.write_shard(folder, self.derivation, chunks, rows)
