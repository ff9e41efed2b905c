"""Steps shape a row: what each does, and that a block knows nothing of another."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from faunashot.errors import ParameterError
from faunashot.estimators import steps as steps_module
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.estimators.steps import STEPS, Power, Steps, Whiten

ROWS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(2, 6), st.integers(1, 4)),
    elements=st.floats(-1e6, 1e6, width=32),
)


def skewed(n: int, dim: int, *, seed: int = 0) -> np.ndarray:
    """Rows whose dimensions differ in spread and go together, away from 0."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, dim)) @ rng.normal(size=(dim, dim)) * np.geomspace(0.1, 9, dim) + 5


@given(ROWS)
def test_power_keeps_the_sign_and_the_order(rows):
    rooted = Power().fit_transform(rows)
    np.testing.assert_array_equal(np.sign(rooted), np.sign(rows))
    np.testing.assert_allclose(rooted * np.abs(rooted), rows, rtol=1e-9)
    assert (np.diff(rooted.ravel()[rows.ravel().argsort(kind="stable")]) >= 0).all()


def test_power_of_another_exponent():
    np.testing.assert_allclose(Power(2.0).fit_transform(np.array([[-3.0, 0.5]])), [[-9, 0.25]])


@given(ROWS)
def test_centred_rows_have_no_mean(rows):
    centred = Steps(["centre"]).fit_transform(rows)
    np.testing.assert_allclose(centred.mean(axis=0), 0, atol=1e-6 * (1 + np.abs(rows).max()))
    np.testing.assert_allclose(np.diff(centred, axis=0), np.diff(rows, axis=0), atol=1e-6)


@given(ROWS)
def test_rows_of_unit_length_point_where_they_did(rows):
    rows[np.abs(rows) < 1e-3] = 0  # what is shorter than rounding errors counts as nothing
    unit = Steps(["unit"]).fit_transform(rows)
    length = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), length > 0, atol=1e-9)
    np.testing.assert_allclose(unit * length[:, None], rows, rtol=1e-9)


def test_standardised_dimensions_have_mean_0_and_spread_1():
    rows = Steps(["standardise"]).fit_transform(skewed(50, 6))
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(rows.std(axis=0), 1)


@pytest.mark.parametrize(("n", "dim"), [(200, 6), (5, 40)])
def test_whitened_rows_have_the_shrunk_covariance_s_inverse_root(n, dim):
    """By the covariance itself, which is written out only where rows are more than dimensions."""
    rows, shrinkage = skewed(n, dim), 0.3
    whitened = Whiten(shrinkage).fit_transform(rows)
    covariance = np.cov(rows.T, bias=True)
    shrunk = (1 - shrinkage) * covariance + shrinkage * np.trace(covariance) / dim * np.eye(dim)
    value, axes = np.linalg.eigh(shrunk)
    expected = (rows - rows.mean(axis=0)) @ (axes / np.sqrt(value)) @ axes.T
    np.testing.assert_allclose(whitened, expected, atol=1e-8)


def test_whitening_without_shrinkage_leaves_the_identity():
    whitened = Whiten(1e-9).fit_transform(skewed(300, 5))
    np.testing.assert_allclose(np.cov(whitened.T, bias=True), np.eye(5), atol=1e-3)


def test_whitening_shrunk_to_the_identity_scales_all_alike():
    rows = skewed(20, 5)
    whitened, centred = Whiten(1.0).fit_transform(rows), rows - rows.mean(axis=0)
    ratio = whitened / centred
    np.testing.assert_allclose(ratio, ratio[0, 0])


def test_rows_that_are_all_alike_whiten_to_nothing():
    assert (Whiten().fit_transform(np.full((3, 4), 7.0)) == 0).all()


def test_steps_are_taken_in_order():
    rows = skewed(12, 4)
    rooted = np.sign(rows) * np.sqrt(np.abs(rows))
    centred = rooted - rooted.mean(axis=0)
    expected = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(Steps(["power", "centre", "unit"]).fit_transform(rows), expected)
    other = Steps(["unit", "centre", "power"]).fit_transform(rows)
    assert not np.allclose(other, expected, atol=0.1)


def test_no_steps_leave_the_rows():
    rows = skewed(5, 3).astype(np.float32)
    through = Steps([], [1, 2]).fit_transform(rows)
    assert through.dtype == np.float64
    np.testing.assert_array_equal(through, rows)


@pytest.mark.parametrize(
    "name", [["power", "centre", "unit"], *([step] for step in STEPS)], ids=str
)
def test_a_block_does_not_move_another(name):
    rows, blocks = skewed(30, 9), [4, 5]
    changed = rows.copy()
    changed[:, :4] = 1e3 * skewed(30, 4, seed=1)
    one, other = (Steps(name, blocks).fit_transform(of) for of in (rows, changed))
    np.testing.assert_array_equal(one[:, 4:], other[:, 4:])
    alone = Steps(name).fit_transform(rows[:, 4:])
    np.testing.assert_allclose(one[:, 4:], alone, rtol=1e-12)
    if name != ["unit"]:
        whole = Steps(name).fit_transform(changed)
        assert name[-1] != "unit" or not np.allclose(whole[:, 4:], one[:, 4:])


def test_what_is_transformed_does_not_move_what_was_fitted():
    """A row comes out the same beside any others."""
    rows = skewed(30, 6)
    for name in STEPS:
        steps = Steps([name], [2, 4]).fit(rows)
        alone = steps.transform(rows[:1])
        beside = steps.transform(np.concatenate([rows[:1], 1e6 * rows]))[:1]
        np.testing.assert_allclose(alone, beside, rtol=1e-12)


def test_weights_are_factors_of_the_blocks():
    rows = skewed(10, 5)
    plain = Steps(["centre", "unit"], [2, 3]).fit_transform(rows)
    weighted = Steps(["centre", "unit"], [2, 3], [1.0, 0.5]).fit_transform(rows)
    np.testing.assert_allclose(weighted, plain * [1, 1, 0.5, 0.5, 0.5])


def test_an_unknown_step_gets_the_nearest():
    with pytest.raises(ParameterError, match=r"step of a head: unknown value 'centr'.*'centre'"):
        Steps(["power", "centr"]).fit(np.eye(3))


@pytest.mark.parametrize("blocks", [[1, 1], [4]])
def test_blocks_that_are_not_the_columns_are_refused(blocks):
    with pytest.raises(ParameterError, match="do not add up to 3 columns"):
        Steps(["unit"], blocks).fit(np.eye(3))


@pytest.mark.parametrize("fit_steps_on", ["labelled", "unlabelled"])
def test_steps_are_fitted_on_the_rows_that_may_be_used(fit_steps_on):
    rows, spare = skewed(6, 4), skewed(40, 4, seed=1) + 3
    head = make_head("prototype", steps=["centre"], fit_steps_on=fit_steps_on)
    train = Examples.of_rows(rows, ["cat", "dog"] * 3)
    head.fit(train, unlabelled=Examples.of_rows(spare, [""] * 40))
    every = rows if fit_steps_on == "labelled" else np.concatenate([rows, spare])
    found = head.steps_.transform(np.zeros((1, 4)))
    np.testing.assert_allclose(found, [-every.mean(axis=0)])
    head.fit(train)  # without others both are the same
    found = head.steps_.transform(np.zeros((1, 4)))
    np.testing.assert_allclose(found, [-rows.mean(axis=0)])


@pytest.mark.parametrize("names", [("power", "centre", "unit"), ("standardise",), ("unit",), ()])
def test_steps_of_many_rows_are_fitted_part_by_part_and_are_the_same(names, monkeypatch):
    rows = skewed(50, 6)
    whole = Steps(names, [2, 4]).fit(rows)
    monkeypatch.setattr(steps_module, "WHOLE", 20)
    monkeypatch.setattr(steps_module, "AT_ONCE", 7)
    parts = Steps(names, [2, 4]).fit(rows)
    np.testing.assert_allclose(parts.transform(rows), whole.transform(rows), atol=1e-9)
