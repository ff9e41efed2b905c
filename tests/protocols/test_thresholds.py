"""Thresholds of detection, set on clips that were not learned from."""

from __future__ import annotations

import numpy as np
import pytest
from windowed import windowed

from faunashot.estimators.head import make_head
from faunashot.protocols.support.thresholds import fit_thresholds, highest_scores


def test_the_threshold_lies_where_f1_is_highest() -> None:
    scores = np.array([[0.9, 0.2], [0.8, 0.1], [0.6, 0.4], [0.4, 0.3], [0.2, 0.9]])
    targets = np.array([[1, 0], [1, 0], [0, 0], [1, 0], [0, 0]], np.float32)
    found = fit_thresholds(scores, targets, ["frog", "wren"])
    assert list(found) == ["frog"]  # of a wren there is no clip
    frog = found["frog"]
    assert frog.value == pytest.approx(0.3)  # between what it takes and what it does not
    assert (frog.precision, frog.recall, frog.n) == (0.75, 1.0, 5)
    assert frog.source == "validation"


def test_of_thresholds_that_are_as_good_the_highest_is_taken() -> None:
    scores = np.array([[0.9], [0.6], [0.5], [0.4]])
    targets = np.array([[1], [0], [1], [0]], np.float32)
    f1 = [2 / 3, 0.5, 0.8, 2 / 3]
    assert max(f1) == 0.8
    assert fit_thresholds(scores, targets, ["frog"])["frog"].value == pytest.approx(0.45)


@pytest.mark.parametrize("multi_label", [False, True])
def test_a_clip_counts_by_the_highest_of_its_windows(multi_label: bool) -> None:
    X = np.array([[0.0], [2.0], [4.0], [6.0]])
    labels = ["frog", "wren", "frog", "wren"]
    head = make_head("logistic").fit(windowed(X, labels, multi_label=multi_label))
    clips = windowed(X, ["frog", "wren"], counts=[3, 1], multi_label=multi_label)
    highest = highest_scores(head, clips, temperature=1.0)
    windows = head.predict(clips).windows
    np.testing.assert_allclose(highest, [windows[:3].max(axis=0), windows[3]])
