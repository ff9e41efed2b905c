"""Detections gone through by ear: which are open, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from faunashot.annotations.formats.csv import Csv
from faunashot.annotations.reading import read_all
from faunashot.app.analysis import draw_sound, png_of
from faunashot.errors import AnnotationError
from faunashot.evaluation.plot_style import one_panel
from faunashot.labelling.clip import in_context, wav
from faunashot.labelling.items import Item

DECISIONS = ("correct", "wrong", "uncertain")
"""What a person can say of a detection."""

CORRECT = "correct"
"""Column of the answers: yes, no, uncertain, or empty where there is none, as
`faunashot validate` reads it."""

WRITTEN = dict(zip(DECISIONS, ("yes", "no", "uncertain"), strict=True))

REVIEWED = ".reviewed.csv"
"""End of the name of the table of detections with their answers, which lies beside their folder."""

CONTEXT_S = 1.0


class Review:
    """Detections of a folder or a table, and the answers to them, which are on disk at once.

    Parameters
    ----------
    source : Path
        Of `faunashot detect`, in any format; answers go into a table beside it.

    Raises
    ------
    AnnotationError
        There is no detection in it.
    """

    def __init__(self, source: Path) -> None:
        name = source.resolve().name if source.is_dir() else source.stem
        self.file = source.resolve().with_name(name + REVIEWED)
        self.problems: list[str] = []
        self.table: pd.DataFrame = self._read(source)
        if self.table.empty:
            raise AnnotationError(f"{source} holds no detection")

    def _read(self, source: Path) -> pd.DataFrame:
        if self.file.exists():
            found = Csv().read(self.file)
            return found.assign(correct=found[CORRECT].fillna("").astype("str"))
        tables = read_all([source])
        self.problems = [*(f"{name}: {lack}" for name, lack in tables.problems), *tables.notes]
        order = tables.events["score"].to_numpy().argsort()[::-1]  # without a score: first
        return tables.events.iloc[order].reset_index(drop=True).assign(correct="")

    @property
    def labels(self) -> list[str]:
        """Labels that there are."""
        return sorted(self.table["label"].unique())

    @property
    def answered(self) -> int:
        """Detections that have an answer."""
        return int((self.table[CORRECT] != "").sum())

    def chosen(
        self, labels: Sequence[str], *, least: float, most: float, open_only: bool
    ) -> pd.DataFrame:
        """Detections of some labels, or all where none is named, in a range of scores."""
        table = self.table
        wanted = table["score"].fillna(1.0).between(least, most)
        if labels:
            wanted &= table["label"].isin(labels)
        if open_only:
            wanted &= table[CORRECT] == ""
        return table[wanted]

    def clip(self, number: int) -> tuple[bytes, bytes]:
        """Sound and spectrogram of a detection with a second around it: a WAV and a PNG.

        Raises
        ------
        AudioError
            Its recording is not there or cannot be decoded.
        """
        (row,) = self.table.loc[[number]].to_dict("records")
        item = Item(Path(row["file"]), row["start_s"], row["end_s"])
        context = in_context(item, context_s=CONTEXT_S)
        figure, axes = one_panel(10, 3)
        draw_sound(axes, context.audio, begin_s=context.begin_s)
        for at_s in (context.start_s, context.end_s):
            axes.axvline(at_s, color="white", linewidth=1)
        axes.set_xlabel("seconds of the recording")
        return wav(context), png_of(figure)

    def answer(self, number: int, decision: str) -> None:
        """Take what a person says of a detection, one of `DECISIONS`."""
        changed = self.table.copy()
        changed.loc[number, CORRECT] = WRITTEN[decision]
        Csv().write(changed, self.file)
        self.table = changed
