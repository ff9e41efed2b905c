"""What a file format of events is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, NamedTuple

import pandas as pd

from faunashot.annotations.gathering import ParsedTable, gathered


class RecordingInfo(NamedTuple):
    """What some formats say of a recording beside its events.

    Attributes
    ----------
    duration_s : float
        Of the whole recording.
    sample_rate : int
        In Hz; 0 where it is not known.
    channels : int
        1 where it is not known.
    """

    duration_s: float
    sample_rate: int = 0
    channels: int = 1


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
    def write(
        self,
        table: pd.DataFrame,
        path: Path,
        *,
        recordings: Mapping[str, RecordingInfo] | None = None,
    ) -> None:
        """Write events; the file is there as a whole or not.

        Parameters
        ----------
        table : DataFrame
            As `faunashot.annotations.table.as_table` gives it.
        path : Path
            Of the file.
        recordings : mapping, optional
            All recordings that the table is of, also those without an event, by their path as the
            table has it, in the order in which they were made.

        Raises
        ------
        ParameterError
            The format needs to know of the recordings, and is not told.
        """

    @abstractmethod
    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins like this is one of this format."""

    @abstractmethod
    def parse(self, content: bytes) -> ParsedTable:
        """What a file's content says, as text or numbers, without a judgement of the times.

        Raises
        ------
        AnnotationError
            It is no file of this format; the message says which line, and what is wrong with it.
        """

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
            As `parse` does, or a time is none; the message names the file, too.
        """
        return gathered({path: (self, path.read_bytes())}, named={path: ""}).whole()
