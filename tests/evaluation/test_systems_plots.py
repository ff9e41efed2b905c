"""Figures of several systems: what they say, where they put it, and that nothing is cut off."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from drawn import saved_with_nothing_cut_off
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

from faunashot.errors import ParameterError
from faunashot.evaluation import systems_plots as plots
from faunashot.evaluation.plot_style import COLOURS, MARKERS

TITLE = "the systems on animals_sounds"
SYSTEMS = [
    "cnn1d",
    "cnn1d-wind",
    "alexnet-mel",
    "transformer-mel",
    "cnn1d-enhanced",
    "yamnet-logistic",
    "birdnet-logistic",
    "perch-logistic",
]
CLASSES = [
    *("bear", "cat", "chicken", "cow", "dog", "elephant"),
    *("lion", "monkey", "sheep", "wild boar", "rhinoceros", "great horned owl"),
]
INGREDIENTS = [
    *("wind noise", "noise at 10 dB", "time shift", "pitch shift", "mixup"),
    *("SpecAugment", "equaliser", "balanced batches", "longer window of 4 s"),
]
SIDES = ["added to the plain system", "taken from the full system"]
ACCURACY = np.linspace(0.6, 0.97, len(SYSTEMS))


def per_class(systems=SYSTEMS, classes=CLASSES) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [(system, label, *rng.random(3)) for system in systems for label in classes]
    return pd.DataFrame(rows, columns=["system", "label", "precision", "recall", "f1"])


def scored(name: str, values=ACCURACY) -> pd.DataFrame:
    return pd.DataFrame({name: values, f"{name}_low": values - 0.04, f"{name}_high": values + 0.02})


def scores() -> pd.DataFrame:
    return scored("accuracy").assign(system=SYSTEMS)


def macro_weighted() -> pd.DataFrame:
    means = [scored("macro_f1", ACCURACY - 0.03), scored("weighted_f1")]
    return pd.concat(means, axis=1).assign(system=SYSTEMS)


def ablation() -> pd.DataFrame:
    rows = [(ingredient, side) for side in SIDES for ingredient in INGREDIENTS]
    difference = np.random.default_rng(0).normal(0, 0.03, len(rows))
    table = pd.DataFrame(rows, columns=["ingredient", "side"])
    return table.assign(difference=difference, low=difference - 0.02, high=difference + 0.02)


def robustness(systems=SYSTEMS, snrs=(np.inf, 20, 10, 0, -5)) -> pd.DataFrame:
    rows = [
        (system, snr, 0.4 + 0.05 * i - 0.02 * k)
        for i, system in enumerate(systems)
        for k, snr in enumerate(snrs)
    ]
    table = pd.DataFrame(rows, columns=["system", "snr_db", "accuracy"])
    middle = table["accuracy"]
    return table.assign(accuracy_low=middle - 0.04, accuracy_high=middle + 0.02)


FIGURES = {
    "per_class_systems": (plots.per_class_systems_figure, per_class),
    "scores": (plots.scores_figure, lambda: scores().assign(published=0.9)),
    "macro_weighted": (plots.macro_weighted_figure, macro_weighted),
    "ablation": (plots.ablation_figure, ablation),
    "robustness": (plots.robustness_figure, robustness),
}


def legend(figure: Figure) -> list[str]:
    (of_figure,) = figure.legends
    return [text.get_text() for text in of_figure.get_texts()]


def rows_of(axes) -> list[str]:
    """Names of the rows from top to bottom."""
    bottom, top = axes.get_ylim()
    assert bottom > top
    return [label.get_text() for label in axes.get_yticklabels()]


def whiskers(axes) -> np.ndarray:
    """Row, low and high of each, in the order drawn."""
    segments = [segment for lines in axes.collections for segment in lines.get_segments()]
    return np.array([(row, low, high) for (low, row), (high, _) in segments])


def points(axes, label: str) -> np.ndarray:
    (line,) = (line for line in axes.lines if line.get_label() == label)
    return np.transpose(line.get_data())


@pytest.mark.parametrize("title", ["", TITLE])
@pytest.mark.parametrize("kind", FIGURES)
def test_a_figure_is_saved_with_nothing_cut_off(kind, title, tmp_path):
    draw, table = FIGURES[kind]
    figure = draw(table(), title=title)
    saved_with_nothing_cut_off(figure, tmp_path)


@pytest.mark.parametrize(
    ("kind", "shows"),
    [
        ("per_class_systems", "Precision, recall and F1 of each class"),
        ("scores", "Accuracy, with the 95 % interval"),
        ("macro_weighted", "Macro and weighted F1, with the 95 % interval"),
        ("robustness", "Accuracy by noise in the test clips, with the 95 % interval"),
    ],
)
def test_a_figure_says_what_it_shows_with_and_without_a_title(kind, shows):
    draw, table = FIGURES[kind]
    plain, titled = draw(table()), draw(table(), title=TITLE)

    assert plain.axes[0].get_title(loc="left") == shows
    assert titled.axes[0].get_title(loc="left") == TITLE
    assert shows in [text.get_text() for text in titled.axes[0].texts]


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k in FIGURES for n in FIGURES[k][1]()])
def test_a_table_without_a_column_is_refused_by_its_name(kind, name):
    draw, table = FIGURES[kind]
    if name == "published":  # the only one that may be left out
        assert draw(table().drop(columns=name)).legends == []
        return

    with pytest.raises(ParameterError, match=f"^{kind}: no column '{name}'; needs "):
        draw(table().drop(columns=name))


@pytest.mark.parametrize("kind", FIGURES)
def test_a_table_without_rows_is_refused(kind):
    draw, table = FIGURES[kind]

    with pytest.raises(ParameterError, match=f"^{kind}: no rows; needs "):
        draw(table().iloc[:0])


def test_classes_are_sorted_by_mean_f1_and_systems_keep_their_order():
    table = pd.DataFrame(
        [
            ("second", "cat", 0.1, 0.2, 0.3),
            ("second", "dog", 0.4, 0.5, 0.6),
            ("second", "owl", 0.0, 0.0, np.nan),
            ("first", "cat", 0.7, 0.8, np.nan),
            ("first", "dog", 0.9, 1.0, 0.2),
        ],
        columns=["system", "label", "precision", "recall", "f1"],
    )
    figure = plots.per_class_systems_figure(table)
    precision, recall, f1 = figure.axes

    assert [axes.get_ylabel() for axes in figure.axes] == ["precision", "recall", "F1"]
    # the mean F1 of dog is 0.4, of cat 0.3; owl has none
    assert [label.get_text() for label in f1.get_xticklabels()] == ["dog", "cat", "owl"]
    assert legend(figure) == ["second", "first"]
    np.testing.assert_allclose(points(precision, "second"), [[0.9, 0.1], [-0.1, 0.4], [1.9, 0.0]])
    np.testing.assert_allclose(points(recall, "first"), [[1.1, 0.8], [0.1, 1.0]])
    np.testing.assert_allclose(points(f1, "first"), [[1.1, np.nan], [0.1, 0.2]])


def test_the_points_of_a_class_stay_in_its_band():
    figure = plots.per_class_systems_figure(per_class())

    for axes in figure.axes:
        x = np.array([line.get_xdata() for line in axes.lines])
        places = np.sort(np.round(x), axis=1)
        np.testing.assert_array_equal(places, [range(len(CLASSES))] * len(SYSTEMS))
        assert np.abs(x - np.round(x)).max() < 0.4
        bands = [(band.get_x(), band.get_width()) for band in axes.patches]
        assert bands == [(place - 0.5, 1) for place in range(0, len(CLASSES), 2)]
        assert axes.get_ylim() == (0, 1)


def test_eight_systems_are_told_apart_and_do_not_overlap():
    figure = plots.per_class_systems_figure(per_class())
    figure.draw_without_rendering()
    axes = figure.axes[-1]

    looks = [
        (line.get_color(), line.get_marker(), line.get_markerfacecolor()) for line in axes.lines
    ]
    first = [axes.transData.transform((line.get_xdata()[0], 0))[0] for line in axes.lines]
    names = [label.get_window_extent() for label in axes.get_xticklabels()]

    assert len(set(looks)) == len(SYSTEMS)
    assert looks[0] == (COLOURS[0], MARKERS[0], COLOURS[0])
    # colours come round again after the last, so the marker is hollow
    assert looks[7] == (COLOURS[0], MARKERS[7], "white")
    points_px = max(line.get_markersize() for line in axes.lines) * figure.dpi / 72
    assert min(np.diff(first)) > points_px
    # slanted, a name may reach under its neighbour but ends left of where that one ends
    assert all(left.x1 < right.x1 - 50 for left, right in pairwise(names))


def test_short_names_of_classes_stand_upright():
    few, many = (
        plots.per_class_systems_figure(per_class(classes=of)) for of in (["cat", "dog"], CLASSES)
    )

    assert {label.get_rotation() for label in few.axes[-1].get_xticklabels()} == {0}
    assert {label.get_rotation() for label in many.axes[-1].get_xticklabels()} == {30}


def test_scores_are_bars_with_their_value_the_first_row_on_top():
    table = scores().iloc[[3, 0, 1]]
    table.loc[0, "accuracy_low"] = np.nan
    axes = plots.scores_figure(table).axes[0]

    assert rows_of(axes) == [SYSTEMS[3], SYSTEMS[0], SYSTEMS[1]]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], ACCURACY[[3, 0, 1]])
    np.testing.assert_allclose(
        [bar.get_y() + bar.get_height() / 2 for bar in axes.patches], range(3)
    )
    assert [(text.get_text(), text.xy) for text in axes.texts] == [
        (f"{ACCURACY[number]:.4f}", (1, row)) for row, number in enumerate([3, 0, 1])
    ]
    # one end is missing in the middle row
    np.testing.assert_allclose(
        whiskers(axes),
        [(row, ACCURACY[i] - 0.04, ACCURACY[i] + 0.02) for row, i in ((0, 3), (2, 1))],
    )
    assert (axes.get_xlim(), axes.get_xlabel()) == ((0, 1), "accuracy")


def test_published_accuracies_are_hollow_diamonds():
    published = [0.9, None, 0.8, *[None] * 5]
    figure = plots.scores_figure(scores().assign(published=published))
    axes = figure.axes[0]

    at = points(axes, "published")

    assert legend(figure) == ["published"]
    np.testing.assert_allclose(at[~np.isnan(at[:, 0])], [(0.9, 0), (0.8, 2)])
    assert axes.lines[0].get_marker() == "D"
    assert axes.lines[0].get_markerfacecolor() == "white"


def test_without_published_accuracies_there_is_no_legend():
    for table in (scores(), scores().assign(published=None)):
        assert plots.scores_figure(table).legends == []


def test_a_system_without_accuracy_says_so():
    table = scores()
    table.loc[0, "accuracy"] = np.nan

    assert plots.scores_figure(table).axes[0].texts[0].get_text() == "none"


def test_without_intervals_none_is_claimed_or_drawn():
    table = scores().assign(accuracy_low=None, accuracy_high=None)
    axes = plots.scores_figure(table).axes[0]

    assert axes.get_title(loc="left") == "Accuracy"
    assert len(whiskers(axes)) == 0


def test_macro_and_weighted_f1_are_joined_in_the_row_of_their_system():
    table = macro_weighted()
    table.loc[1, "weighted_f1_high"] = np.nan
    figure = plots.macro_weighted_figure(table)
    axes = figure.axes[0]

    macro, weighted = points(axes, "macro"), points(axes, "weighted")
    joins = [line for line in axes.lines if line.get_marker() == "None"]

    assert rows_of(axes) == SYSTEMS
    assert legend(figure) == ["macro", "weighted"]
    np.testing.assert_allclose(macro[:, 0], table["macro_f1"])
    np.testing.assert_allclose(weighted[:, 0], table["weighted_f1"])
    for mean in (macro, weighted):
        np.testing.assert_array_equal(np.round(mean[:, 1]), range(len(SYSTEMS)))
    assert (macro[:, 1] < weighted[:, 1]).all()
    for row, line in enumerate(joins):
        np.testing.assert_allclose(np.transpose(line.get_data()), [macro[row], weighted[row]])
    assert len(joins) == len(SYSTEMS)
    drawn = whiskers(axes)
    assert len(drawn) == 2 * len(SYSTEMS) - 1
    np.testing.assert_allclose(
        drawn[: len(SYSTEMS)],
        np.column_stack([macro[:, 1], table["macro_f1_low"], table["macro_f1_high"]]),
    )
    assert axes.get_xlim() == (0, 1)


def test_ablation_fills_the_points_whose_interval_excludes_nought():
    table = pd.DataFrame(
        [
            ("mixup", "added", 0.03, 0.01, 0.05),
            ("wind", "added", 0.01, -0.01, 0.03),
            ("shift", "added", -0.04, -0.06, -0.02),
            ("eq", "added", 0.02, None, None),
            ("noise", "added", 0.02, 0.0, 0.04),
        ],
        columns=["ingredient", "side", "difference", "low", "high"],
    )
    figure = plots.ablation_figure(table, title=TITLE)
    (axes,) = figure.axes

    names = ["interval excludes 0", "includes 0, or none given"]
    filled, hollow = (line for line in axes.lines if line.get_label() in names)

    assert legend(figure) == names
    np.testing.assert_allclose(points(axes, names[0]), [(0.03, 0), (-0.04, 2)])
    np.testing.assert_allclose(points(axes, names[1]), [(0.01, 1), (0.02, 3), (0.02, 4)])
    assert filled.get_markerfacecolor() == COLOURS[0]
    assert to_rgba(hollow.get_markerfacecolor()) == to_rgba("white")
    np.testing.assert_array_equal(whiskers(axes)[:, 0], [0, 1, 2, 4])
    np.testing.assert_allclose(whiskers(axes)[0], (0, 0.01, 0.05))
    assert rows_of(axes) == ["mixup", "wind", "shift", "eq", "noise"]
    assert axes.get_xlabel() == "difference in accuracy"
    assert list(axes.lines[0].get_xdata()) == [0, 0]
    assert figure.get_suptitle() == TITLE


def test_sides_of_the_same_ingredients_share_their_rows():
    table = ablation()
    turned = pd.concat([table.iloc[:9], table.iloc[9:].iloc[::-1]])
    figure = plots.ablation_figure(turned)
    left, right = figure.axes

    assert [axes.get_title(loc="left") for axes in figure.axes] == SIDES
    assert rows_of(left) == INGREDIENTS
    assert rows_of(right) == []  # named at the left
    assert left.get_shared_y_axes().joined(left, right)
    difference = turned.iloc[9:].set_index("ingredient")["difference"]
    at = np.vstack([line.get_xydata() for line in right.lines[1:]])
    assert {INGREDIENTS[int(row)]: x for x, row in at} == difference.to_dict()
    assert figure.get_suptitle() == "Difference in accuracy by ingredient"


def test_a_side_that_lacks_an_ingredient_leaves_its_row_empty():
    table = ablation().drop(index=[0, 17])
    figure = plots.ablation_figure(table)
    left, right = figure.axes

    assert rows_of(left) == [*INGREDIENTS[1:], INGREDIENTS[0]]
    assert left.get_shared_y_axes().joined(left, right)
    assert left.get_xlim() == right.get_xlim()
    rows = [
        {int(row) for line in axes.lines[1:] for row in line.get_ydata()} for axes in figure.axes
    ]
    assert rows == [set(range(8)), {8, *range(7)}]


def test_long_names_leave_room_for_both_panels(recwarn):
    table = ablation()
    table["ingredient"] += " rather than another one of a long name"
    table.loc[table["side"] == SIDES[1], ["low", "high"]] = [-0.5, 0.5]  # none of them is clear
    figure = plots.ablation_figure(table)
    figure.draw_without_rendering()
    assert not recwarn.list
    for axes in figure.axes:
        assert axes.get_window_extent().width > 2 * figure.dpi


def test_three_sides_are_refused():
    table = ablation()
    table.loc[0, "side"] = "third"

    with pytest.raises(ParameterError, match=r"ablation: 3 sides .*; two at most"):
        plots.ablation_figure(table)


def test_robustness_goes_from_clean_to_the_noisiest_at_even_steps():
    table = robustness(SYSTEMS[:2]).sort_values("snr_db", kind="stable")
    axes = plots.robustness_figure(table).axes[0]

    assert list(axes.get_xticks()) == [0, 1, 2, 3, 4]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "clean",
        "20",
        "10",
        "0",
        "-5",
    ]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == SYSTEMS[:2]
    expected = [0.45, 0.43, 0.41, 0.39, 0.37]
    np.testing.assert_allclose(points(axes, SYSTEMS[1]), list(enumerate(expected)))
    assert len(axes.collections) == 2
    corners = axes.collections[1].get_paths()[0].vertices
    np.testing.assert_allclose(corners.min(axis=0), (0, 0.33))
    np.testing.assert_allclose(corners.max(axis=0), (4, 0.47))
    assert axes.get_ylim() == (0, 1)
    left, right = axes.get_xlim()
    assert left < 0 < 4 < right


def test_robustness_without_intervals_draws_no_band():
    table = robustness(SYSTEMS[:1]).assign(accuracy_low=None, accuracy_high=None)
    axes = plots.robustness_figure(table).axes[0]

    assert all(not len(path.vertices) for path in axes.collections[0].get_paths())
    assert axes.get_title(loc="left") == "Accuracy by noise in the test clips"


def test_a_system_measured_at_one_snr_shows_its_interval():
    axes = plots.robustness_figure(robustness(SYSTEMS[:1], snrs=(np.inf,))).axes[0]

    (segment,) = axes.collections[0].get_segments()
    np.testing.assert_allclose(segment, [[0, 0.36], [0, 0.42]])


def test_systems_plots_leave_pyplot_alone():
    code = (
        "import sys, faunashot.evaluation.systems_plots; "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
