"""The database holds what the features hold, whatever becomes of them, and finds what is alike."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faunashot.errors import StoreError
from faunashot.features import store
from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features
from faunashot.files import locked
from faunashot.search import database
from faunashot.search.database import Hit, apart, bring_up_to_date, database_of

pytest.importorskip("perch_hoplite", reason="perch-hoplite is not installed")

DIM = 16
SPEC = FeatureSpec("made-up", "1", "0" * 64, 16000, 1.0, 0.5, DIM)


def features(*names: str, n: int = 6, seed: int = 0) -> Features:
    """Recordings of n windows, which overlap by a half; those of a name are always the same."""
    index, windows = [], []
    for name in names:
        start_s = np.arange(n) * 0.5
        index.append(pd.DataFrame({"clip_id": name, "start_s": start_s, "end_s": start_s + 1}))
        rng = np.random.default_rng([seed, *name.encode()])
        windows.append(rng.standard_normal((n, DIM)).astype(np.float32))
    return Features(np.concatenate(windows), pd.concat(index, ignore_index=True), SPEC)


def held(folder: Path) -> set[tuple[str, float]]:
    """Recordings and starts of all windows that a database holds."""
    opened = database.WindowDatabase.open(folder)
    hits = opened.search(np.ones(DIM), n=len(opened), overlapping=True)
    return {(hit.file, hit.start_s) for hit in hits}


def rows(of: Features) -> set[tuple[str, float]]:
    return set(zip(of.index["clip_id"], of.index["start_s"], strict=True))


def test_the_most_similar_window_is_found_by_its_cosine(tmp_path: Path) -> None:
    of = features("a.wav", "b.wav", "c.wav")
    store.save(of, tmp_path / "features")
    opened = database_of(str(tmp_path / "features"))
    assert opened.folder == tmp_path / "features.search"
    query = 3 * of.windows[8]
    unit = of.windows / np.linalg.norm(of.windows, axis=1, keepdims=True)
    for exact in (True, False):
        hits = opened.search(query, n=5, exact=exact, overlapping=True)
        assert (hits[0].file, hits[0].start_s, hits[0].end_s) == ("b.wav", 1.0, 2.0)
        truth = np.sort(unit @ unit[8])[::-1][:5]
        assert [hit.similarity for hit in hits] == pytest.approx(truth, abs=2e-3)


def test_a_window_beside_a_more_similar_one_is_no_answer_of_its_own(tmp_path: Path) -> None:
    bring_up_to_date(tmp_path / "db", features("a.wav", "b.wav"), of="1")
    hits = database.WindowDatabase.open(tmp_path / "db").search(np.ones(DIM), n=4)
    assert len(hits) == 4
    assert apart(hits) == hits
    found = [Hit("a", 0, 1, 0.9), Hit("a", 0.5, 1.5, 0.8), Hit("b", 0, 1, 0.7), Hit("a", 1, 2, 0.6)]
    assert apart(found) == [found[0], found[2], found[3]]


def test_it_follows_features_that_grow_change_and_shrink(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    first, second = features("a.wav", "b.wav"), features("a.wav", "b.wav", "c.wav")
    bring_up_to_date(folder, first, of="1")
    bring_up_to_date(folder, second, of="2")
    assert held(folder) == rows(second)
    changed = features("a.wav", "c.wav", seed=1)
    bring_up_to_date(folder, changed, of="3")
    assert held(folder) == rows(changed)
    (hit,) = database.WindowDatabase.open(folder).search(changed.windows[0], n=1)
    assert (hit.file, hit.similarity) == ("a.wav", pytest.approx(1, abs=2e-3))


def test_nothing_is_written_where_it_has_the_features(tmp_path: Path) -> None:
    bring_up_to_date(tmp_path / "db", features("a.wav"), of="1")
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "db").iterdir()}
    bring_up_to_date(tmp_path / "db", features("a.wav"), of="1")
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "db").iterdir()} == before


def test_an_export_that_ends_in_the_middle_leaves_what_was_there(tmp_path: Path, monkeypatch):
    folder, first = tmp_path / "db", features("a.wav")
    bring_up_to_date(folder, first, of="1")
    monkeypatch.setattr(database, "_note", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bring_up_to_date(folder, features("a.wav", "b.wav"), of="2")
    monkeypatch.undo()
    assert held(folder) == rows(first)
    bring_up_to_date(folder, features("a.wav", "b.wav"), of="2")
    assert held(folder) == rows(features("a.wav", "b.wav"))
    assert [file.name for file in tmp_path.iterdir()] == ["db"]


def test_what_is_no_database_of_these_features_is_refused_in_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    bring_up_to_date(folder, features("a.wav"), of="1")
    other = features("a.wav")
    other = replace(other, spec=replace(SPEC, backbone="another"))
    with pytest.raises(StoreError, match=r"holds windows of made-up 1 .*, not of another 1"):
        bring_up_to_date(folder, other, of="2")
    (folder / "hoplite.sqlite").write_bytes(b"no database at all")
    with pytest.raises(StoreError, match="remove it, and it is made anew"):
        bring_up_to_date(folder, features("a.wav"), of="2")
    with pytest.raises(StoreError, match="no database of windows"):
        database.WindowDatabase.open(tmp_path)
    waveforms = replace(features("a.wav"), spec=replace(SPEC, dtype="int16"))
    with pytest.raises(StoreError, match="waveforms"):
        bring_up_to_date(tmp_path / "new", waveforms, of="1")


def test_a_locked_database_is_a_line(tmp_path: Path) -> None:
    folder = tmp_path / "db"
    bring_up_to_date(folder, features("a.wav"), of="1")
    with locked(tmp_path / ".db.lock"), pytest.raises(StoreError, match="by another process"):
        bring_up_to_date(folder, features("a.wav", "b.wav"), of="2")
    holder = sqlite3.connect(folder / "hoplite.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        reader = sqlite3.connect(folder / "hoplite.sqlite", timeout=0)
        with pytest.raises(StoreError, match="is locked by another"), database._errors_of(folder):
            reader.execute("SELECT * FROM windows")
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_features_without_a_window_are_a_line(tmp_path: Path) -> None:
    store.save(store.empty(SPEC), tmp_path / "features")
    with pytest.raises(StoreError, match="holds no window"):
        database_of(str(tmp_path / "features"))
    with pytest.raises(StoreError, match="is not a features store"):
        database_of(str(tmp_path))
