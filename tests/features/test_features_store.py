"""The features store comes back as it was written; torn, stale or foreign it is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq
import pytest

from faunashot.errors import StoreError
from faunashot.features import shards, store
from faunashot.features.cut import ChunkSpan
from faunashot.features.shards import ShardRows
from faunashot.features.spec import Derivation, FeatureSpec
from faunashot.features.store import META, Features, IndexWriter, Rows
from faunashot.files import DRAFT
from faunashot.storage import Storage


@pytest.fixture
def features(tiny) -> Features:
    index = pd.DataFrame(
        {
            "clip_id": ["b.wav", "b.wav", "a/ñ.ogg"],
            "start_s": [0.0, 0.25, 0.0],
            "end_s": [0.5, 0.6, 0.1],
        }
    )
    windows = np.random.default_rng(4).normal(size=(3, tiny.dim)).astype(np.float32)
    return Features(windows, index, FeatureSpec.of(tiny))


@pytest.fixture
def folder(features: Features, tmp_path: Path) -> Path:
    """A store, the only thing in its parent."""
    store.save(features, tmp_path / "features" / "tiny")
    return tmp_path / "features" / "tiny"


def _assert_holds(folder: Path, features: Features) -> None:
    loaded = store.load(folder, spec=features.spec)
    assert loaded.windows.dtype == np.float32
    np.testing.assert_array_equal(loaded.windows, features.windows)
    pd.testing.assert_frame_equal(loaded.index, features.index)
    assert loaded.spec == features.spec


def test_round_trip(folder: Path, features: Features) -> None:
    _assert_holds(folder, features)


def test_the_blocks_of_joined_backbones_come_back(features: Features, tmp_path: Path) -> None:
    joined = replace(features, spec=replace(features.spec, backbone="tiny+tinier", blocks=(1, 2)))
    store.save(joined, tmp_path / "joined")
    _assert_holds(tmp_path / "joined", joined)
    with pytest.raises(StoreError, match="is stale"):
        store.load(tmp_path / "joined", spec=replace(joined.spec, blocks=(2, 1)))


def test_the_array_is_memory_mapped_and_read_only(folder: Path) -> None:
    windows = store.load(folder).windows
    assert isinstance(windows, np.memmap)
    assert not windows.flags.writeable


def test_features_of_no_clips_round_trip(tmp_path: Path) -> None:
    none = store.empty(DERIVATION.spec)
    store.save(none, tmp_path / "none")
    assert store.load(tmp_path / "none").windows.shape == (0, DERIVATION.spec.dim)
    assert list(store.load(tmp_path / "none").index) == ["clip_id", "start_s", "end_s"]


def _array(folder: Path) -> Path:
    (file,) = folder.glob("*.npy")
    return file


def _index(folder: Path) -> Path:
    (file,) = folder.glob("index-*.parquet")
    return file


def test_the_same_features_are_the_same_bytes(folder, features, tmp_path: Path) -> None:
    store.save(features, tmp_path / "again")
    assert len(list(folder.iterdir())) == 3
    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_a_new_store_replaces_the_old_as_a_whole(folder: Path, features: Features) -> None:
    fewer = replace(features, windows=features.windows[:1], index=features.index[:1])
    store.save(fewer, folder)
    _assert_holds(folder, fewer)
    assert len(list(folder.iterdir())) == 3


def test_what_is_no_features_is_never_removed(folder: Path, features: Features) -> None:
    for name in ("owl.wav", "notes.parquet", f"{'x' * 64}.npy"):
        (folder / name).touch()
    (folder / f"{DRAFT}left by a killed run").touch()
    (folder / f"{'0' * 64}.npy").touch()
    store.save(features, folder)
    _assert_holds(folder, features)
    kept = {file.name for file in folder.iterdir()} - {_meta_names(folder)[0], META}
    assert {"owl.wav", "notes.parquet", f"{'x' * 64}.npy"} < kept
    assert not any(name.startswith((DRAFT, "0" * 64)) for name in kept)


def _meta_names(folder: Path) -> list[str]:
    return [shard["key"] for shard in json.loads((folder / META).read_text())["shards"]]


def test_a_failing_write_leaves_the_old_store(folder, features) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    unwritable = replace(features, index=features.index.assign(clip_id=["a", "b", {}]))
    with pytest.raises((pyarrow.ArrowException, TypeError)):
        store.save(unwritable, folder)
    _assert_holds(folder, features)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


DERIVATION = Derivation(FeatureSpec("tiny", "1", "0" * 64, 8_000, 0.5, 0.25, 3))


def written(storage: Storage, features: Features, rows: slice, *, sha256: str) -> shards.ShardFacts:
    """A shard of some rows, as of one chunk of a recording."""
    times = (features.index[name].to_numpy()[rows] for name in ("start_s", "end_s"))
    part = ShardRows(features.windows[rows], *times)
    chunks = [(sha256, ChunkSpan(), len(part.windows))]
    return shards.write_shard(storage, DERIVATION, chunks, part)


def test_shards_are_one_store_in_the_order_given(features, tmp_path: Path) -> None:
    storage, index = Storage(tmp_path / "shards"), IndexWriter()
    parts = {"a": slice(2, 3), "b": slice(0, 0), "c": slice(0, 2)}
    facts = {name: written(storage, features, parts[name], sha256=name) for name in parts}
    with pytest.raises(StoreError, match="is not a features store"):
        store.load(tmp_path / "shards")
    for name in "cba":
        rows = features.index[parts[name]]
        times = shards.read_times(storage, facts[name].key)
        index.add([(clip_id, 1) for clip_id in rows["clip_id"]] or [("none", 0)], *times)
    listed = [(facts[name].key, facts[name].sha256) for name in "cba"]
    store.finish(storage, listed, index, spec=features.spec)
    _assert_holds(tmp_path / "shards", features)
    loaded = store.load(tmp_path / "shards").windows
    assert isinstance(loaded, Rows)
    for key in (
        1,
        -1,
        slice(1, 3),
        slice(None, None, -2),
        [2, 0, -3],
        np.array([[0, 1], [2, 2]]),
        np.array([], dtype=int),
    ):
        np.testing.assert_array_equal(loaded[key], features.windows[key])
    np.testing.assert_array_equal(loaded[[True, False, True]], features.windows[[0, 2]])
    assert np.vstack([loaded, loaded]).shape == (6, 3)
    for beyond in ([3], -4):
        with pytest.raises(IndexError):
            loaded[beyond]


HARMS = ["no array", "half an array", "no times", "half the times", "other times"]


@pytest.mark.parametrize("harm", HARMS)
def test_a_shard_that_is_not_whole_is_none(features, tmp_path: Path, harm: str) -> None:
    storage = Storage(tmp_path)
    facts = written(storage, features, slice(0, 3), sha256="a")
    assert list(shards.shards_in(storage, DERIVATION)) == [facts]
    (file,) = tmp_path.glob("*.npy" if "array" in harm else "*.parquet")
    if harm.startswith("no"):
        file.unlink()
    elif harm.startswith("half"):
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        table = pq.read_table(file)
        pq.write_table(table.set_column(2, "end_s", table["start_s"]), file)
    assert list(shards.shards_in(storage, DERIVATION)) == []


def test_a_shard_under_another_name_or_of_another_derivation_is_none(features, tmp_path) -> None:
    storage = Storage(tmp_path)
    facts = written(storage, features, slice(0, 3), sha256="a")
    other = replace(DERIVATION, perturbation={"snr_db": 0.0})
    assert list(shards.shards_in(storage, other)) == []
    for file in list(tmp_path.glob(f"{facts.key}.*")):
        file.rename(tmp_path / f"{'0' * 64}{file.suffix}")
    assert list(shards.shards_in(storage, DERIVATION)) == []


def test_what_is_bad_comes_with_the_features(features: Features, tmp_path: Path) -> None:
    part = {"clip_id": "c.wav", "start_s": 60.0, "end_s": None, "reason": "cut off"}
    store.save(replace(features, bad=[part]), tmp_path / "bad")
    assert store.load(tmp_path / "bad").bad == [part]


def _truncate(folder: Path) -> None:
    _array(folder).write_bytes(_array(folder).read_bytes()[:-4])


def _flip_a_bit(folder: Path) -> None:
    content = bytearray(_array(folder).read_bytes())
    content[-1] ^= 1
    _array(folder).write_bytes(content)


def _edit_index(folder: Path) -> None:
    index = pd.read_parquet(_index(folder))
    index.assign(clip_id="c.wav").to_parquet(_index(folder), index=False)


def _edit_meta(folder: Path, **changes: object) -> None:
    meta = json.loads((folder / META).read_text())
    (folder / META).write_text(json.dumps(meta | changes))


TEARS: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (_truncate, "npy is torn"),
    "one bit": (_flip_a_bit, "npy is torn"),
    "edited index": (_edit_index, "parquet is torn"),
    "no windows": (lambda folder: _array(folder).unlink(), "run `dvc repro`"),
    "no index": (lambda folder: _index(folder).unlink(), "run `dvc repro`"),
    "no meta": (lambda folder: (folder / META).unlink(), "run `dvc repro`"),
    "half of meta": (lambda folder: (folder / META).write_text('{"format": 3'), "run `dvc repro`"),
    "meta of another kind": (lambda folder: (folder / META).write_text("[]"), "run `dvc repro`"),
    "unknown spec": (lambda folder: _edit_meta(folder, spec={"owl": 1}), "run `dvc repro`"),
    "other format": (lambda folder: _edit_meta(folder, format=1), "format 1, this version reads 3"),
    "later format": (
        lambda folder: _edit_meta(folder, format=9, spec={"new": 1}),
        "format 9, this version reads 3",
    ),
}


@pytest.mark.parametrize("tear", TEARS)
def test_a_torn_store_is_refused(tear: str, folder: Path) -> None:
    damage, reason = TEARS[tear]
    damage(folder)
    with pytest.raises(StoreError) as caught:
        store.load(folder)
    assert reason in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_missing_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is not a features store: run `dvc repro`") as caught:
        store.load(tmp_path / "no such store")
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "other"},
        {"version": "2"},
        {"weights_hash": "1" * 64},
        {"sample_rate": 16_000},
        {"window_s": 1.0},
        {"hop_s": 0.5},
        {"layer": "low"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_stale_store_is_refused(change: dict, folder: Path, features: Features) -> None:
    with pytest.raises(StoreError, match="is stale"):
        store.load(folder, spec=replace(features.spec, **change))


def test_nothing_is_unpickled(folder: Path) -> None:
    np.save(_array(folder), np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (shard,) = json.loads((folder / META).read_text())["shards"]
    array = hashlib.sha256(_array(folder).read_bytes()).hexdigest()
    _edit_meta(folder, shards=[{**shard, "npy": array}])
    with pytest.raises(StoreError, match="Python objects"):
        store.load(folder)


def test_features_that_do_not_match_their_index_are_refused(features: Features) -> None:
    with pytest.raises(StoreError, match="do not match 2 rows"):
        replace(features, index=features.index[:2])
    with pytest.raises(StoreError, match="do not match 3 rows"):
        replace(features, windows=features.windows[:, :2])
