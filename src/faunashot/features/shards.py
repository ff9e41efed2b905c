"""Shards: features of some chunks of recordings, as an array and the times of its rows.

A shard is two files named after a key of all that its bytes depend on: how features are made, and
of which chunks of which recordings, by their SHA-256. So whoever makes one writes the same bytes,
whatever the recordings are called. It is there from when its second file, the times, is. The array
is NumPy's format, or HDF5 of waveforms.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from faunashot.audio import waveforms
from faunashot.errors import StoreError
from faunashot.features.cut import ChunkSpan
from faunashot.features.spec import Derivation, FeatureSpec
from faunashot.files import sha256_of
from faunashot.frontends.base import FloatArray
from faunashot.storage import Storage

if TYPE_CHECKING:
    from faunashot.features.extract import EmbeddedChunk

ARRAYS = {"float32": "npy", "int16": "h5"}
"""Suffixes of arrays by the type of their numbers."""

TIMES = "parquet"
SUFFIXES = (*ARRAYS.values(), TIMES)
AT_ONCE = 8
"""Requests to a storage that may be far away."""

FACTS = b"faunashot"
"""Key of a shard's facts in the metadata of its Parquet file."""

ChunkKey = tuple[str, ChunkSpan]
"""A chunk by its recording's SHA-256."""

_SCHEMA = pa.schema([("chunk", pa.int32()), ("start_s", pa.float64()), ("end_s", pa.float64())])


@dataclass(frozen=True)
class ShardFacts:
    """What is noted of a shard.

    Attributes
    ----------
    key : str
        Its name, see `shard_key`.
    chunks : tuple of (str, ChunkSpan, int)
        Recordings' SHA-256, what of them, and how many rows each has, in the order of the rows.
    array : str
        Name of the array's file.
    sha256 : str
        Of the array's file.
    size : int
        Bytes of the array's file.
    """

    key: str
    chunks: tuple[tuple[str, ChunkSpan, int], ...]
    array: str
    sha256: str
    size: int

    @property
    def n_rows(self) -> int:
        """How many windows it has."""
        return sum(rows for *_, rows in self.chunks)


@dataclass(frozen=True)
class ShardRows:
    """Rows of a shard: windows (n, dim), and what each covers of its recording."""

    windows: FloatArray
    start_s: npt.NDArray[np.float64]
    end_s: npt.NDArray[np.float64]

    def __getitem__(self, rows: slice) -> ShardRows:
        return ShardRows(self.windows[rows], self.start_s[rows], self.end_s[rows])


def shard_key(derivation: Derivation, chunks: Iterable[ChunkKey]) -> str:
    """SHA-256 of all that the bytes of a shard depend on."""
    listed = [[sha256, span.first, span.stop] for sha256, span in chunks]
    made_of = {**derivation.to_json(), "chunks": listed}
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()


def write_shard(
    storage: Storage,
    derivation: Derivation,
    chunks: Sequence[tuple[str, ChunkSpan, int]],
    rows: ShardRows,
) -> ShardFacts:
    """Write a shard, the array first."""
    content = array_file(rows.windows)
    key = shard_key(derivation, ((sha256, span) for sha256, span, _ in chunks))
    array = array_name(key, derivation.spec)
    digest = hashlib.sha256(content).hexdigest()
    facts = ShardFacts(key, tuple(chunks), array, digest, len(content))
    number = np.repeat(np.arange(len(chunks), dtype=np.int32), [n for *_, n in chunks])
    table = pa.table([number, rows.start_s, rows.end_s], schema=_SCHEMA)
    noted = {
        "chunks": [[sha256, span.first, span.stop, n] for sha256, span, n in chunks],
        "bytes": facts.size,
        ARRAYS[derivation.spec.dtype]: facts.sha256,
        "times": _hash(table),
    }
    packed = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({FACTS: json.dumps(noted)}), packed)
    storage.write(array, content)
    storage.write(f"{key}.{TIMES}", packed.getvalue())
    return facts


def as_shard(
    parts: Sequence[EmbeddedChunk],
) -> tuple[list[tuple[str, ChunkSpan, int]], ShardRows]:
    """Chunks that are embedded as `write_shard` takes them."""
    rows = ShardRows(
        np.concatenate([part.windows for part in parts]),
        np.concatenate([part.start_s for part in parts]),
        np.concatenate([part.end_s for part in parts]),
    )
    return [(*part.chunk.key, len(part.windows)) for part in parts], rows


def shards_in(
    storage: Storage, derivation: Derivation, *, keys: Iterable[str] | None = None
) -> Iterator[ShardFacts]:
    """Facts of the shards of one derivation that lie in a storage as a whole, in order of key.

    Parameters
    ----------
    storage : Storage
        It may hold other files and other shards.
    derivation : Derivation
        How they were made.
    keys : iterable of str, optional
        Which of them; all that are there if not given.
    """
    sizes = storage.sizes()
    there = {name.removesuffix(f".{TIMES}") for name in sizes if name.endswith(f".{TIMES}")}
    asked = sorted(there if keys is None else there.intersection(keys))

    def read(key: str) -> ShardFacts | None:
        try:
            facts = _facts(storage.read(f"{key}.{TIMES}"), derivation)
        except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
            return None
        whole = facts.key == key and sizes.get(facts.array) == facts.size
        return facts if whole else None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for at in range(0, len(asked), 8 * AT_ONCE):  # the facts of all may not fit in memory
            yield from filter(None, pool.map(read, asked[at : at + 8 * AT_ONCE]))


def read_rows(storage: Storage, facts: ShardFacts) -> ShardRows:
    """Rows of a shard, memory-mapped where they lie on a local disk.

    Raises
    ------
    StoreError
        It is not what it was when it was written.
    OSError
        It cannot be read, as when it was removed meanwhile.
    """
    windows = read_array(storage, facts.array, sha256=facts.sha256)
    return ShardRows(windows, *read_times(storage, facts.key))


def read_times(
    storage: Storage, key: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Seconds at which the windows of a shard start and end, each of shape (n,)."""
    table = read_table(storage.read(f"{key}.{TIMES}"))
    return table["start_s"].to_numpy(), table["end_s"].to_numpy()


def read_table(packed: bytes) -> pa.Table:
    """The rows of a Parquet file, read without Arrow's threads.

    They would not be worth their start, and the process aborts now and then where it ends while
    they do.
    """
    return pq.ParquetFile(io.BytesIO(packed), pre_buffer=False).read(use_threads=False)


def read_array(storage: Storage, name: str, *, sha256: str) -> FloatArray:
    """An array (n, dim) that has this hash, memory-mapped where it lies on a local disk.

    Raises
    ------
    StoreError
        It has another hash.
    """
    if storage.local is None:
        content = storage.read(name)
        found = hashlib.sha256(content).hexdigest()
    else:
        found = sha256_of(storage.local / name)
    if found != sha256:
        raise StoreError(f"{storage}/{name} is torn: its hash is not the one recorded")
    of_waveforms = name.endswith(ARRAYS["int16"])
    if storage.local is None:
        array = waveforms.from_hdf5 if of_waveforms else _loaded
        return cast("FloatArray", array(content))
    if of_waveforms:
        return cast("FloatArray", waveforms.memory_map(storage.local / name))
    return cast("FloatArray", np.load(storage.local / name, mmap_mode="r", allow_pickle=False))


def array_name(key: str, spec: FeatureSpec) -> str:
    """Name of the file that holds the array of a shard."""
    return f"{key}.{ARRAYS[spec.dtype]}"


def array_file(rows: npt.NDArray[Any]) -> memoryview:
    """Content of the file that holds an array, by the type of its numbers."""
    if rows.dtype == np.int16:
        return waveforms.as_hdf5(rows)
    array = io.BytesIO()
    np.save(array, rows)
    return array.getbuffer()  # no copy


def _loaded(content: bytes) -> npt.NDArray[Any]:
    return cast("FloatArray", np.load(io.BytesIO(content), allow_pickle=False))


def _hash(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for column in _SCHEMA.names:
        digest.update(table[column].to_numpy().tobytes())
    return digest.hexdigest()


def _facts(packed: bytes, derivation: Derivation) -> ShardFacts:
    """What a Parquet file notes; raises `ValueError` where its rows were changed."""
    table = read_table(packed)
    noted: dict[str, Any] = json.loads(table.schema.metadata[FACTS])
    if noted["times"] != _hash(table):
        raise ValueError("its rows are not those that were written")
    chunks = tuple((sha, ChunkSpan(first, stop), n) for sha, first, stop, n in noted["chunks"])
    key = shard_key(derivation, ((sha256, span) for sha256, span, _ in chunks))
    digest = noted[ARRAYS[derivation.spec.dtype]]
    return ShardFacts(key, chunks, array_name(key, derivation.spec), digest, noted["bytes"])
