"""The folder of a sample of detections: a table to fill, and what it was drawn from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from faunashot.data.layout import SURPLUS, read_table
from faunashot.detection.validation.drawing import CHECK, CORRECT, Drawn
from faunashot.errors import AnnotationError, CorpusError, StoreError
from faunashot.files import write_atomically

TABLE, RAVEN_TABLE, FACTS, DETECTIONS, CLIPS = (
    "checks.csv", "checks.selections.txt", "draw.json", "detections.parquet", "clips",
)  # fmt: skip
"""Files of the folder: the table to fill, the same events for Raven, seed and strata with their
weights, the scores of all detections that it was drawn from, and what to listen to."""

FORMAT = 1

YES, NO, UNCERTAIN = "yes", "no", "uncertain"
ANSWERS = {
    **dict.fromkeys(("yes", "y", "1", "true", "right", "correct"), YES),
    **dict.fromkeys(("no", "n", "0", "false", "wrong"), NO),
    **dict.fromkeys(("uncertain", "u", "?", "unsure", "unknown", "maybe"), UNCERTAIN),
    "": "",
}
"""How answers are written, in any case, and what they say; "" is none yet."""


def write_draw(folder: Path, drawn: Drawn, facts: Mapping[str, Any]) -> None:
    """Write a sample, as `read_answers` reads it, into a folder that is there.

    Parameters
    ----------
    folder : Path
    drawn : Drawn
        Its checks may have got the names of their clips meanwhile.
    facts : mapping
        What else is to be kept beside the strata, JSON-ready: the seed, files, settings.
    """
    write_atomically(folder / TABLE, drawn.checks.to_csv(index=False, lineterminator="\n"))
    drawn.detections.to_parquet(folder / DETECTIONS, index=False)
    kept = {"format": FORMAT, **facts, "strata": [stratum.facts() for stratum in drawn.strata]}
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    write_atomically(folder / FACTS, text + "\n")


def read_facts(folder: Path) -> dict[str, Any]:
    """What `write_draw` kept beside the sample.

    Raises
    ------
    StoreError
        The folder holds no sample, or one of another format.
    """
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text("utf-8"))
        if facts["format"] == FORMAT:
            return facts
        reason = f"it has format {facts['format']}, this reads {FORMAT}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or f"{FACTS} cannot be read"
    raise StoreError(
        f"{folder} holds no sample of detections ({reason}); `faunashot validate draw` makes one"
    )


def read_answers(folder: Path, table: Path | None = None) -> pd.DataFrame:
    """What was drawn from, with the answers that were given.

    The table may have been sorted, cut, or saved with semicolons or tabs: a row is known by its
    number alone, and its score is taken from where it was drawn.

    Parameters
    ----------
    folder : Path
        That `write_draw` wrote.
    table : Path, optional
        The filled table, where it is not that of the folder.

    Returns
    -------
    DataFrame
        A row a detection: ``label, score, stratum, check``, and ``answer``: yes, no, uncertain,
        or "" where it was not drawn or has no answer.

    Raises
    ------
    StoreError
        The folder holds no sample.
    AnnotationError
        The table is none, or a row has an answer that is none, or a number that was not drawn or
        is there twice.
    """
    read_facts(folder)
    try:
        found = pd.read_parquet(folder / DETECTIONS)
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder / DETECTIONS} cannot be read: draw anew ({error})") from error
    path = table or folder / TABLE
    try:
        rows = read_table(path, (CHECK, CORRECT))
    except CorpusError as error:
        raise AnnotationError(str(error)) from error
    drawn = set(found["check"]) - {""}
    answers: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        name, given = row[CHECK], row[CORRECT]
        where = f"{path}, row {number}"
        if name not in drawn:
            raise AnnotationError(f"{where}: {name!r} is no check of this sample")
        if name in answers:
            raise AnnotationError(f"{where}: {name} is there twice")
        if given.lower() not in ANSWERS:
            raise AnnotationError(f"{where}: {given!r} is no answer: yes, no or uncertain")
        if SURPLUS in row:
            raise AnnotationError(f"{where}: it has more cells than the table has columns")
        answers[name] = ANSWERS[given.lower()]
    return found.assign(answer=found["check"].map(answers).fillna(""))
