"""What a file format of events is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

import pandas as pd


class AnnotationFormat(ABC):
    """A file format that holds events, as Raven, Audacity or a spreadsheet opens it.

    Attributes
    ----------
    suffix : str
        What files of it end in, such as ``.selections.txt``.
    title : str
        What it is and what opens it, for help.
    names_file : bool
        Whether it says of each event which recording it is in; else a file of it is of one
        recording, and is named after it.
    """

    suffix: ClassVar[str]
    title: ClassVar[str]
    names_file: ClassVar[bool] = True

    @abstractmethod
    def write(self, table: pd.DataFrame, path: Path) -> None:
        """Write events, see `faunashot.annotations.table`; the file is there as a whole or not."""

    @abstractmethod
    def read(self, path: Path) -> pd.DataFrame:
        """Read what `write` wrote, or another program did.

        Returns
        -------
        DataFrame
            As `faunashot.annotations.table.as_table` gives it; `file` is empty where the file
            does not name its recording.

        Raises
        ------
        AnnotationError
            It is no file of this format; the message says which line, and what is wrong with it.
        """
