"""Figures of several systems side by side, for a study."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from faunashot.errors import ParameterError
from faunashot.evaluation.plot_style import (
    COLOURS,
    GRID,
    INK,
    LEGEND,
    MARKERS,
    MUTED,
    head_line,
    named_rows,
    need_columns,
    new_figure,
    one_panel,
    plain,
)
from faunashot.wording import decimals


def per_class_systems_figure(table: pd.DataFrame, *, title: str = "") -> Figure:
    """Precision, recall and F1 of every class, the systems side by side within it.

    Parameters
    ----------
    table : DataFrame
        Columns ``system, label, precision, recall, f1``, each score in 0..1 or missing. The class
        of the highest mean F1 comes first, a class without any F1 last.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    scores = {"precision": "precision", "recall": "recall", "f1": "F1"}
    table = _checked(table, "per_class_systems", ("system", "label"), tuple(scores))
    mean = table.groupby("label")["f1"].mean()
    labels = sorted(mean.index, key=lambda name: (np.isnan(mean[name]), -mean[name], name))
    names = _in_order(table["system"])
    n = len(labels)
    width_in = max(7.0, 1.2 + n * (0.25 + 0.09 * len(names)))
    figure = new_figure(width_in, 8.2)
    panels = figure.subplots(3, 1, sharex=True)
    step = min(0.8 / len(names), 0.2)
    for axes, (column, name) in zip(panels, scores.items(), strict=True):
        plain(axes)
        for place in range(0, n, 2):
            axes.axvspan(place - 0.5, place + 0.5, color=GRID, alpha=0.5, linewidth=0, zorder=0)
        for number, system in enumerate(names):
            part = table[table["system"] == system]
            at = part["label"].map(labels.index) + (number - (len(names) - 1) / 2) * step
            axes.plot(at, part[column], linestyle="", label=system, **_look(number))
        axes.set(xlim=(-0.5, n - 0.5), ylim=(0, 1), ylabel=name)
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.grid(axis="y", color=GRID, linewidth=0.8)
        axes.tick_params(axis="x", length=0)
    turn: dict[str, Any] = {}
    if max(map(len, labels)) * 0.085 > width_in / (n + 1.5):  # too long to stand side by side
        turn = {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    panels[-1].set_xticks(range(n), labels, **turn)
    _legend_below(figure, panels[0], width_in)
    head_line(panels[0], title, "Precision, recall and F1 of each class")
    return figure


def scores_figure(table: pd.DataFrame, *, title: str = "") -> Figure:
    """Accuracy of every system as a bar, the first row on top.

    Parameters
    ----------
    table : DataFrame
        Columns ``system, accuracy, accuracy_low, accuracy_high``, in 0..1, and ``published`` where
        papers say what the system reached. All but the accuracy may be missing.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    columns = ("accuracy", "accuracy_low", "accuracy_high")
    more = ("published",) if "published" in table else ()
    table = _checked(table, "scores", ("system",), columns + more)
    n = len(table)
    figure, axes = one_panel(7.6, 1.6 + 0.32 * max(n, 4))
    rows = np.arange(n)
    axes.barh(rows, table["accuracy"], height=0.62, color=COLOURS[4])
    _whiskers(axes, rows, table["accuracy_low"], table["accuracy_high"], INK)
    for row, accuracy in zip(rows, table["accuracy"], strict=True):
        axes.annotate(
            decimals(accuracy),
            (1, row),
            xytext=(10, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=INK,
        )
    axes.set_xlim(0, 1)
    named_rows(axes, list(table["system"]), "accuracy")
    if more and table["published"].notna().any():
        look = _look(1, hollow=True) | {"marker": "D", "markersize": 6.5}
        axes.plot(table["published"], rows, linestyle="", label="published", **look)
        _legend_below(figure, axes, 7.6)
    head_line(axes, title, f"Accuracy{_interval_of(table, 'accuracy')}")
    return figure


def macro_weighted_figure(table: pd.DataFrame, *, title: str = "") -> Figure:
    """Macro-F1 and weighted F1 of every system, joined by a line, the first row on top.

    Parameters
    ----------
    table : DataFrame
        Columns ``system, macro_f1, macro_f1_low, macro_f1_high`` and ``weighted_f1,
        weighted_f1_low, weighted_f1_high``, in 0..1; the ends of the intervals may be missing.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    means = {"macro_f1": "macro", "weighted_f1": "weighted"}
    columns = tuple(f"{mean}{end}" for mean in means for end in ("", "_low", "_high"))
    table = _checked(table, "macro_weighted", ("system",), columns)
    n = len(table)
    figure, axes = one_panel(7.6, 1.8 + 0.36 * max(n, 4))
    # one a little above the other, so that overlapping intervals are told apart
    places = {"macro_f1": np.arange(n) - 0.14, "weighted_f1": np.arange(n) + 0.14}
    ends = [table[list(means)].to_numpy().T, np.stack(list(places.values()))]
    axes.plot(*ends, color=MUTED, linewidth=1, zorder=1)
    for number, (mean, name) in enumerate(means.items()):
        look = _look(number)
        _whiskers(axes, places[mean], table[f"{mean}_low"], table[f"{mean}_high"], look["color"])
        axes.plot(table[mean], places[mean], linestyle="", label=name, **look)
    axes.set_xlim(0, 1)
    named_rows(axes, list(table["system"]), "F1")
    _legend_below(figure, axes, 7.6)
    head_line(axes, title, f"Macro and weighted F1{_interval_of(table, *means)}")
    return figure


def ablation_figure(table: pd.DataFrame, *, title: str = "") -> Figure:
    """What each ingredient changes in accuracy, a panel for each side.

    Parameters
    ----------
    table : DataFrame
        Columns ``ingredient, side, difference, low, high``, differences of accuracies in -1..1; at
        most two sides. The ends of the interval may be missing. A point is filled where the
        interval excludes 0.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, there are no rows, or more than two sides.
    """
    table = _checked(table, "ablation", ("ingredient", "side"), ("difference", "low", "high"))
    sides = {name: table[table["side"] == name] for name in _in_order(table["side"])}
    if len(sides) > 2:
        raise ParameterError(f"ablation: {len(sides)} sides ({', '.join(sides)}); two at most")
    order = _in_order(table["ingredient"])  # a side that lacks one leaves its row empty
    width_in = 0.8 + 0.085 * max(map(len, order)) + 3.6 * len(sides)
    figure = new_figure(width_in, 2.1 + 0.3 * max(3, len(order)))
    panels = figure.subplots(1, len(sides), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (side, part) in zip(panels, sides.items(), strict=True):
        plain(axes)
        at = part["ingredient"].map(order.index)
        clear = (part["low"] > 0) | (part["high"] < 0)
        axes.axvline(0, color=INK, linewidth=1.2, zorder=1)
        _whiskers(axes, at, part["low"], part["high"], COLOURS[0])
        for which, name in ((clear, "interval excludes 0"), (~clear, "includes 0, or none given")):
            look = _look(0, hollow=which is not clear)
            look["in_layout"] = bool(which.any())  # points that are none would take room
            axes.plot(part["difference"][which], at[which], linestyle="", label=name, **look)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        named_rows(axes, order, "difference in accuracy")
        head_line(axes, "", side)
    _legend_below(figure, panels[0], width_in)
    shows = title or "Difference in accuracy by ingredient"
    figure.suptitle(shows, fontsize=11.5, fontweight="bold", color=INK)
    return figure


def robustness_figure(table: pd.DataFrame, *, title: str = "") -> Figure:
    """Accuracy against the noise in the test clips, from clean to the noisiest.

    Parameters
    ----------
    table : DataFrame
        Columns ``system, snr_db, accuracy, accuracy_low, accuracy_high``. The SNR is infinite
        where clips are clean; accuracies are in 0..1; the ends of the interval may be missing.
    title : str
        Of what; the figure itself says what it shows.

    Raises
    ------
    ParameterError
        If a column is missing, or there are no rows.
    """
    columns = ("snr_db", "accuracy", "accuracy_low", "accuracy_high")
    table = _checked(table, "robustness", ("system",), columns)
    snrs = sorted(set(table["snr_db"]), reverse=True)
    figure, axes = one_panel(8.8, 4.6)
    for number, system in enumerate(_in_order(table["system"])):
        part = table[table["system"] == system].sort_values("snr_db", ascending=False)
        at, look = part["snr_db"].map(snrs.index), _look(number)
        low, high = part["accuracy_low"], part["accuracy_high"]
        if (low + high).count() == 1:  # a band of one SNR has no width
            axes.vlines(at, low, high, color=look["color"], alpha=0.5, linewidth=3)
        else:
            axes.fill_between(at, low, high, color=look["color"], alpha=0.13, linewidth=0)
        axes.plot(at, part["accuracy"], linewidth=1.9, label=system, **look)
    names = ["clean" if np.isposinf(snr) else f"{snr:g}" for snr in snrs]
    axes.set_xticks(range(len(snrs)), names)
    axes.set(ylim=(0, 1), xlabel="SNR of the test clips (dB)", ylabel="accuracy")
    axes.set_xlim(-0.2, len(snrs) - 0.8)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(color=GRID, linewidth=0.8)
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, **LEGEND)
    head_line(axes, title, f"Accuracy by noise in the test clips{_interval_of(table, 'accuracy')}")
    return figure


def _checked(
    table: pd.DataFrame, key: str, names: tuple[str, ...], numbers: tuple[str, ...]
) -> pd.DataFrame:
    """Take the columns of a table, names as text and scores as numbers; `key` names it."""
    need_columns(table, key, names + numbers)
    columns: dict[str, pd.Series[Any]] = {name: table[name].astype(str) for name in names}
    columns |= {name: pd.to_numeric(table[name]).astype(float) for name in numbers}
    return pd.DataFrame(columns).reset_index(drop=True)


def _in_order(names: pd.Series[Any]) -> list[str]:
    """Each name once, in the order of first appearance."""
    return list(dict.fromkeys(names))


def _look(number: int, *, hollow: bool = False) -> dict[str, Any]:
    """Look of the marker of a system; past the last colour it is hollow."""
    colour = COLOURS[number % len(COLOURS)]
    hollow = hollow or number >= len(COLOURS)
    return {
        "color": colour,
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 5.5 if number < 5 else 6.8,  # the later shapes have less in them
        "markerfacecolor": "white" if hollow else colour,
        "markeredgecolor": colour if hollow else "white",
        "markeredgewidth": 1.2 if hollow else 0.6,
        "clip_on": False,
        "zorder": 3,
    }


def _whiskers(axes: Axes, rows: Any, low: Any, high: Any, colour: str) -> None:
    """Lines along the rows from low to high, none where an end is missing."""
    ends = np.array([rows, low, high], dtype=np.float64)
    axes.hlines(*ends[:, ~np.isnan(ends).any(axis=0)], color=colour, linewidth=1.6, zorder=2)


def _interval_of(table: pd.DataFrame, *scores: str) -> str:
    """What the headline says of the whiskers or bands, where there are any."""
    given = table[[f"{name}_low" for name in scores]].notna().any(axis=None)
    return ", with the 95 % interval" if given else ""


def _legend_below(figure: Figure, axes: Axes, width_in: float) -> None:
    """One legend under all panels, in as many columns as the width has room for."""
    lines, names = axes.get_legend_handles_labels()
    columns = int(width_in * 11) // (max(map(len, names)) + 9)
    columns = max(1, min(len(names), columns))
    figure.legend(lines, names, loc="outside lower center", ncols=columns, **LEGEND)
