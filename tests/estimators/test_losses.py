"""Losses of imbalanced classes: what a class weighs, and what a row costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.utils.class_weight import compute_class_weight

from faunashot.errors import ParameterError
from faunashot.estimators.training.losses import (
    BALANCES,
    BETA,
    class_weights,
    cross_entropy,
    focal_loss,
    kinds,
    smoothed,
)

COUNTS = [200, 30, 4, 4]
CLASSES = np.repeat(range(4), COUNTS)


def one_hot(classes: np.ndarray, n: int) -> np.ndarray:
    return np.eye(n, dtype=np.float32)[classes]


TARGET = one_hot(CLASSES, 4)


@pytest.mark.parametrize("balance", BALANCES)
@given(counts=st.lists(st.integers(1, 300), min_size=2, max_size=12))
def test_the_weights_of_clips_have_a_mean_of_one(balance: str, counts: list[int]) -> None:
    classes = np.repeat(np.arange(len(counts)), counts)
    weights = class_weights(one_hot(classes, len(counts)), balance=balance)
    assert weights.shape == (len(counts),)
    assert weights.dtype == np.float32
    assert weights[classes].mean(dtype=float) == pytest.approx(1, abs=1e-5)


def test_none_weighs_all_classes_alike() -> None:
    assert class_weights(TARGET, balance="none").tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("balance", ["inverse", "effective"])
def test_a_rarer_class_weighs_more_and_an_equal_one_as_much(balance: str) -> None:
    many, some, few, as_few = class_weights(TARGET, balance=balance)
    assert many < some < few == as_few


def test_the_inverse_weight_gives_every_class_the_same_share() -> None:
    expected = len(CLASSES) / (4 * np.array(COUNTS))
    np.testing.assert_allclose(class_weights(TARGET, balance="inverse"), expected, rtol=1e-6)


@given(counts=st.lists(st.integers(1, 300), min_size=2, max_size=12))
def test_the_inverse_weight_is_that_of_scikit_learn(counts: list[int]) -> None:
    classes = np.repeat(np.arange(len(counts)), counts)
    share = np.random.default_rng(0).uniform(0.1, 2, len(classes)).astype(np.float32)
    theirs = compute_class_weight(
        "balanced", classes=np.arange(len(counts)), y=classes, sample_weight=share
    )
    of_class = np.bincount(classes, share)
    if of_class.min() < 1:
        return  # ours counts less than a clip as one
    found = class_weights(one_hot(classes, len(counts)), balance="inverse", weight=share)
    np.testing.assert_allclose(found, theirs, rtol=1e-6)


def test_clips_of_several_classes_count_for_each() -> None:
    """Two classes in one clip each beside the other, which is alone in two more."""
    target = np.array([[1, 1], [1, 0], [1, 0], [0, 0]], np.float32)
    few, many = class_weights(target, balance="inverse")[::-1]
    assert few == pytest.approx(3 * many)
    assert (target @ [many, few]).sum() == pytest.approx(4)  # labels


def test_kinds_are_the_classes_or_their_mixtures() -> None:
    np.testing.assert_array_equal(kinds(TARGET), CLASSES)
    several = kinds(np.array([[1, 1], [1, 0], [1, 1], [0, 0]], np.float32))
    assert several[0] == several[2]
    assert len(set(several)) == 3


def test_smoothed_targets_share_what_is_taken_away() -> None:
    target = np.array([[1, 0, 0]], np.float32)
    of_one = smoothed(target, 0.3, multi_label=False)
    np.testing.assert_allclose(of_one, [[0.8, 0.1, 0.1]], rtol=1e-6)
    of_several = smoothed(target, 0.3, multi_label=True)
    np.testing.assert_allclose(of_several, [[0.85, 0.15, 0.15]], rtol=1e-6)


def test_the_effective_number_levels_off_where_clips_abound() -> None:
    """Cui et al. (2019), equation 2; large classes are not told apart, small ones as by inverse."""
    weights = class_weights(TARGET, balance="effective").astype(float)
    number = (1 - BETA ** np.array(COUNTS)) / (1 - BETA)
    np.testing.assert_allclose(weights * number, (weights * number)[0], rtol=1e-5)
    large = class_weights(one_hot(np.repeat([0, 1], [1000, 3000]), 2), balance="effective")
    small = class_weights(one_hot(np.repeat([0, 1], [1, 3]), 2), balance="effective")
    assert large[0] / large[1] == pytest.approx(1, abs=1e-3)
    assert small[0] / small[1] == pytest.approx(3, rel=0.02)


def test_a_class_without_clips_has_a_finite_weight() -> None:
    for balance in BALANCES:
        weights = class_weights(one_hot(np.array([0, 0, 2]), 3), balance=balance)
        assert np.isfinite(weights).all()
        assert weights[[0, 0, 2]].mean() == pytest.approx(1)


def test_a_balance_that_is_not_known_is_refused_with_the_nearest() -> None:
    with pytest.raises(ParameterError, match=r"class_weights: unknown value 'invers'; .*'inverse'"):
        class_weights(TARGET, balance="invers")


@pytest.fixture(scope="module")
def logits() -> np.ndarray:
    """Of 30 rows and 5 classes, sure ones among them."""
    rng = np.random.default_rng(1)
    return (rng.standard_normal((30, 5)) * np.geomspace(0.1, 20, 30)[:, None]).astype(np.float32)


TRUTH = np.arange(30) % 5
SHARP = np.eye(5, dtype=np.float32)[TRUTH]


def test_of_whole_targets_the_loss_is_the_sparse_cross_entropy(logits: np.ndarray) -> None:
    import keras

    expected = keras.losses.sparse_categorical_crossentropy(TRUTH, logits, from_logits=True)
    found = focal_loss(logits, SHARP).numpy()
    assert found.shape == (30,)
    assert np.ptp(found) > 10
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_of_shares_it_is_the_cross_entropy_too(logits: np.ndarray) -> None:
    target = (0.9 * SHARP + 0.02).astype(np.float32)
    expected = -(target * log_softmax(logits.astype(float), axis=1)).sum(axis=1)
    np.testing.assert_allclose(focal_loss(logits, target), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(cross_entropy(logits, target), expected, rtol=1e-5, atol=1e-6)


def test_a_focal_loss_of_gamma_0_is_the_plain_one(logits: np.ndarray) -> None:
    plain = focal_loss(logits, SHARP).numpy()
    np.testing.assert_array_equal(focal_loss(logits, SHARP, gamma=0.0), plain)
    np.testing.assert_allclose(focal_loss(logits, SHARP, gamma=1e-6), plain, rtol=1e-4, atol=1e-6)


def test_a_focal_loss_counts_less_what_is_right_already(logits: np.ndarray) -> None:
    log_p = log_softmax(logits.astype(float), axis=1)[np.arange(30), TRUTH]
    p = np.exp(log_p)
    found = focal_loss(logits, SHARP, gamma=2.0).numpy()
    np.testing.assert_allclose(found, -((1 - p) ** 2) * log_p, rtol=1e-4, atol=1e-6)
    assert p.max() > 0.99
    assert p.min() < 0.01


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_the_gradient_of_a_row_that_is_surely_right_is_finite(gamma: float) -> None:
    import tensorflow as tf

    sure = tf.constant([[200.0, 0, -200]])
    with tf.GradientTape() as tape:
        tape.watch(sure)
        loss = focal_loss(sure, tf.constant([[1.0, 0, 0]]), gamma=gamma)
    assert np.isfinite(loss.numpy()).all()
    assert np.isfinite(tape.gradient(loss, sure).numpy()).all()


def test_of_a_row_that_is_surely_wrong_something_is_learned() -> None:
    """Of Keras' own focal loss nothing is."""
    import keras
    import tensorflow as tf

    wrong, target = tf.constant([[-40.0, 40]]), tf.constant([[1.0, 0]])
    theirs = keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=2.0, from_logits=True)
    gradients = []
    for loss in (lambda logits: focal_loss(logits, target, gamma=2.0), lambda x: theirs(target, x)):
        with tf.GradientTape() as tape:
            tape.watch(wrong)
            found = loss(wrong)
        gradients.append(np.abs(tape.gradient(found, wrong).numpy()).max())
    assert gradients[0] == pytest.approx(1, rel=1e-3)
    assert gradients[1] == 0


@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_of_several_labels_each_is_a_choice_by_itself(logits: np.ndarray, gamma: float) -> None:
    import keras

    target = (np.random.default_rng(2).random((30, 5)) < 0.4).astype(np.float32)
    small = logits / 4  # where Keras does not clip
    theirs = keras.losses.BinaryFocalCrossentropy(gamma=gamma, from_logits=True, reduction=None)
    expected = np.asarray(theirs(target, small))
    found = focal_loss(small, target, gamma=gamma, multi_label=True)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    if gamma == 0:
        plain = cross_entropy(small, target, multi_label=True)
        np.testing.assert_allclose(plain, expected, rtol=1e-4, atol=1e-6)
