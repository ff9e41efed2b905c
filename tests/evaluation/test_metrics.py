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
    roc_auc_score,
)

from faunashot.errors import ParameterError
from faunashot.evaluation.labels import confusion, label_codes
from faunashot.evaluation.metrics import METRICS, metric_values, metrics_for, scores
from faunashot.evaluation.metrics.base import mean_of_classes
from faunashot.evaluation.metrics.map import average_precision
from faunashot.evaluation.metrics.mauc import roc_auc
from faunashot.evaluation.scored import Counts, ScoredClips, counts_by, ratios

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
    true, pred = (np.eye(4, dtype=bool)[label_codes(y, CLASSES)] for y in (y_true, y_pred))
    part = np.arange(len(pairs)) // 3

    counts = counts_by(true, pred, part)

    whole = Counts(*counts.sum(axis=1))
    *of_class, support = precision_recall_fscore_support(
        y_true, y_pred, labels=CLASSES, zero_division=0
    )
    expected = dict(zip(("precision", "recall", "f1"), of_class, strict=True))
    assert counts.shape == (3, -(-len(pairs) // 3), len(CLASSES))
    in_parts = ScoredClips(true, pred, part)
    together = in_parts.weighted(np.ones((1, in_parts.n_parts)))
    found = metric_values(metrics_for(of="labels"), together)
    assert found == pytest.approx(scores(y_true, y_pred, CLASSES))
    occurs = support > 0
    for name, ratio in ratios(whole).items():
        np.testing.assert_allclose(ratio[occurs], expected[name][occurs])
        assert np.isnan(ratio[~occurs]).all()


def test_average_precision_by_hand():
    # from the top: right, wrong, right; the two at 0.2 are one threshold
    truth = np.array([[1], [0], [1], [0], [1]])
    found = average_precision(truth, np.array([[0.9], [0.8], [0.7], [0.2], [0.2]]), np.ones((1, 5)))
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
    mean = mean_of_classes(found)
    some = ~np.isnan(found).all(axis=1)
    np.testing.assert_allclose(mean[some], np.nanmean(found[some], axis=1))
    assert np.isnan(mean[~some]).all()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**31), st.integers(2, 30), st.booleans())
def test_the_area_under_the_curve_is_scikit_learn_s(seed, n, tied):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, 3)) < 0.4
    given = rng.integers(4, size=(n, 3)) / 4 if tied else rng.random((n, 3))
    weights = rng.integers(4, size=(5, n)).astype(float)

    found = roc_auc(truth, given, weights)

    for draw, column in np.ndindex(5, 3):
        counts = weights[draw] > 0
        if len(set(truth[counts, column])) == 2:
            expected = roc_auc_score(
                truth[:, column], given[:, column], sample_weight=weights[draw]
            )
            assert found[draw, column] == pytest.approx(expected)
        else:
            assert np.isnan(found[draw, column])


def test_average_precision_refuses_shapes_that_do_not_fit():
    with pytest.raises(ParameterError, match="truth: "):
        average_precision(np.ones((3, 2)), np.ones((3, 3)), np.ones((1, 3)))
    with pytest.raises(ParameterError, match="truth: "):
        average_precision(np.ones((3, 2)), np.ones((3, 2)), np.ones((1, 4)))


def test_every_metric_says_what_it_is() -> None:
    assert {"macro_f1", "accuracy", "map", "mauc", "d_prime"} <= set(METRICS)
    for metric in {**metrics_for(), **metrics_for(multi_label=True)}.values():
        assert metric.title
        assert metric.citation
        assert metric.of in ("labels", "scores")
        assert metric.range[0] < metric.range[1]
    assert list(metrics_for()) == [
        *("macro_f1", "accuracy", "weighted_f1", "map", "calibration_error")
    ]
    assert list(metrics_for(multi_label=True)) == [
        *("macro_f1", "micro_f1", "map", "mauc", "d_prime")
    ]


@pytest.mark.parametrize("multi_label", [False, True])
def test_every_metric_stays_in_its_range_and_gives_one_number_a_weighting(multi_label) -> None:
    rng = np.random.default_rng(0)
    one_hot = np.eye(4, dtype=bool)
    targets = rng.random((40, 4)) < 0.4 if multi_label else one_hot[rng.integers(4, size=40)]
    given = rng.dirichlet(np.ones(4), 40)
    predicted = given >= 0.5 if multi_label else one_hot[given.argmax(axis=1)]
    for probabilities in (given, targets.astype(float)):  # which is as good as can be
        clips = ScoredClips(targets, predicted, np.arange(40), probabilities)
        weighted = clips.weighted(rng.integers(3, size=(7, 40)).astype(float))
        metrics = metrics_for(multi_label=multi_label)
        for name, values in metric_values(metrics, weighted).items():
            least, most = metrics[name].range
            assert np.isfinite(values).all()
            assert (least <= values).all()
            assert (values <= most).all()
