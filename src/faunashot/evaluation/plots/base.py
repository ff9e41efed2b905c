"""What a plot declares of itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from faunashot.evaluation.summary import Summary


@dataclass(frozen=True)
class DvcPlot:
    """How ``dvc plots`` draws a table.

    Attributes
    ----------
    template : str
        One of DVC's, such as ``linear`` or ``bar_horizontal_sorted``.
    x, y : str
        Columns.
    x_label, y_label : str
        Of the axes; the columns' names if not given.
    file : str
        CSV from the root of the project; if not given, the one that the plot writes.
    """

    template: str
    x: str
    y: str
    x_label: str = ""
    y_label: str = ""
    file: str = ""


class Plot(ABC):
    """A picture of a run; its name is that of its module or entry point.

    What it draws is written to ``plots/NAME.csv`` and its picture to ``plots/NAME.png``; both are
    logged to MLflow, and the picture stands on the report page.

    Attributes
    ----------
    title : str
        What it shows.
    single_label, multi_label : bool
        Whether it applies where a clip carries one label, and where it may carry several.
    order : int
        Place among the others, ascending; equal ones are sorted by name.
    dvc : DvcPlot or None
        What of it ``dvc plots`` draws; None for nothing.
    """

    title: ClassVar[str]
    single_label: ClassVar[bool] = True
    multi_label: ClassVar[bool] = True
    order: ClassVar[int] = 100
    dvc: ClassVar[DvcPlot | None] = None

    def __init_subclass__(cls) -> None:
        """Refuse one without a title, so that its import names it."""
        super().__init_subclass__()
        if not hasattr(cls, "title"):
            raise TypeError(f"{cls.__name__} declares no title")

    @abstractmethod
    def table(self, summary: Summary) -> pd.DataFrame | None:
        """What is drawn of a run; None where there is nothing to draw."""

    @abstractmethod
    def figure(self, table: pd.DataFrame, *, title: str = "") -> Figure:
        """Draw a table that `table` gave, or its CSV; `title` says of what, above what it shows."""
