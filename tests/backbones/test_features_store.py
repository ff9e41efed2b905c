"""The features store comes back as it was written; torn, stale or foreign it is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest

from faunashot.backbones import store
from faunashot.backbones.logmel import LogMel
from faunashot.backbones.store import INDEX, META, WINDOWS, Features, Maker
from faunashot.errors import StoreError


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
    return Features(windows, index, Maker.of(tiny))


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


def test_the_same_features_are_the_same_bytes(folder, features, tmp_path: Path) -> None:
    store.save(features, tmp_path / "again")
    for name in (WINDOWS, INDEX, META):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_a_new_store_replaces_the_old_as_a_whole(folder: Path, features: Features) -> None:
    (folder / "left over").touch()
    fewer = replace(features, windows=features.windows[:1], index=features.index[:1])
    store.save(fewer, folder)
    _assert_holds(folder, fewer)
    assert {file.name for file in folder.iterdir()} == {WINDOWS, INDEX, META}


def test_a_failing_write_leaves_the_old_store_and_no_draft(folder, features) -> None:
    unwritable = replace(features, index=features.index.assign(clip_id=["a", 1, {}]))
    with pytest.raises(pyarrow.ArrowException):
        store.save(unwritable, folder)
    _assert_holds(folder, features)
    assert list(folder.parent.iterdir()) == [folder]


def test_a_draft_that_a_killed_write_left_is_no_hindrance(folder, features) -> None:
    left = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
    left.mkdir()
    (left / "half").touch()
    store.save(features, folder)
    _assert_holds(folder, features)
    assert not (folder / "half").exists()
    assert not left.exists()


def _truncate(folder: Path) -> None:
    content = (folder / WINDOWS).read_bytes()
    (folder / WINDOWS).write_bytes(content[:-4])


def _flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / WINDOWS).read_bytes())
    content[-1] ^= 1
    (folder / WINDOWS).write_bytes(content)


def _edit_index(folder: Path) -> None:
    index = pd.read_parquet(folder / INDEX)
    index.assign(clip_id="c.wav").to_parquet(folder / INDEX, index=False)


def _edit_meta(folder: Path, **changes: object) -> None:
    meta = json.loads((folder / META).read_text())
    (folder / META).write_text(json.dumps(meta | changes))


TEARS: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated": (_truncate, "windows.npy is torn"),
    "one bit": (_flip_a_bit, "windows.npy is torn"),
    "edited index": (_edit_index, "index.parquet is torn"),
    "no windows": (lambda folder: (folder / WINDOWS).unlink(), "run `dvc repro`"),
    "no index": (lambda folder: (folder / INDEX).unlink(), "run `dvc repro`"),
    "no meta": (lambda folder: (folder / META).unlink(), "run `dvc repro`"),
    "half of meta": (lambda folder: (folder / META).write_text('{"format": 1'), "run `dvc repro`"),
    "meta of another kind": (lambda folder: (folder / META).write_text("[]"), "run `dvc repro`"),
    "unknown maker": (lambda folder: _edit_meta(folder, maker={"owl": 1}), "run `dvc repro`"),
    "other format": (lambda folder: _edit_meta(folder, format=2), "format 2, this version reads 1"),
    "later format": (
        lambda folder: _edit_meta(folder, format=9, maker={"new": 1}),
        "format 9, this version reads 1",
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
    np.save(folder / WINDOWS, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    _edit_meta(folder, sha256={})
    with pytest.raises(StoreError, match="Python objects"):
        store.load(folder)


def test_features_that_do_not_match_their_index_are_refused(features: Features) -> None:
    with pytest.raises(StoreError, match="do not match 2 rows"):
        replace(features, index=features.index[:2])
    with pytest.raises(StoreError, match="do not match 3 rows"):
        replace(features, windows=features.windows[:, :2])
