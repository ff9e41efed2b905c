"""Scores against scikit-learn, hand-computed cases and properties."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    precision_recall_fscore_support,
)

from faunashot.errors import ParameterError
from faunashot.evaluation.metrics import (
    average_precision,
    confusion,
    counts_by,
    label_codes,
    mean_average_precision,
    pool_windows,
    ratios_from_counts,
    scores,
    scores_from_counts,
)

CLASSES = ("cat", "cow", "dog", "frog")
PAIRS = st.lists(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(CLASSES)), min_size=1, max_size=60
)


def unzip(pairs: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    return [true for true, _ in pairs], [pred for _, pred in pairs]


@settings(deadline=None, max_examples=50)
@given(PAIRS)
def test_scores_are_those_of_scikit_learn_over_the_classes_that_occur(pairs):
    y_true, y_pred = unzip(pairs)
    occurring = sorted(set(y_true))

    def f1(average: str) -> float:
        return f1_score(y_true, y_pred, labels=occurring, average=average, zero_division=0)

    found = scores(y_true, y_pred, CLASSES)

    assert found == pytest.approx(
        {
            "macro_f1": f1("macro"),
            "accuracy": accuracy_score(y_true, y_pred),
            "weighted_f1": f1("weighted"),
        }
    )
    assert all(0 <= value <= 1 for value in found.values())


def test_scores_by_hand():
    # cat: precision 2/2, recall 2/3; dog: precision 1/1, recall 1/1; frog is predicted, never true
    found = scores(["cat", "cat", "cat", "dog"], ["cat", "cat", "frog", "dog"], CLASSES)

    assert found == pytest.approx(
        {"macro_f1": (0.8 + 1) / 2, "accuracy": 0.75, "weighted_f1": (3 * 0.8 + 1) / 4}
    )


def test_a_class_that_occurs_but_is_never_predicted_counts_as_nought():
    assert scores(["cat", "dog"], ["cat", "cat"], CLASSES)["macro_f1"] == pytest.approx(1 / 3)


@settings(deadline=None, max_examples=50)
@given(PAIRS, st.permutations(CLASSES))
def test_the_order_of_classes_changes_no_score(pairs, order):
    y_true, y_pred = unzip(pairs)

    assert scores(y_true, y_pred, order) == pytest.approx(scores(y_true, y_pred, CLASSES))


def test_labels_may_come_as_series_or_arrays():
    y_true, y_pred = ["cat", "dog"], ["cat", "frog"]

    expected = scores(y_true, y_pred, CLASSES)

    assert scores(np.array(y_true), np.array(y_pred), CLASSES) == expected
    assert scores(pd.Series(y_true, index=[7, 3]), pd.Series(y_pred), CLASSES) == expected
    assert scores(pd.Categorical(y_true), y_pred, CLASSES) == expected


@pytest.mark.parametrize("figure", [scores, confusion])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "classes", "message"),
    [
        (["cat"], ["dgo"], CLASSES, "y_pred: unknown value 'dgo'; did you mean 'dog'"),
        (["cat", None], ["cat", "cat"], CLASSES, "y_true: unknown value None"),
        (["cat"], ["cat", "dog"], CLASSES, "y_pred: 2 labels for 1"),
        ([], [], CLASSES, "y_true: needs one label or more"),
        (["cat"], ["cat"], ("cat", "cat"), "'cat' is named twice"),
    ],
)
def test_what_cannot_be_scored_is_refused(figure, y_true, y_pred, classes, message):
    with pytest.raises(ParameterError, match=message):
        figure(y_true, y_pred, classes)


@settings(deadline=None, max_examples=50)
@given(PAIRS)
def test_confusion_holds_every_clip_once(pairs):
    y_true, y_pred = unzip(pairs)

    matrix = confusion(y_true, y_pred, CLASSES)

    assert matrix.to_numpy().sum() == len(pairs)
    for label in CLASSES:
        assert matrix.loc[label].sum() == y_true.count(label)
        assert matrix[label].sum() == y_pred.count(label)


def test_confusion_has_true_rows_and_predicted_columns():
    matrix = confusion(["cat", "cat", "dog"], ["dog", "cat", "dog"], CLASSES)

    assert (matrix.index.name, matrix.columns.name) == ("true", "predicted")
    assert matrix.loc["cat", "dog"] == 1
    assert matrix.loc["dog", "cat"] == 0


@settings(deadline=None, max_examples=50)
@given(PAIRS)
def test_counts_of_parts_add_up_to_the_figures_of_the_whole(pairs):
    y_true, y_pred = unzip(pairs)
    true, pred = label_codes(y_true, CLASSES), label_codes(y_pred, CLASSES)

    counts = counts_by(true, pred, np.arange(len(pairs)) // 3, len(CLASSES))

    whole = counts.sum(axis=1)
    *ratios, support = precision_recall_fscore_support(
        y_true, y_pred, labels=CLASSES, zero_division=0
    )
    expected = dict(zip(("precision", "recall", "f1"), ratios, strict=True))
    assert counts.shape == (3, -(-len(pairs) // 3), len(CLASSES))
    assert scores_from_counts(*whole) == pytest.approx(scores(y_true, y_pred, CLASSES))
    occurs = support > 0
    for name, ratio in ratios_from_counts(*whole).items():
        np.testing.assert_allclose(ratio[occurs], expected[name][occurs])
        assert np.isnan(ratio[~occurs]).all()


def test_average_precision_by_hand():
    # from the top: right, wrong, right; the two at 0.2 are one threshold
    truth = np.array([[1], [0], [1], [0], [1]])
    found = average_precision(truth, np.array([[0.9], [0.8], [0.7], [0.2], [0.2]]))
    assert found == pytest.approx(np.array([[(1 + 2 / 3 + 3 / 5) / 3]]))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(2, 30), st.booleans())
def test_average_precision_of_clips_of_several_labels_is_scikit_learn_s(seed, n, tied):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < 0.4
    given = rng.integers(4, size=(n, 3)) / 4 if tied else rng.random((n, 3))
    weights = rng.integers(4, size=(5, n)).astype(float)

    found = average_precision(truth, given, weights)

    for draw, column in np.ndindex(5, 3):
        if (truth[:, column] * weights[draw]).any():
            expected = average_precision_score(
                truth[:, column], given[:, column], sample_weight=weights[draw]
            )
            assert found[draw, column] == pytest.approx(expected)
        else:
            assert np.isnan(found[draw, column])
    mean = mean_average_precision(truth, given, weights)
    some = ~np.isnan(found).all(axis=1)
    np.testing.assert_allclose(mean[some], np.nanmean(found[some], axis=1))
    assert np.isnan(mean[~some]).all()


def test_average_precision_refuses_shapes_that_do_not_fit():
    with pytest.raises(ParameterError, match="truth: "):
        average_precision(np.ones((3, 2)), np.ones((3, 3)))
    with pytest.raises(ParameterError, match="truth: "):
        average_precision(np.ones((3, 2)), np.ones((3, 2)), np.ones((1, 4)))


def windows_of(probabilities: np.ndarray, clips: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(probabilities, columns=list(CLASSES))
    table.insert(0, "clip_id", clips)
    return table


def test_pool_takes_the_mean_and_keeps_the_order_of_first_appearance():
    windows = windows_of(
        np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 1, 0]], dtype=np.float32),
        ["b", "a", "b", "b"],
    )
    windows = windows.assign(start_s=[0, 0, 1, 2], label=["dog", "cat", "dog", "dog"], fold=None)
    windows.index = pd.Index([9, 9, 2, 0])

    clips = pool_windows(windows, CLASSES)

    assert clips["clip_id"].tolist() == ["b", "a"]
    assert clips["label"].tolist() == ["dog", "cat"]
    assert clips["fold"].isna().all()
    assert "start_s" not in clips
    assert clips[list(CLASSES)].dtypes.eq(np.float64).all()
    np.testing.assert_allclose(clips[list(CLASSES)], [[1 / 3, 0, 2 / 3, 0], [0, 1, 0, 0]])
    assert windows["cat"].dtype == np.float32


def test_pool_by_several_keys_takes_a_missing_key_for_a_value():
    windows = windows_of(np.eye(4), ["a", "a", "a", "a"]).assign(fold=[1.0, None, 1.0, None])

    clips = pool_windows(windows, CLASSES, by=("clip_id", "fold"))

    assert len(clips) == 2
    np.testing.assert_array_equal(clips[list(CLASSES)].sum(axis=1), [1, 1])


def test_pool_leaves_out_a_column_that_is_missing_in_part_of_a_clip():
    windows = windows_of(np.eye(4), ["a", "a", "b", "b"]).assign(label=["x", None, "y", "y"])

    assert "label" not in pool_windows(windows, CLASSES)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5),
    st.integers(1, 9),
)
def test_pool_of_equal_windows_is_the_window(rows, repeats):
    clips = [f"clip{number}" for number in range(len(rows))]
    windows = pd.concat([windows_of(np.array(rows), clips)] * repeats)

    pooled = pool_windows(windows, CLASSES)

    assert pooled["clip_id"].tolist() == clips
    np.testing.assert_allclose(pooled[list(CLASSES)], rows, rtol=1e-14, atol=1e-300)


@pytest.mark.parametrize(
    ("change", "by", "message"),
    [
        ({}, ("clip",), "no column 'clip'"),
        ({"cow": [0.1, np.nan]}, ("clip_id",), "row 1, class 'cow' is not a finite number"),
        ({}, (), "needs some names"),
        ({}, ("cat",), "all different"),
    ],
)
def test_pool_refuses(change, by, message):
    windows = windows_of(np.eye(4)[:2], ["a", "a"]).assign(**change)

    with pytest.raises(ParameterError, match=message):
        pool_windows(windows, CLASSES, by=by)
