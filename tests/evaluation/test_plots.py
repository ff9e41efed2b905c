"""Figures: what they say, that nothing is cut off, and that they can be saved."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from drawn import saved_with_nothing_cut_off
from dvc_render.vega_templates import TEMPLATES
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_fscore_support

from faunashot.errors import ParameterError
from faunashot.evaluation.labels import confusion
from faunashot.evaluation.metrics import scores
from faunashot.evaluation.plots import PLOTS, all_plots
from faunashot.evaluation.plots.conditions import conditions_figure
from faunashot.evaluation.plots.confusion import confusion_figure
from faunashot.evaluation.plots.curve import curve_figure
from faunashot.evaluation.plots.per_class import per_class_figure

ROOT = Path(__file__).resolve().parents[2]

TITLE = "birdnet-linear on animals_sounds"


def guesses(n_classes: int, *, without: int | None = None):
    rng = np.random.default_rng(0)
    names = np.array([f"class_number_{i}" for i in range(n_classes)])
    true = rng.integers(n_classes, size=12 * n_classes)
    true = true[true != without]
    pred = np.where(rng.random(true.size) < 0.7, true, rng.integers(n_classes, size=true.size))
    return names[true], names[pred], names.tolist()


def f1_by_class(y_true, y_pred, names) -> pd.DataFrame:
    _, _, f1, support = precision_recall_fscore_support(
        y_true, y_pred, labels=names, zero_division=0
    )
    return pd.DataFrame({"label": names, "f1": f1, "support": support})


def curve_of(systems: dict[str, float], ks=(0, 1, 5, 20)) -> pd.DataFrame:
    rows = [(system, k, base + 0.01 * k) for system, base in systems.items() for k in ks]
    table = pd.DataFrame(rows, columns=["system", "k", "macro_f1"])
    middle = table["macro_f1"]
    return table.assign(macro_f1_low=middle - 0.05, macro_f1_high=middle + 0.05)


def make(kind: str, n_classes: int, title: str = "") -> Figure:
    if kind == "confusion":
        return confusion_figure(confusion(*guesses(n_classes)), title=title)
    if kind == "per_class":
        return per_class_figure(f1_by_class(*guesses(n_classes)), title=title)
    if kind == "conditions":
        return conditions_figure(conditions_of(n_classes), title=title)
    return curve_figure(curve_of({"a": 0.2, "b": 0.4}), title=title)


def conditions_of(n: int) -> pd.DataFrame:
    """So many conditions at two k, of which the first k has no interval."""
    rows = [(f"snr_{-number}", k, 0.1 * number - 0.1) for number in range(n) for k in (1, 5)]
    table = pd.DataFrame(rows, columns=["condition", "k", "difference"])
    middle = table["difference"].where(table["k"] == 5)
    return table.assign(difference_low=middle - 0.05, difference_high=middle + 0.05)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(
    ("kind", "n_classes"),
    [
        ("confusion", 10),
        ("confusion", 50),
        ("per_class", 50),
        ("curve", 0),
        ("conditions", 1),
        ("conditions", 9),
    ],
)
def test_a_figure_is_saved_with_nothing_cut_off(kind, n_classes, tmp_path):
    figure = make(kind, n_classes, TITLE)
    saved_with_nothing_cut_off(figure, tmp_path)


@pytest.mark.parametrize("kind", ["confusion", "per_class"])
@pytest.mark.parametrize("letters", [45, 200])
def test_long_class_names_leave_room_for_what_they_name(kind, letters, tmp_path):
    """A Latin and a common name: the axes stay about as wide as beside short ones."""
    names = [f"{n:02d} Phylloscopus trochiloides " + "warbler " * 30 for n in range(12)]
    names = [f"{name[: letters - 4]} {name[:2]}x" for name in names]
    counts = pd.DataFrame(np.eye(12, dtype=int), index=names, columns=names)
    table = pd.DataFrame({"label": names, "f1": 0.5, "support": 3})
    long, short = (
        (confusion_figure(counts, title=TITLE) if kind == "confusion" else per_class_figure(rows))
        for counts, rows in (
            (counts, table),
            (counts.set_axis(range(12)).set_axis(range(12), axis=1), table.assign(label="owl")),
        )
    )
    for figure in (long, short):
        saved_with_nothing_cut_off(figure, tmp_path)
    wide, usual = (f.axes[0].get_window_extent().width for f in (long, short))
    assert wide > 0.75 * usual
    shown = [text.get_text() for text in long.axes[0].get_yticklabels()]
    assert len(set(shown)) == 12


@pytest.mark.parametrize(
    ("kind", "shows"),
    [
        ("confusion", "Confusion of 120"),
        ("per_class", "F1 and support"),
        ("curve", "Macro-F1 by number of labelled clips, with the 95 % interval"),
        ("conditions", "Macro-F1 that goes under each condition, with the 95 % interval"),
    ],
)
def test_a_figure_says_what_it_shows_with_and_without_a_title(kind, shows):
    plain, titled = make(kind, 10), make(kind, 10, TITLE)

    assert plain.axes[0].get_title(loc="left").startswith(shows)
    assert titled.axes[0].get_title(loc="left") == TITLE
    assert any(text.startswith(shows) for text in texts(titled))


def test_confusion_writes_the_counts_that_are_not_nought():
    matrix = confusion(["a", "a", "b"], ["a", "b", "b"], ["a", "b", "c"])
    axes = confusion_figure(matrix).axes[0]

    assert [text.get_text() for text in axes.texts] == ["1", "1", "1"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b", "c"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted", "true")
    # a row without clips has no share, not a division by nought
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("n_classes", [30, 50])
def test_labels_of_neighbouring_classes_do_not_overlap(n_classes):
    figure = make("confusion", n_classes)
    figure.draw_without_rendering()
    axes = figure.axes[0]

    boxes = [label.get_window_extent() for label in axes.get_yticklabels()]
    counts = [text.get_window_extent() for text in axes.texts]

    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    cell = axes.get_window_extent().width / n_classes
    assert max(box.width for box in counts) < cell


def test_curve_has_a_line_for_each_system_the_best_first():
    axes = curve_figure(curve_of({"low": 0.1, "high": 0.6})).axes[0]

    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["high", "low"]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.6, 0.61, 0.65, 0.8])
    assert sorted(axes.get_xticks()) == [0, 1, 5, 20]
    assert axes.get_ylim() == (0, 1)
    assert axes.get_xlim()[0] < 0 < 20 < axes.get_xlim()[1]
    assert len(axes.collections) == 2


def test_curve_of_one_system_has_no_legend_and_takes_rows_in_any_order():
    curve = curve_of({"a": 0.3}).drop(columns="system").sample(frac=1, random_state=0)
    axes = curve_figure(curve).axes[0]

    assert axes.get_legend() is None
    np.testing.assert_array_equal(axes.lines[0].get_xdata(), [0, 1, 5, 20])


def test_curve_without_intervals_claims_none():
    curve = curve_of({"a": 0.3}).assign(macro_f1_low=None, macro_f1_high=None)

    assert curve_figure(curve).axes[0].get_title(loc="left") == (
        "Macro-F1 by number of labelled clips"
    )


def test_curve_of_one_k_shows_its_interval():
    axes = curve_figure(curve_of({"a": 0.3}, ks=(5,))).axes[0]

    (segment,) = axes.collections[0].get_segments()
    np.testing.assert_allclose(segment, [[5, 0.3], [5, 0.4]])


def test_equal_factors_of_k_are_equal_steps():
    axes = curve_figure(curve_of({"a": 0.3}, ks=(1, 2, 4, 64))).axes[0]

    at = axes.transData.transform([(k, 0) for k in (1, 2, 4, 64)])[:, 0]

    np.testing.assert_allclose(np.diff(at) / (at[1] - at[0]), [1, 1, 4])


def test_ticks_of_many_ks_keep_the_ends_and_do_not_overlap():
    figure = curve_figure(curve_of({"a": 0.1}, ks=range(1, 65)))
    figure.draw_without_rendering()
    axes = figure.axes[0]

    boxes = sorted(
        (label.get_window_extent() for label in axes.get_xticklabels()), key=lambda b: b.x0
    )

    assert {1, 64} <= set(axes.get_xticks())
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_curves_are_shared_out_over_panels_in_the_same_colours():
    ends = {
        "yamnet": {"a": 0.2, "b": 0.5},
        "birdnet": {"b": 0.1, "a": 0.3},
        "logmel": {"a": 0.2, "c": 0.1},
    }
    parts = [curve_of(systems).assign(panel=name) for name, systems in ends.items()]
    figure = curve_figure(pd.concat(parts), title=TITLE)

    colours = [{line.get_label(): line.get_color() for line in axes.lines} for axes in figure.axes]
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(ends)
    assert [set(of) for of in colours] == [set(systems) for systems in ends.values()]
    assert colours[0] == colours[1]
    assert colours[2]["a"] == colours[0]["a"] != colours[0]["b"]
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {"a", "b", "c"}


def test_per_class_is_sorted_by_f1_with_unscored_classes_last():
    y_true, y_pred, names = guesses(5, without=2)
    table = f1_by_class(y_true, y_pred, names)
    figure = per_class_figure(table)
    axes = figure.axes[0]

    widths = [bar.get_width() for bar in axes.patches]
    labels = [label.get_text() for label in axes.get_yticklabels()]

    assert widths == sorted(widths, reverse=True)
    assert labels[-1] == "class_number_2"
    assert texts(figure)[-2:] == ["none", "n = 0"]
    macro = scores(y_true, y_pred, names)["macro_f1"]
    assert axes.lines[0].get_xdata()[0] == pytest.approx(macro)
    # the best class is on top
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


@pytest.mark.parametrize(
    ("figure", "table", "message"),
    [
        (confusion_figure, pd.DataFrame([[1, 2]]), "confusion: shape"),
        (confusion_figure, pd.DataFrame(), "confusion: shape"),
        (curve_figure, pd.DataFrame({"k": [1]}), "curve: no column 'macro_f1'"),
        (curve_figure, curve_of({}), "curve: no rows"),
        (per_class_figure, pd.DataFrame({"label": ["a"]}), "per_class: no column 'f1'"),
        (conditions_figure, pd.DataFrame({"k": [1]}), "conditions: no column 'condition'"),
        (conditions_figure, conditions_of(0), "conditions: no rows"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(figure, table, message):
    with pytest.raises(ParameterError, match=message):
        figure(table)


def test_a_condition_is_a_row_with_a_point_a_k_and_its_interval():
    axes = conditions_figure(conditions_of(3)).axes[0]

    assert [label.get_text() for label in axes.get_yticklabels()] == ["snr_0", "snr_-1", "snr_-2"]
    first, second = (line for line in axes.lines if len(line.get_xdata()) == 3)
    assert (second.get_ydata() > first.get_ydata()).all()
    drawn = [segment for lines in axes.collections for segment in lines.get_segments()]
    ends = np.array([segment[:, 0] for segment in drawn])
    np.testing.assert_allclose(ends, [[-0.15, -0.05], [-0.05, 0.05], [0.05, 0.15]])


def test_every_plot_says_what_it_is():
    assert {"curve", "confusion", "per_class", "calibration", "unknown"} <= set(PLOTS)
    plots = all_plots()
    assert len({plot.title for plot in plots.values()}) == len(plots)
    for plot in plots.values():
        assert plot.title
        assert plot.single_label or plot.multi_label
        if plot.dvc:
            own = {file.stem for file in (ROOT / ".dvc" / "plots").glob("*.json")}
            assert plot.dvc.template in own | {each.DEFAULT_NAME for each in TEMPLATES}


def test_plots_leave_pyplot_alone():
    code = (
        "import sys; from faunashot.evaluation.plots import PLOTS; "
        "assert {'curve', 'confusion', 'calibration'} <= set(PLOTS.classes()); "
        "sys.exit('matplotlib.pyplot' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_curve_has_the_draws_alone_within_the_interval_and_says_how_many_were_labelled():
    curve = curve_of({"a": 0.3}).drop(columns="system")
    assert not curve_figure(curve).axes[0].texts[1:]
    middle = curve["macro_f1"]
    drawn = curve.assign(macro_f1_draws_low=middle - 0.02, macro_f1_draws_high=middle + 0.02)
    counted = drawn.assign(labelled_least=3, labelled_most=[max(3, k) for k in curve["k"]])
    figure = curve_figure(counted)
    wide, alone = (band.get_paths()[0].get_extents() for band in figure.axes[0].collections)
    assert wide.y0 < alone.y0 < alone.y1 < wide.y1
    assert "darker: draws alone" in figure.axes[0].get_title(loc="left")
    said = [text.get_text() for text in figure.axes[0].texts]
    assert f"3 to {curve['k'].max()}" in said
    assert len([each for each in said if each.startswith("3")]) == (curve["k"] > 3).sum()
    assert figure.axes[0].get_ylim() == (0, 1)


def test_dvc_draws_the_curve_from_0_to_1():
    name = all_plots()["curve"].dvc.template
    template = json.loads((ROOT / ".dvc" / "plots" / f"{name}.json").read_text())
    assert template["encoding"]["y"]["scale"] == {"domain": [0, 1]}
