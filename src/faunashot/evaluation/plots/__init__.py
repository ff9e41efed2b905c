"""The plots: a module each, drawn everywhere without being named anywhere else.

To add one, write a module here that holds one subclass of `base.Plot`, or give it from another
package as an entry point of the group ``faunashot.evaluation.plots``; nothing else needs a change.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from faunashot.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

    from faunashot.evaluation.plots.base import Plot
    from faunashot.evaluation.summary import Summary

PLOTS: Registry[Plot] = Registry(
    "plot", "faunashot.evaluation.plots", contract="faunashot.evaluation.plots.base:Plot"
)


def plots_for(*, multi_label: bool) -> dict[str, Plot]:
    """Plots that apply to one or to several labels a clip, by name, in order."""
    return {
        name: plot
        for name, plot in all_plots().items()
        if (plot.multi_label if multi_label else plot.single_label)
    }


def plot_tables(summary: Summary) -> dict[str, pd.DataFrame]:
    """What each plot that applies to a run draws, by its name."""
    tables = {
        name: plot.table(summary)
        for name, plot in plots_for(multi_label=summary.multi_label).items()
    }
    return {name: table for name, table in tables.items() if table is not None}


@cache
def all_plots() -> dict[str, Plot]:
    """Plots by name in the order in which they are shown."""
    made = {name: plot() for name, plot in PLOTS.classes().items()}
    return dict(sorted(made.items(), key=lambda item: (item[1].order, item[0])))
