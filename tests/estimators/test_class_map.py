"""ClassMap: outputs of one set of classes read as another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faunashot.errors import ParameterError
from faunashot.estimators.class_map import FLOOR, ClassMap, read_class_map, spelled
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head

KNOWN = ["Bark", "Dog", "Bee, wasp, etc.", "Moo"]


@pytest.fixture
def outputs() -> np.ndarray:
    return np.array([[0.2, 0.4, 0.9], [0.0, 0.1, 0.0]])


def test_a_class_scores_the_mean_of_its_outputs(outputs):
    scores = ClassMap(["dog", "cat"], [[0, 1], [2]]).scores(outputs)
    np.testing.assert_allclose(scores, [[0.3, 0.9], [0.05, 0.0]])


def test_a_class_of_many_kinds_scores_the_loudest_of_its_outputs(outputs):
    scores = ClassMap(["dog", "cat"], [[0, 1], []], names="max").scores(outputs)
    np.testing.assert_allclose(scores, [[0.4, 0.0], [0.1, 0.0]])


def test_a_class_of_names_heard_together_scores_their_geometric_mean(outputs):
    scores = ClassMap(["dog", "cat"], [[0, 1], [2]], names="geometric").scores(outputs)
    np.testing.assert_allclose(scores, [[0.08**0.5, 0.9], [(FLOOR * 0.1) ** 0.5, FLOOR]])


@pytest.mark.parametrize("pool", ["mean", "geometric", "max"])
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_score_lies_among_its_outputs_and_many_names_are_no_help(pool, row):
    outputs = np.array([row])
    columns = list(range(len(row)))
    ((once, again),) = ClassMap(["a", "b"], [columns, columns * 2], names=pool).scores(outputs)
    assert once == pytest.approx(again)
    assert min(row) - 1e-12 <= once <= max(max(row), FLOOR) + 1e-12


def test_an_unmapped_class_scores_nothing(outputs):
    scores = ClassMap(["dog", "hen"], [[0], []]).scores(outputs)
    np.testing.assert_array_equal(scores[:, 1], 0)


def test_a_window_in_which_nothing_is_heard_stays_quiet(outputs):
    scores = ClassMap(["dog", "cat"], [[0, 1], [2]]).scores(outputs)
    assert scores[1].sum() < 0.1 < scores[0].sum()


def test_its_classes_are_the_target_ones():
    assert ClassMap(["dog", "cat"], [[0], [1]]).classes_ == ["dog", "cat"]


def test_a_head_before_it_yields_the_outputs():
    head = make_head("prototype").fit(Examples.of_rows(np.array([[0.0], [1.0]]), ["rain", "wind"]))
    X = np.array([[0.1], [0.8]])
    np.testing.assert_array_equal(
        ClassMap(["dog", "cat"], [[1], [0]], head=head).scores(X),
        head.predict_proba(X)[:, ::-1],
    )


@pytest.mark.parametrize("pool", ["mean", "geometric", "max"])
@pytest.mark.parametrize("with_head", [True, False])
def test_a_stored_map_gives_the_same_scores(tmp_path, outputs, with_head, pool):
    y = ["rain", "wind", "sea"]
    head = make_head("logistic").fit(Examples.of_rows(np.eye(3), y)) if with_head else None
    made = ClassMap(["dog", "cat", "hen"], [[1], [0, 2], []], names=pool, head=head)
    made.save(tmp_path / "map")
    loaded = ClassMap.load(tmp_path / "map")
    np.testing.assert_array_equal(loaded.scores(outputs), made.scores(outputs))
    assert loaded.classes_ == ["dog", "cat", "hen"]
    assert loaded.reads_class_scores != with_head


def test_a_table_lists_names_by_label_as_it_is_spelled(tmp_path):
    table = tmp_path / "own.csv"
    rows = ["Dog bark, Bark", "dog-bark,Dog", "", 'fly,"Bee, wasp, etc."', "owl,", "hen"]
    table.write_text("\n".join(["\ufefflabel,source_class", *rows]), encoding="utf-8")
    assert read_class_map(table, KNOWN) == {
        "dog_bark": ["Bark", "Dog"],
        "fly": ["Bee, wasp, etc."],
        "owl": [],
        "hen": [],
    }
    assert spelled(" Dog-Bark ") == "dog_bark"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("label,source_class\ndog,Dog\ncow,Mooo\n", "row 3: 'Mooo' is none .*mean 'Moo'"),
        ("label,source_class\ncow,bark\n", "row 2: 'bark' is none .*mean 'Bark'"),
        ("label,name\ncow,Moo\n", "its header is not `label,source_class`"),
        ("", "its header is not `label,source_class`"),
    ],
)
def test_a_table_with_a_fault_says_which(tmp_path, text, reason):
    table = tmp_path / "own.csv"
    table.write_text(text)
    with pytest.raises(ParameterError, match=rf"own\.csv.*{reason}") as raised:
        read_class_map(table, KNOWN)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [None, b"label,source_class\ndog,\xff\n"])
def test_a_table_that_cannot_be_read_says_so(tmp_path, content):
    table = tmp_path / "own.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(ParameterError, match=r"own\.csv cannot be read as a UTF-8 table"):
        read_class_map(table, KNOWN)
