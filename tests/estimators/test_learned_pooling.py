"""Heads that learn how to pool: one window of many, several labels, seeds, files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import check_grad

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.estimators.kinds import estimator_class, make_estimator
from faunashot.estimators.learned_pooling import Bags
from faunashot.features.store import Features, FeatureSpec
from faunashot.systems.catalogue import system

KINDS = ["attentive", "prototypical"]
NAMES = ("cat", "hen", "owl")
DIM = 12


def clips(n: int, *, seed: int = 0, windows: int = 12, several: bool = False) -> Examples:
    """Clips of which one window carries the class, loud; the others are alike in all classes."""
    rng = np.random.default_rng(seed)
    of = np.eye(3)[np.arange(n) % 3]
    if several:
        of[::4] = np.maximum(of[::4], np.roll(of[::4], 1, axis=1))
    values = rng.normal(size=(n, windows, DIM))
    for clip, row in enumerate(of):
        for kind in np.flatnonzero(row):
            values[clip, rng.integers(windows)] += 4 * np.eye(3, DIM)[kind]
    start = np.tile(np.arange(windows, dtype=float), n)
    ids = np.repeat([f"c{i}" for i in range(n)], windows)
    index = pd.DataFrame({"clip_id": ids, "start_s": start, "end_s": start + 1})
    rows = values.reshape(-1, DIM).astype(np.float32)
    return Examples(
        clip_ids=tuple(f"c{i}" for i in range(n)),
        labels=np.array([";".join(np.array(NAMES)[row > 0]) for row in of]),
        groups=np.array([f"g{i}" for i in range(n)]),
        classes=NAMES,
        multi_label=several,
        features=Features(rows, index, FeatureSpec("x", "", "", 1, 1, 1, DIM)),
        rows=np.arange(n * windows),
        counts=np.full(n, windows),
    )


def accuracy(scores: np.ndarray, examples: Examples) -> float:
    return float((scores.argmax(axis=1) == examples.targets.argmax(axis=1)).mean())


@pytest.mark.parametrize("kind", KINDS)
def test_one_window_of_many_is_found_better_than_by_the_mean(kind):
    train, test = clips(150), clips(150, seed=1)
    mean = make_head("logistic", {"C": 0.1}, steps=["standardise"]).fit(train)
    found = make_estimator(kind, {"C": 0.1, "steps": ("standardise",)}).fit(train)
    ours, theirs = (accuracy(model.predict_clips(test), test) for model in (found, mean))
    assert ours > theirs + 0.1
    assert ours > 0.9
    scores = found.predict(test)
    assert scores.windows.shape == (150 * 12, 3)
    np.testing.assert_allclose(scores.clips.sum(axis=1), 1)


@pytest.mark.parametrize("kind", KINDS)
def test_clips_of_several_labels_are_learned(kind):
    train, test = clips(150, several=True), clips(150, seed=1, several=True)
    how = {"C": 1.0, "steps": ("standardise",)}
    found = make_estimator(kind, how).fit(train).predict(test)
    assert ((found.clips > 0.5) == (test.targets > 0)).mean() > 0.8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("several", [False, True])
def test_the_gradient_is_that_of_the_logits(kind, several):
    model = make_estimator(kind, {}, seed=1)
    examples = clips(6, windows=4, several=several)
    H, bags = examples.windows().astype(np.float64), Bags.of(examples)
    arrays = model.start(H, 3)
    rng = np.random.default_rng(0)
    arrays["projections"] = rng.normal(size=arrays["projections"].shape)
    of_logits = rng.normal(size=(6, 3))
    ends = np.cumsum([array.size for array in arrays.values()])[:-1]

    def unpacked(flat):
        parts = np.split(flat, ends)
        return {n: p.reshape(a.shape) for (n, a), p in zip(arrays.items(), parts, strict=True)}

    def value(flat):
        given = unpacked(flat)
        return (of_logits * model.pooled(H, H @ given["projections"], bags, given)[0]).sum()

    def gradient(flat):
        given = unpacked(flat)
        _, backward = model.pooled(H, H @ given["projections"], bags, given)
        of_projected, of = backward(of_logits)
        of["projections"] = H.T @ of_projected
        return np.concatenate([of[name].ravel() for name in given])

    flat = np.concatenate([array.ravel() for array in arrays.values()])
    assert check_grad(value, gradient, flat) < 1e-3 * np.abs(gradient(flat)).max()


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_bytes_and_what_is_stored_the_same_scores(kind, tmp_path: Path):
    train, test = clips(30), clips(30, seed=1)
    for name in ("one", "other"):
        model = make_estimator(kind, {"iterations": 20}, seed=2).fit(train)
        model.save(tmp_path / name)
    for file in (tmp_path / "one").iterdir():
        if file.suffix != ".npz":  # which holds dates
            assert file.read_bytes() == (tmp_path / "other" / file.name).read_bytes()
    loaded = estimator_class(kind).load(tmp_path / "one")
    for ours, theirs in zip(
        (model.predict(test).windows, model.predict(test).clips),
        (loaded.predict(test).windows, loaded.predict(test).clips),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("harm", ["gone", "torn", "other"])
def test_what_is_no_stored_head_is_refused_in_one_line(kind, harm, tmp_path: Path):
    make_estimator(kind, {"iterations": 1}).fit(clips(9)).save(tmp_path)
    if harm == "gone":
        (tmp_path / "pooling.npz").unlink()
    elif harm == "torn":
        (tmp_path / "pooling.npz").write_bytes(b"PK")
    else:
        (tmp_path / "pooling.json").write_text('{"kind": "knn"}')
    with pytest.raises(StoreError) as caught:
        estimator_class(kind).load(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_counts_by_its_weight_and_a_window_by_what_it_covers(kind):
    train = clips(30)
    none = np.ones(30)
    none[::3] = 0
    weighed = make_estimator(kind, {}).fit(replace(train, clip_weights=none))
    assert weighed.predict_clips(train)[:, 0].max() < 0.2  # no cat was learned
    energy = np.array([[0.0], [0.0]])
    weight, _ = Bags(np.array([0]), np.zeros(2, int), np.array([0.75, 0.25])).weights(energy)
    np.testing.assert_allclose(weight[:, 0], [0.75, 0.25])


@pytest.mark.parametrize("kind", KINDS)
def test_settings_out_of_range_and_one_class_are_refused(kind):
    with pytest.raises(ParameterError, match=rf"head {kind}\.C"):
        make_estimator(kind, {"C": -1})
    with pytest.raises(ParameterError, match="at least two classes"):
        make_estimator(kind, {}).fit(clips(30).select([0, 3, 6]))
    assert estimator_class(kind).multi_label
    assert system(kind).grid
