"""Waveforms as features: int16 rows in HDF5, cached, resumed and refused as all features are."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile as sf

import faunashot.features.plan as plan_module
from faunashot.audio.waveforms import as_hdf5, as_int16, from_hdf5, memory_map
from faunashot.errors import ParameterError, StoreError
from faunashot.features import pruning, store
from faunashot.features.build import store_features
from faunashot.features.engine import local
from faunashot.features.extract import embed_clips
from faunashot.features.extractors import Extractor, extractor
from faunashot.features.plan import Recording, plan
from faunashot.features.spec import FeatureSpec
from faunashot.storage import Storage

RATE = 8_000


@pytest.fixture
def waveform() -> Extractor:
    return extractor("waveform", options={"rate_hz": RATE, "window_s": 0.5})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recordings in 16 bits of 0.3, 0.5 and 1.2 s."""
    made = tmp_path / "clips"
    made.mkdir()
    draw = np.random.default_rng(1)
    for name, length_s in (("a", 0.3), ("b", 0.5), ("c", 1.2)):
        samples = draw.integers(-9_000, 9_000, round(length_s * RATE)).astype(np.int16)
        sf.write(made / f"{name}.wav", samples, RATE)
    return made


def stored(folder: Path, out: Path | str, waveform: Extractor) -> int:
    recordings = [Recording(file.name, file) for file in sorted(folder.iterdir())]
    return store_features(plan(recordings, waveform), out, local(waveform, workers=1)).embedded


def test_the_samples_of_a_16_bit_file_come_back(folder, waveform, tmp_path: Path) -> None:
    assert stored(folder, tmp_path / "out", waveform) == 5
    loaded = store.load(tmp_path / "out", spec=FeatureSpec.of(waveform))
    assert isinstance(loaded.windows, np.memmap)
    assert loaded.windows.dtype == np.int16
    assert loaded.index["clip_id"].tolist() == ["a.wav", "b.wav", *["c.wav"] * 3]
    heard, _ = sf.read(folder / "c.wav", dtype="int16")
    row = loaded.windows[[2, 3, 4]].reshape(-1)
    np.testing.assert_array_equal(row[: len(heard)], heard)
    assert not row[len(heard) :].any()


def test_any_hdf5_reader_reads_them(folder, waveform, tmp_path: Path) -> None:
    stored(folder, tmp_path / "out", waveform)
    (file,) = (tmp_path / "out").glob("*.h5")
    with h5py.File(file) as opened:
        np.testing.assert_array_equal(opened["waveform"], store.load(tmp_path / "out").windows)


def test_nothing_is_packed_twice(folder, waveform, tmp_path: Path) -> None:
    stored(folder, tmp_path / "out", waveform)
    assert stored(folder, tmp_path / "again", waveform) == 0
    sf.write(folder / "d.wav", np.full(RATE // 2, 0.1), RATE)
    sf.write(folder / "e.wav", np.sin(np.arange(RATE // 2)), RATE)
    assert stored(folder, tmp_path / "more", waveform) == 1  # the other is silent
    (entry,) = pruning.entries()
    assert {path.suffix for item in entry.items for path in item.paths} == {".h5", ".parquet"}


def test_random_rows_of_several_shards(folder, waveform, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(plan_module, "SHARD_BYTES", 2 * 2 * waveform.dim)
    stored(folder, tmp_path / "out", waveform)
    assert len(list((tmp_path / "out").glob("*.h5"))) == 2
    rows = store.load(tmp_path / "out").windows
    assert rows.dtype == np.int16
    every = np.asarray(rows)
    np.testing.assert_array_equal(rows[[4, 0, 2, 4]], every[[4, 0, 2, 4]])


def test_a_file_that_was_cut_off_is_refused_then_packed_again(folder, waveform, tmp_path) -> None:
    stored(folder, tmp_path / "out", waveform)
    (file,) = (tmp_path / "out").glob("*.h5")
    content = file.read_bytes()
    file.unlink()  # it shares its bytes with the cache
    file.write_bytes(content[:-100])
    with pytest.raises(StoreError, match="is torn"):
        store.load(tmp_path / "out")
    assert stored(folder, tmp_path / "out", waveform) == 0
    assert len(store.load(tmp_path / "out").windows) == 5


def test_they_are_read_from_where_there_are_no_memory_maps(folder, waveform, tmp_path) -> None:
    stored(folder, "memory://waveforms", waveform)
    stored(folder, tmp_path / "out", waveform)
    here, there = (store.load(at).windows for at in (tmp_path / "out", "memory://waveforms"))
    np.testing.assert_array_equal(here, there)
    assert Storage("memory://waveforms").sizes().keys() == {
        file.name for file in (tmp_path / "out").iterdir()
    }


def test_what_is_embedded_in_memory_is_the_same(folder, waveform, tmp_path: Path) -> None:
    stored(folder, tmp_path / "out", waveform)
    found = embed_clips([(file.name, file) for file in sorted(folder.iterdir())], waveform)
    np.testing.assert_array_equal(found.windows, store.load(tmp_path / "out").windows)


def test_features_of_no_clips_are_int16_too(waveform, tmp_path: Path) -> None:
    store.save(store.empty(FeatureSpec.of(waveform)), tmp_path / "none")
    assert store.load(tmp_path / "none").windows.dtype == np.int16


def test_loud_samples_are_clipped_not_wrapped() -> None:
    loud = np.array([-3, -1, -0.5 / 32768, 0.6 / 32768, 1, 7], np.float32)
    assert as_int16(loud).tolist() == [-32768, -32768, 0, 1, 32767, 32767]


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(b"no HDF5")
    with pytest.raises(StoreError, match="cut off or no HDF5 file"):
        memory_map(tmp_path / "x.h5")
    with h5py.File(tmp_path / "y.h5", "w") as file:
        file["other"] = [1]
        file.create_dataset("waveform", (4, 4), "i2", chunks=(1, 4))
    with pytest.raises(StoreError, match="does not lie in one piece"):
        memory_map(tmp_path / "y.h5")
    with pytest.raises(StoreError, match="no HDF5 file"):
        from_hdf5(bytes(as_hdf5(np.zeros((2, 2), np.int16)))[:90])


def test_windows_follow_each_other_unless_a_hop_is_set() -> None:
    assert extractor("waveform", options={"window_s": 5.0}).hop_s == 5.0
    assert extractor("waveform", options={"window_s": 5.0, "hop_s": 2.5}).hop_samples == 80_000
    with pytest.raises(ParameterError, match=r"frontends\.waveform\.hop_s: 9 s is longer"):
        extractor("waveform", options={"window_s": 5.0, "hop_s": 9.0})
