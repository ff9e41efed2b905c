"""Rows come back sorted, whatever fits into memory, and leave nothing on the disk."""

from __future__ import annotations

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faunashot.data import external_sort
from faunashot.data.external_sort import ExternalSort
from faunashot.errors import ends_in_one_line

ROW = [("key", np.int64), ("value", np.int32)]


def _filled(keys: list[list[int]], rows: int) -> ExternalSort:
    """Rows whose values are their numbers."""
    filled = ExternalSort(ROW, rows=rows)
    number = 0
    for some in keys:
        filled.append(key=np.array(some, dtype=np.int64), value=np.arange(len(some)) + number)
        number += len(some)
    return filled


@given(
    keys=st.lists(st.lists(st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1)), max_size=20),
    rows=st.integers(1, 30) | st.just(1000),
)
@settings(deadline=None)
def test_every_row_comes_back_and_each_key_in_one_part(keys, rows):
    with _filled(keys, rows) as filled:
        parts = list(filled)
    keys_given = [key for some in keys for key in some]
    found = [(int(row["key"]), int(row["value"])) for part in parts for row in part]
    assert sorted(found) == sorted((key, n) for n, key in enumerate(keys_given))
    assert [key for key, _ in found] == sorted(keys_given)
    ends = [(part["key"][0], part["key"][-1]) for part in parts]
    assert all(one[1] < other[0] for one, other in pairwise(ends))


def test_parts_are_about_as_large_as_memory_allows():
    keys = np.random.default_rng(0).integers(2**60, size=(40, 5000)).tolist()
    with _filled(keys, 20_000) as filled:
        sizes = [len(part) for part in filled]
    assert sum(sizes) == 200_000
    assert len(sizes) >= 8
    assert max(sizes) < 30_000


def test_what_fits_into_memory_does_not_reach_the_disk(monkeypatch):
    monkeypatch.setattr(external_sort, "_temporary_file", lambda: pytest.fail("on disk"))
    with _filled([[3, 1], [2]], 4) as filled:
        assert [part["key"].tolist() for part in filled] == [[1, 2, 3]]


def _fails_halfway() -> None:
    with _filled([[1, 2], [0, 4]], 2) as filled:
        next(iter(filled))
        raise ValueError("halfway")


def test_nothing_is_left_behind_also_after_an_error(monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ValueError, match="halfway"):
        _fails_halfway()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_told_in_one_line_that_names_the_folder(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Path("/dev/full").open("r+b", buffering=0) as full:
        monkeypatch.setattr(external_sort, "_temporary_file", lambda: full)
        with pytest.raises(SystemExit), ends_in_one_line():
            _filled([[1, 2]], 2)
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert str(tmp_path) in message
    assert "no disk space" in message
