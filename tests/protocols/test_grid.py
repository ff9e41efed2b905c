"""Cells of a grid: scored over all folds, each once, in any number of processes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from faunashot.evaluation.summary import MAIN
from faunashot.features import store
from faunashot.protocols.fine_tune import FineTune
from faunashot.protocols.support import grid
from faunashot.protocols.support.grid import Cell, Stores
from faunashot.protocols.support.task import Task
from faunashot.storage import Storage
from faunashot.systems.catalogue import system

THREE = {"cat": 20, "hen": 20, "owl": 20}
PLAIN = system("standardised")


def cell(seed: int = 1, name: str = "plain") -> Cell:
    return Cell(name, PLAIN, "fake", seed, folds="grouped")


@dataclass(frozen=True)
class Ready:
    """Data that is one task; without it nothing can be trained."""

    ready: Task | None
    made_of: str = "x"

    def task(self, cell: Cell) -> Task:
        assert self.ready is not None, "nothing is left to train"
        return replace(self.ready, system=cell.system, seed=cell.seed, folds=cell.folds)


@pytest.fixture
def of_heads(task, clips, table) -> Task:
    target = table(clips(THREE), apart=1.5)
    louder = table(clips(THREE), apart=0.2, seed=1)
    return task(target, test_conditions={"snr_0": louder})


def test_a_cell_scores_every_clip_under_every_condition(of_heads, tmp_path):
    data = Ready(of_heads)
    found = grid.score([cell()], data, place=Storage(tmp_path), workers=1)
    ((_, table),) = found
    clips = of_heads.target.clips
    for condition in (MAIN, "snr_0"):
        of = table[table["condition"] == condition]
        assert sorted(of["clip_id"]) == sorted(clips["clip_id"])
    right = (table["label"] == table["predicted"]).groupby(table["condition"]).mean()
    assert right[MAIN] > right["snr_0"] + 0.1
    outcome = FineTune().run(data.task(cell()))
    scores = outcome.held_out.set_index("clip_id").filter(regex="^p_")
    expected = scores.idxmax(axis=1).str.removeprefix("p_")
    plain = table[table["condition"] == MAIN].set_index("clip_id")
    assert plain["predicted"].equals(expected.loc[plain.index].rename("predicted"))


def test_cells_are_kept_and_given_again(of_heads, tmp_path):
    place, cells = Storage(tmp_path), [cell(1), cell(2), cell(1, "other")]
    first = list(grid.score(cells, Ready(of_heads), place=place, workers=2))
    by_cell = {found.name + str(found.seed): table for found, table in first}
    again = list(grid.score(cells, Ready(None), place=place, workers=1))
    assert len(by_cell) == len(again) == 3
    for found, table in again:
        assert table.equals(by_cell[found.name + str(found.seed)])
    assert not by_cell["plain1"].equals(by_cell["plain2"])
    with pytest.raises(AssertionError, match="nothing is left"):
        list(grid.score(cells, Ready(None, "other data"), place=place, workers=1))


def test_stores_on_disk_are_a_task_with_what_is_heard_beside_it(of_heads, tmp_path):
    clips = of_heads.target.clips
    folders = {}
    for condition, table in {MAIN: of_heads.target, **of_heads.test_conditions}.items():
        folders[condition] = {"fake": tmp_path / condition}
        store.save(table.features, tmp_path / condition)
    data = Stores(clips, folders)
    made = data.task(cell())
    assert set(made.test_conditions) == {"snr_0"}
    for ours, expected in (
        (made.target, of_heads.target),
        (made.test_conditions["snr_0"], of_heads.test_conditions["snr_0"]),
    ):
        assert np.array_equal(
            np.asarray(ours.features.windows), np.asarray(expected.features.windows)
        )
    assert data.made_of == Stores(clips, folders).made_of
    assert data.made_of != Stores(clips, {MAIN: folders[MAIN]}).made_of
    assert data.made_of != Stores(clips, folders, noise=tmp_path / "snr_0").made_of
    other = clips.assign(group=clips["clip_id"])
    assert data.made_of != Stores(other, folders).made_of


def test_another_cell_has_another_key():
    keys = {
        cell().key("x"),
        cell(2).key("x"),
        cell().key("y"),
        replace(cell(), folds="official").key("x"),
        replace(cell(), system=replace(PLAIN, settings={"C": 2.0})).key("x"),
    }
    assert len(keys) == 5


def test_what_other_code_scored_is_another_cell(monkeypatch):
    before = cell().key("x")
    assert cell().key("x") == before
    monkeypatch.setattr(grid, "_code", lambda: "other sources")
    assert cell().key("x") != before
