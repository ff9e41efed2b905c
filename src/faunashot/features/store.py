"""Features on disk: shards of an array and its index, each by its own, and what made them.

A shard is two files named after a key of what it is made of, so whoever makes it writes the same
bytes. A store is there once its ``meta.json`` lists them, and not before.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from faunashot.backbones.base import Backbone
from faunashot.errors import StoreError
from faunashot.storage import DRAFT, Storage

FORMAT = 2
META = "meta.json"
ARRAY, INDEX = SUFFIXES = "npy", "parquet"
AT_ONCE = 8
"""Requests to a store that may be far away."""

OURS = re.compile(rf"[0-9a-f]{{64}}\.({ARRAY}|{INDEX})|{re.escape(DRAFT)}.*")
"""Names of shards and of drafts: what else lies in the folder is not touched."""

FACTS = b"faunashot"
"""Key of a shard's facts in the metadata of its Parquet file."""

_SCHEMA = pa.schema([("clip_id", pa.string()), ("start_s", pa.float64()), ("end_s", pa.float64())])


@dataclass(frozen=True)
class FeatureSpec:
    """What made a store; a store of another maker is stale."""

    backbone: str
    version: str
    weights_hash: str
    sample_rate: int
    window_s: float
    hop_s: float
    dim: int
    blocks: tuple[int, ...] = ()  # widths, where several backbones are joined

    @classmethod
    def of(cls, backbone: Backbone) -> FeatureSpec:
        """The maker that `backbone` is."""
        return cls(
            backbone=backbone.name,
            version=backbone.version,
            weights_hash=backbone.weights_hash,
            sample_rate=backbone.sample_rate,
            window_s=backbone.window_s,
            hop_s=backbone.hop_s,
            dim=backbone.dim,
        )

    @classmethod
    def noted(cls, facts: dict[str, Any]) -> FeatureSpec:
        """The maker that a store notes; raises `TypeError` or `KeyError` where that is none."""
        return cls(**{**facts, "blocks": tuple(facts["blocks"])})


class Rows:
    """Rows of several arrays one below the other, each of which stays on disk."""

    dtype = np.dtype(np.float32)

    def __init__(self, parts: Sequence[npt.NDArray[np.float32]]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *map(len, parts)])
        self.shape = (int(self._starts[-1]), parts[0].shape[1])

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
        result = np.empty((len(flat), self.shape[1]), np.float32)
        for at in np.unique(part_of):
            of_part = part_of == at
            result[of_part] = self._parts[at][flat[of_part] - self._starts[at]]
        return result.reshape(*wanted.shape, self.shape[1])


@dataclass(frozen=True)
class Features:
    """Features of a corpus.

    Attributes
    ----------
    windows : float32, shape (N, dim), one row a window; an array, or `Rows` of several.
    index : N rows with columns clip_id, start_s, end_s, in the order of `windows`.
    maker : what made them.
    bad : what there are no features of: clip_id, from which second (start_s) to which, and why.
    """

    windows: npt.NDArray[np.float32]
    index: pd.DataFrame
    maker: FeatureSpec
    bad: Sequence[dict[str, Any]] = field(default=())

    def __post_init__(self) -> None:
        if self.windows.shape != (len(self.index), self.maker.dim):
            raise StoreError(f"{self.windows.shape} features do not match {len(self.index)} rows")


def empty(backbone: type[Backbone], *, hop_s: float) -> Features:
    """Features of a corpus without clips, for which no weights need to be loaded."""
    facts = {k: getattr(backbone, k) for k in ("version", "sample_rate", "window_s", "dim")}
    maker = FeatureSpec(backbone=backbone.name, weights_hash="", hop_s=hop_s, **facts)
    return Features(np.zeros((0, maker.dim), np.float32), _SCHEMA.empty_table().to_pandas(), maker)


def save(features: Features, url: str | Path) -> None:
    """Write features as a store of one shard; it is there as a whole or not at all."""
    place = Storage(url)
    key = hashlib.sha256(features.windows.tobytes())
    key.update(pd.util.hash_pandas_object(features.index).to_numpy().tobytes())
    shards = [key.hexdigest()] if len(features.index) else []
    for name in shards:
        write_shard(place, name, features.windows, features.index, facts={})
    written = [_facts(place, name) for name in shards]
    finish(place, written, maker=features.maker, bad=features.bad)


def write_shard(
    place: Storage,
    key: str,
    windows: npt.NDArray[np.float32],
    index: pd.DataFrame,
    *,
    facts: dict[str, Any],
) -> None:
    """Write a shard; it counts from when its second file, the index, is there."""
    array = io.BytesIO()
    np.save(array, windows)
    content = array.getbuffer()  # no copy
    place.write(f"{key}.{ARRAY}", content)
    digest = hashlib.sha256(content).hexdigest()
    facts = {**facts, "bytes": len(content), ARRAY: digest}
    table = pa.Table.from_pandas(index, schema=_SCHEMA, preserve_index=False)
    # pandas' own notes have its version in them
    table = table.replace_schema_metadata({FACTS: json.dumps(facts)})
    packed = io.BytesIO()
    pq.write_table(table, packed)
    place.write(f"{key}.{INDEX}", packed.getvalue())


def finish(
    place: Storage,
    shards: Sequence[dict[str, Any]],
    *,
    maker: FeatureSpec,
    bad: Sequence[dict[str, Any]] = (),
) -> None:
    """Make shards the store, and remove what belongs to it no more.

    Parameters
    ----------
    place : where they lie.
    shards : facts of them in the order of their rows, as `shards_in` gives them.
    maker : of the features.
    bad : what there are no features of.
    """
    listed = [{name: facts[name] for name in ("key", *SUFFIXES)} for facts in shards]
    meta = {"format": FORMAT, "maker": asdict(maker), "shards": listed, "bad": list(bad)}
    place.write(META, (json.dumps(meta, indent=1, ensure_ascii=False) + "\n").encode())
    kept = {f"{shard['key']}.{suffix}" for shard in listed for suffix in SUFFIXES}
    place.remove({name for name in place.sizes().keys() - kept if OURS.fullmatch(name)})


def load(url: str | Path, *, maker: FeatureSpec | None = None) -> Features:
    """Open a store, its arrays memory-mapped where they lie on a local disk.

    Raises
    ------
    StoreError
        It is not there, is torn, or was not made by `maker` where one is given.
    """
    place = Storage(url)
    try:
        meta = json.loads(place.read(META))
        if meta["format"] != FORMAT:
            raise StoreError(f"{url} has format {meta['format']}, this version reads {FORMAT}")
        made_by = FeatureSpec.noted(meta["maker"])
        arrays = [_array(place, shard) for shard in meta["shards"]]
        tables = [_index(place, shard) for shard in meta["shards"]]
        bad = list(meta["bad"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{url} is not a features store: run `dvc repro` ({error})") from error
    if maker is not None and maker != made_by:
        raise StoreError(f"{url} is stale: it was made by {made_by}, not by {maker}")
    if not arrays:
        arrays, tables = [np.zeros((0, made_by.dim), np.float32)], [_SCHEMA.empty_table()]
    windows: Any = arrays[0] if len(arrays) == 1 else Rows(arrays)
    return Features(windows, pa.concat_tables(tables).to_pandas(), made_by, bad)


def foreign(place: Storage) -> set[str]:
    """Names of what lies in a place and is no part of a store of this version."""
    names = place.sizes().keys()
    foreign = {name for name in names - {META} if not OURS.fullmatch(name)}
    return foreign | ({META} & names if foreign else set())


def maker_of(place: Storage) -> FeatureSpec | None:
    """What made a store; None where that cannot be told.

    Raises
    ------
    StoreError
        It was written by another version.
    """
    try:
        meta = json.loads(place.read(META))
        if meta["format"] != FORMAT:
            raise StoreError(
                f"{place} has format {meta['format']}, this version writes {FORMAT}: "
                "name another folder, or remove it"
            )
        return FeatureSpec.noted(meta["maker"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def clip_ids(place: Storage) -> set[str]:
    """Recordings that a store has features of; none where there is no store of this version."""
    try:
        shards = json.loads(place.read(META))["shards"]
        tables = [_index(place, shard) for shard in shards]
    except (OSError, ValueError, KeyError, TypeError, StoreError):
        return set()
    return {str(clip_id) for table in tables for clip_id in table["clip_id"].unique().to_pylist()}


def shards_in(place: Storage) -> dict[str, dict[str, Any]]:
    """Facts of the shards that lie in a place as a whole, by key, listed by its store or not.

    They are what `write_shard` was given, and ``key``, ``npy`` and ``parquet``: the hashes of both
    files.
    """
    sizes = place.sizes()

    def read(key: str) -> dict[str, Any] | None:
        try:
            facts = _facts(place, key)
            whole = ARRAY in facts and sizes.get(f"{key}.{ARRAY}") == facts["bytes"]
            return facts if whole else None
        except (OSError, StoreError, KeyError):
            return None

    keys = sorted(name.split(".")[0] for name in sizes if name.endswith(f".{INDEX}"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {key: facts for key, facts in zip(keys, pool.map(read, keys), strict=True) if facts}


def rows_of(place: Storage, facts: dict[str, Any]) -> tuple[npt.NDArray[np.float32], pd.DataFrame]:
    """Array and index of a shard that `shards_in` found."""
    return _array(place, facts), _index(place, facts).to_pandas()


def _facts(place: Storage, key: str) -> dict[str, Any]:
    """What was noted of a shard, with the hashes of its files."""
    packed = place.read(f"{key}.{INDEX}")
    try:
        noted = json.loads(pq.read_schema(io.BytesIO(packed)).metadata[FACTS])
        return {**noted, "key": key, INDEX: hashlib.sha256(packed).hexdigest()}
    except (ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise StoreError(f"{place}/{key}.{INDEX} is torn ({error})") from error


def _array(place: Storage, shard: dict[str, str]) -> npt.NDArray[np.float32]:
    name = f"{shard['key']}.{ARRAY}"
    if place.local is None:
        content = place.read(name)
        _refuse_torn(place, name, hashlib.sha256(content), shard[ARRAY])
        return cast("npt.NDArray[np.float32]", np.load(io.BytesIO(content), allow_pickle=False))
    with (place.local / name).open("rb") as opened:
        _refuse_torn(place, name, hashlib.file_digest(opened, "sha256"), shard[ARRAY])
    return cast(
        "npt.NDArray[np.float32]", np.load(place.local / name, mmap_mode="r", allow_pickle=False)
    )


def _index(place: Storage, shard: dict[str, str]) -> pa.Table:
    name = f"{shard['key']}.{INDEX}"
    packed = place.read(name)
    _refuse_torn(place, name, hashlib.sha256(packed), shard[INDEX])
    return pq.read_table(io.BytesIO(packed)).replace_schema_metadata(None)


def _refuse_torn(place: Storage, name: str, found: Any, expected: str) -> None:
    if found.hexdigest() != expected:
        raise StoreError(f"{place}/{name} is torn: its hash is not the one recorded")
