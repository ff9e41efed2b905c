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
import pytest

from faunashot.errors import StoreError
from faunashot.features import store
from faunashot.features.store import META, Features, FeatureSpec, Rows
from faunashot.frontends.logmel_stats import LogMel
from faunashot.storage import DRAFT, Storage


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
    loaded = store.load(folder, maker=features.maker)
    assert loaded.windows.dtype == np.float32
    np.testing.assert_array_equal(loaded.windows, features.windows)
    pd.testing.assert_frame_equal(loaded.index, features.index)
    assert loaded.maker == features.maker


def test_round_trip(folder: Path, features: Features) -> None:
    _assert_holds(folder, features)


def test_the_blocks_of_joined_backbones_come_back(features: Features, tmp_path: Path) -> None:
    joined = replace(features, maker=replace(features.maker, backbone="tiny+tinier", blocks=(1, 2)))
    store.save(joined, tmp_path / "joined")
    _assert_holds(tmp_path / "joined", joined)
    with pytest.raises(StoreError, match="is stale"):
        store.load(tmp_path / "joined", maker=replace(joined.maker, blocks=(2, 1)))


def test_the_array_is_memory_mapped_and_read_only(folder: Path) -> None:
    windows = store.load(folder).windows
    assert isinstance(windows, np.memmap)
    assert not windows.flags.writeable


def test_features_of_no_clips_round_trip(tmp_path: Path) -> None:
    none = store.empty(LogMel, hop_s=0.5)
    store.save(none, tmp_path / "none")
    assert store.load(tmp_path / "none").windows.shape == (0, LogMel.dim)
    assert list(store.load(tmp_path / "none").index) == ["clip_id", "start_s", "end_s"]


def _array(folder: Path) -> Path:
    (file,) = folder.glob("*.npy")
    return file


def _index(folder: Path) -> Path:
    (file,) = folder.glob("*.parquet")
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


def test_shards_are_one_store_in_the_order_given(features, tmp_path: Path) -> None:
    place = Storage(tmp_path / "shards")
    for key, rows in (("a" * 64, slice(2, 3)), ("b" * 64, slice(0, 0)), ("c" * 64, slice(0, 2))):
        store.write_shard(place, key, features.windows[rows], features.index[rows], facts={})
    with pytest.raises(StoreError, match="is not a features store"):
        store.load(tmp_path / "shards")
    written = store.shards_in(place)
    store.finish(place, [written[key * 64] for key in "cba"], maker=features.maker)
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


@pytest.mark.parametrize("harm", ["no array", "half an array", "no index", "half an index"])
def test_a_shard_that_is_not_whole_is_none(features, tmp_path: Path, harm: str) -> None:
    place = Storage(tmp_path)
    store.write_shard(place, "a" * 64, features.windows, features.index, facts={"bad": []})
    assert store.shards_in(place)["a" * 64]["bad"] == []
    file = _array(tmp_path) if "array" in harm else _index(tmp_path)
    if harm.startswith("no"):
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert store.shards_in(place) == {}


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
    "half of meta": (lambda folder: (folder / META).write_text('{"format": 2'), "run `dvc repro`"),
    "meta of another kind": (lambda folder: (folder / META).write_text("[]"), "run `dvc repro`"),
    "unknown maker": (lambda folder: _edit_meta(folder, maker={"owl": 1}), "run `dvc repro`"),
    "other format": (lambda folder: _edit_meta(folder, format=1), "format 1, this version reads 2"),
    "later format": (
        lambda folder: _edit_meta(folder, format=9, maker={"new": 1}),
        "format 9, this version reads 2",
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
    with pytest.raises(StoreError, match="is not a features store: run `dvc repro`"):
        store.load(tmp_path / "no such store")


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "other"},
        {"version": "2"},
        {"weights_hash": "1" * 64},
        {"sample_rate": 16_000},
        {"window_s": 1.0},
        {"hop_s": 0.5},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_stale_store_is_refused(change: dict, folder: Path, features: Features) -> None:
    with pytest.raises(StoreError, match="is stale"):
        store.load(folder, maker=replace(features.maker, **change))


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
