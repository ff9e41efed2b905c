"""Labels as a matrix of targets."""

from __future__ import annotations

import numpy as np
import pytest

from faunashot.errors import ParameterError
from faunashot.targets import class_names, join_names, target_matrix


def test_one_class_a_clip_is_one_hot_whatever_its_name_holds() -> None:
    classes = class_names(["owl", "a;b", "owl"], multi_label=False)
    assert classes == ["a;b", "owl"]
    matrix = target_matrix(["owl", "a;b"], classes, multi_label=False)
    np.testing.assert_array_equal(matrix, [[0, 1], [1, 0]])


def test_several_classes_a_clip_or_none() -> None:
    labels = [join_names(["owl", "frog", "owl"]), "", "wren"]
    classes = class_names(labels, multi_label=True)
    assert classes == ["frog", "owl", "wren"]
    matrix = target_matrix(labels, classes, multi_label=True)
    np.testing.assert_array_equal(matrix, [[1, 1, 0], [0, 0, 0], [0, 0, 1]])


def test_a_label_of_no_class_is_named() -> None:
    with pytest.raises(ParameterError, match="label: unknown value 'oowl'; did you mean 'owl'"):
        target_matrix(["oowl"], ["frog", "owl"], multi_label=True)
