"""Features of a corpus on disk: shards, an index of all their rows, and what made them.

They are there once ``meta.json`` lists the other files, and not before.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from faunashot.errors import StoreError
from faunashot.features.shards import (
    ARRAYS,
    AT_ONCE,
    SUFFIXES,
    array_file,
    array_name,
    read_array,
    read_table,
)
from faunashot.features.spec import FORMAT, FeatureSpec
from faunashot.files import DRAFT
from faunashot.storage import Storage

META = "meta.json"
LOCK = ".lock"

OURS = re.compile(
    rf"[0-9a-f]{{64}}\.({'|'.join(SUFFIXES)})|index-[0-9a-f]{{64}}\.parquet"
    rf"|{re.escape(DRAFT)}.*|{re.escape(LOCK)}"
)
"""Names of our files but for `META`: what else lies in the folder is not touched."""

_SCHEMA = pa.schema([("clip_id", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64())])


class Rows:
    """Rows of several arrays one below the other, each of which stays on disk."""

    def __init__(self, parts: Sequence[npt.NDArray[np.float32]]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self.shape = (int(self._starts[-1]), parts[0].shape[1])
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.concatenate(self._parts).astype(dtype or self.dtype, copy=False)

    def __getitem__(self, key: Any) -> npt.NDArray[np.float32]:
        """Rows by whatever selects rows of an array, at a cost that grows with those alone."""
        if isinstance(key, slice):
            key = np.arange(*key.indices(len(self)))
        wanted = np.asarray(key)
        if wanted.dtype == bool:
            wanted = np.flatnonzero(wanted)
        flat = wanted.reshape(-1).astype(np.intp)
        if ((flat < -len(self)) | (flat >= len(self))).any():
            raise IndexError(f"there are {len(self)} rows")
        flat = np.where(flat < 0, flat + len(self), flat)
        part_of = np.searchsorted(self._starts, flat, side="right") - 1
        result = np.empty((len(flat), self.shape[1]), self.dtype)
        for at in np.unique(part_of):
            of_part = part_of == at
            result[of_part] = self._parts[at][flat[of_part] - self._starts[at]]
        return result.reshape(*wanted.shape, self.shape[1])


@dataclass(frozen=True)
class Features:
    """Features of a corpus.

    Attributes
    ----------
    windows : ndarray of float32, shape (N, dim)
        A row a window; an array, or `Rows` of several. Of waveforms int16.
    index : DataFrame
        N rows with columns clip_id, start_s, end_s, in the order of `windows`.
    spec : FeatureSpec
        What they are.
    bad : sequence of dict
        What there are no features of: clip_id, from which second (start_s) to which (end_s), and
        why (reason).
    """

    windows: npt.NDArray[np.float32]
    index: pd.DataFrame
    spec: FeatureSpec
    bad: Sequence[dict[str, Any]] = field(default=())

    def __post_init__(self) -> None:
        if self.windows.shape != (len(self.index), self.spec.dim):
            raise StoreError(f"{self.windows.shape} features do not match {len(self.index)} rows")


class IndexWriter:
    """Collects the index of features shard by shard, as the content of a Parquet file."""

    def __init__(self) -> None:
        self._packed = io.BytesIO()
        self._writer = pq.ParquetWriter(self._packed, _SCHEMA)

    def add(
        self,
        clips: Iterable[tuple[str, int]],
        start_s: npt.NDArray[np.float64],
        end_s: npt.NDArray[np.float64],
    ) -> None:
        """Take the rows of a shard: clips with how many rows each has, and what a row covers."""
        clip_ids, lengths = zip(*clips, strict=True)
        numbers = pa.array(np.repeat(np.arange(len(clip_ids), dtype=np.int32), lengths))
        named = pa.DictionaryArray.from_arrays(numbers, pa.array(clip_ids, pa.string()))
        columns = [named.cast(pa.string()), pa.array(start_s), pa.array(end_s)]
        self._writer.write_table(pa.table(columns, schema=_SCHEMA))

    def content(self) -> bytes:
        """All of the file; nothing may be added afterwards."""
        self._writer.close()
        return self._packed.getvalue()


def empty_index() -> pd.DataFrame:
    """The index of no rows."""
    index: pd.DataFrame = _SCHEMA.empty_table().to_pandas()
    return index


def empty(spec: FeatureSpec) -> Features:
    """Features of a corpus without clips."""
    return Features(np.zeros((0, spec.dim), spec.dtype), empty_index(), spec)


def save(features: Features, url: str | Path) -> None:
    """Write features as one shard; they are there as a whole or not at all."""
    storage = Storage(url)
    key = hashlib.sha256(features.windows.tobytes())
    key.update(pd.util.hash_pandas_object(features.index).to_numpy().tobytes())
    index, shards = IndexWriter(), []
    if len(features.index):
        columns = (features.index[name].to_numpy() for name in ("start_s", "end_s"))
        index.add(((clip_id, 1) for clip_id in features.index["clip_id"]), *columns)
        content = array_file(np.asarray(features.windows))
        shards.append((key.hexdigest(), hashlib.sha256(content).hexdigest()))
        storage.write(array_name(key.hexdigest(), features.spec), content)
    finish(storage, shards, index, spec=features.spec, bad=features.bad)


def finish(
    storage: Storage,
    shards: Sequence[tuple[str, str]],
    index: IndexWriter,
    *,
    spec: FeatureSpec,
    bad: Sequence[dict[str, Any]] = (),
) -> None:
    """Make shards that lie in a folder its features, and remove what belongs to them no more.

    Parameters
    ----------
    storage : Storage
        The folder.
    shards : sequence of (str, str)
        Keys and hashes of arrays, in the order of their rows.
    index : IndexWriter
        Of all their rows.
    spec : FeatureSpec
        What they are.
    bad : sequence of dict
        What there are no features of.
    """
    content = index.content()
    digest = hashlib.sha256(content).hexdigest()
    # named by its hash, as the features that are there stay whole until the new meta.json is
    name = f"index-{digest}.parquet"
    storage.write(name, content)
    suffix = ARRAYS[spec.dtype]
    listed = [{"key": key, suffix: sha256} for key, sha256 in shards]
    meta = {"format": FORMAT, "spec": spec.to_json(), "index": digest, "shards": listed}
    meta["bad"] = list(bad)
    storage.write(META, (json.dumps(meta, indent=1, ensure_ascii=False) + "\n").encode())
    kept = {f"{key}.{suffix}" for key, _ in shards for suffix in SUFFIXES} | {name, LOCK}
    storage.remove({name for name in storage.sizes().keys() - kept if OURS.fullmatch(name)})


def load(url: str | Path, *, spec: FeatureSpec | None = None) -> Features:
    """Open features, their arrays memory-mapped where they lie on a local disk.

    Raises
    ------
    StoreError
        They are not there, are torn, or are not of `spec` where one is given.
    """
    storage = Storage(url)
    try:
        packed = storage.read(META)
    except OSError as error:
        raise StoreError(
            f"{url} is not a features store: run `dvc repro`, or name a folder that `faunashot "
            f"embed` wrote (it has no {META} that can be read)"
        ) from error
    try:
        meta = json.loads(packed)
        if meta["format"] != FORMAT:
            raise StoreError(f"{url} has format {meta['format']}, this version reads {FORMAT}")
        found = FeatureSpec.from_json(meta["spec"])

        def array(shard: dict[str, str]) -> npt.NDArray[np.float32]:
            sha256 = shard[ARRAYS[found.dtype]]
            return read_array(storage, array_name(shard["key"], found), sha256=sha256)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            arrays = list(pool.map(array, meta["shards"]))
        index = _index(storage, meta["index"]).to_pandas()
        bad = list(meta["bad"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{url} is not a features store: run `dvc repro` ({error})") from error
    if spec is not None and spec != found:
        raise StoreError(f"{url} is stale: it holds features of {found}, not of {spec}")
    arrays = arrays or [np.zeros((0, found.dim), found.dtype)]
    windows: Any = arrays[0] if len(arrays) == 1 else Rows(arrays)
    return Features(windows, index, found, bad)


def foreign(storage: Storage) -> set[str]:
    """Names of what lies in a folder and is no part of features of this version."""
    names = storage.sizes().keys()
    foreign = {name for name in names - {META} if not OURS.fullmatch(name)}
    return foreign | ({META} & names if foreign else set())


def spec_of(storage: Storage) -> FeatureSpec | None:
    """What a folder holds features of; None where that cannot be told.

    Raises
    ------
    StoreError
        It was written by another version.
    """
    try:
        meta = json.loads(storage.read(META))
        if meta["format"] != FORMAT:
            raise StoreError(
                f"{storage} has format {meta['format']}, this version writes {FORMAT}: "
                "name another folder, or remove it"
            )
        return FeatureSpec.from_json(meta["spec"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clip_ids(storage: Storage) -> set[str]:
    """Recordings that a folder has features of; none where there are none of this version."""
    try:
        index = _index(storage, json.loads(storage.read(META))["index"])
    except (OSError, ValueError, KeyError, TypeError, StoreError):
        return set()
    return set(map(str, index["clip_id"].unique().to_pylist()))


def _index(storage: Storage, sha256: str) -> pa.Table:
    name = f"index-{sha256}.parquet"
    packed = storage.read(name)
    if hashlib.sha256(packed).hexdigest() != sha256:
        raise StoreError(f"{storage}/{name} is torn: its hash is not the one recorded")
    return read_table(packed)
