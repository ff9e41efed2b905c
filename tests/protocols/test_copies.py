"""Altered copies are learned from, shifted ones are scored, and neither where none is asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from faunashot.errors import SplitError
from faunashot.estimators.training.windows import Windows
from faunashot.features.store import Features
from faunashot.protocols.support.scoring import scored
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Learn, Task, clip_scores
from faunashot.systems.catalogue import system

PER_CLASS = {"frog": 10, "owl": 10}


def moved(features: Features, by: float) -> Features:
    """The same windows with other values."""
    return replace(features, windows=np.asarray(features.windows) + np.float32(by))


@pytest.fixture
def plain(clips, table) -> WindowTable:
    return table(clips(PER_CLASS), apart=3.0)


def with_views(plain: WindowTable, *, copies: tuple = (), shifted: tuple = ()) -> WindowTable:
    """The table with copies and shifted copies that lie so far off."""
    return WindowTable(
        plain.clips,
        plain.features,
        copies=[moved(plain.features, by) for by in copies],
        shifted=[moved(plain.features, by) for by in shifted],
    )


def learned_by(task: Task, learn: Learn):
    """What an estimator of the task is given to learn from."""
    return task._learning_set(learn)


def test_copies_are_learned_from_for_a_share_of_the_clips_weight(plain, task) -> None:
    of = task(with_views(plain, copies=(0.5, -0.5)))
    ids, spare = plain.clips["clip_id"].tolist()[:6], plain.clips["clip_id"].tolist()[6:9]
    got = learned_by(of, Learn(ids, validation=spare, unlabelled=spare))
    assert got.train.clip_ids == (*ids, *ids, *ids)
    np.testing.assert_allclose(got.train.clip_weights, 1 / 3)
    own = plain.examples(ids)
    np.testing.assert_array_equal(got.train.labels, np.tile(own.labels, 3))
    np.testing.assert_array_equal(got.train.groups, np.tile(own.groups, 3))
    expected = [own.windows() + np.float32(by) for by in (0, 0.5, -0.5)]
    np.testing.assert_array_equal(got.train.windows(), np.concatenate(expected))
    np.testing.assert_allclose(got.train.means()[6:12], own.means() + 0.5, atol=1e-6)
    assert got.train.of_target.all()
    assert got.unlabelled.clip_ids == (*spare, *spare, *spare)
    assert got.validation.clip_ids == tuple(spare)  # what is chosen on stays as it is


def test_a_network_draws_from_the_windows_of_a_clip_and_of_its_copies(plain, task) -> None:
    ids = plain.clips["clip_id"].tolist()[:4]
    train = learned_by(task(with_views(plain, copies=(0.5,))), Learn(ids)).train
    windows = Windows.of(train, ["frog"])
    assert np.bincount(windows.clip_of).tolist() == [4] * 4
    np.testing.assert_allclose(np.bincount(windows.clip_of, windows.share), 1)


def test_balanced_classes_stay_balanced_among_copies(plain, task, clips, table) -> None:
    source = table(clips({"wind": 4}), apart=3.0)
    of = task(with_views(plain, copies=(0.5,)), source=source)
    ids = [f"frog{n}" for n in range(4)] + ["owl0", "owl1"]
    train = learned_by(of, Learn(ids, source=["wind0", "wind1"], balanced=True)).train
    weight = pd.Series(train.clip_weights).groupby(train.labels).sum()
    assert weight.to_dict() == pytest.approx({"frog": 4, "owl": 4, "wind": 2})
    assert train.of_target.tolist() == [True] * 12 + [False] * 2
    assert list(train.labels[-2:]) == ["wind", "wind"]


def test_scores_are_the_mean_over_shifted_copies(plain, task) -> None:
    of = task(with_views(plain, shifted=(1.0, -2.0)), system=system("logistic"))
    ids = plain.clips["clip_id"].tolist()
    (model,) = of.fit([Learn(ids[::2])])
    views = [plain.examples(ids)] + [
        WindowTable(plain.clips, moved(plain.features, by)).examples(ids) for by in (1.0, -2.0)
    ]
    found = scored(of, model, ids)
    columns = ["p_frog", "p_owl"]
    each = [model.predict(view) for view in views]
    clips = np.mean([one.clips for one in each], axis=0)
    assert np.abs(clips - each[0].clips).max() > 0.05
    np.testing.assert_allclose(found.clips[columns], clips)
    windows = np.mean([one.windows for one in each], axis=0)
    np.testing.assert_allclose(found.windows[columns], windows)
    np.testing.assert_allclose(clip_scores(model, of.target.examples(ids)), clips)
    some = of.target.examples(ids).select([3, 1])
    np.testing.assert_allclose(model.averaged(some).clips, clips[[3, 1]])


def test_learning_knows_nothing_of_shifted_copies(plain, task) -> None:
    ids = plain.clips["clip_id"].tolist()[::2]
    models = [
        next(task(of, system=system("logistic")).fit([Learn(ids)]))
        for of in (plain, with_views(plain, shifted=(5.0,)))
    ]
    every = plain.examples(plain.clips["clip_id"].tolist())
    np.testing.assert_array_equal(*(model.predict(every).clips for model in models))


def test_a_shifted_copy_of_other_windows_is_refused(plain) -> None:
    fewer = replace(
        plain.features, windows=plain.features.windows[1:], index=plain.features.index[1:]
    )
    with pytest.raises(
        SplitError, match="frog0: a shifted copy has other windows; run `dvc repro`"
    ):
        WindowTable(plain.clips, plain.features, shifted=[fewer])


def test_features_that_are_mapped_keep_their_copies(plain) -> None:
    table = with_views(plain, copies=(1.0,), shifted=(2.0,)).through(lambda of: moved(of, 10))
    own = plain.features.windows
    for view, by in ((table, 10), (table.copies[0], 11), (table.shifted[0], 12)):
        np.testing.assert_allclose(view.features.windows, own + np.float32(by), atol=1e-5)
