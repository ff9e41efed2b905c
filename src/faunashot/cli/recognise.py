"""``faunashot recognise``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import (
    EXIT_CODES,
    AsJson,
    answer,
    end_with,
    refuse_other_tables,
    write_rows,
)

if TYPE_CHECKING:
    from faunashot.recogniser import Recogniser
    from faunashot.recognition import Recognition

EPILOG = EXIT_CODES

LONG_S = 60.0
"""Seconds from which on one label says little of a recording."""


def recognise(
    files: Annotated[
        list[Path],
        typer.Argument(help="Recordings of any format and length, folders of them, or globs."),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder of a model, models:/NAME@champion, models:/NAME/3, runs:/ID/... or the "
            "id of a run; the model of params.yaml if not given."
        ),
    ] = None,
    windows: Annotated[bool, typer.Option(help="A row a window instead of one a file.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the rows to this file: FILE.csv or FILE.json.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the most probable class of each recording, or unknown where it is like none of them.

    A bad one gets a line, and a row that says why. The probability is that of the most probable
    class.
    """
    from faunashot.audio.recordings import find_recordings
    from faunashot.errors import AudioError
    from faunashot.features.remarks import summed_up
    from faunashot.progress import tracked

    refuse_other_tables(out)
    found = find_recordings(files)
    rows: list[dict[str, Any]] = []
    said: list[tuple[str, str | None]] = []

    def refuse(file: str, reason: str) -> None:
        rows.append({"file": file, "error": reason})
        typer.echo(f"faunashot: {file}: {reason}", err=True)

    for name, lack in found.problems:
        refuse(name, lack)
    recogniser = _recogniser(model)
    for file in tracked(found.files, "recognising"):
        try:
            heard = recogniser.recognise(file)
        except AudioError as error:
            refuse(str(file), str(error))
            continue
        said += [(str(file), note) for note in _notes(heard, windows=windows)]
        of_file = _windows(heard) if windows else [_clip(heard, whole=as_json or out)]
        rows += [{"file": str(file)} | row for row in of_file]
    for line in summed_up(said, total=len(found.files)):
        typer.echo(f"faunashot: {line}", err=True)
    if out is not None:
        write_rows(out, rows, without=["probabilities"])
    if as_json or out is None:
        answer(rows, as_json=as_json)
    else:
        print(f"{out}: {len(rows)} rows")
    bad = sum("error" in row for row in rows)
    end_with(good=len(rows) - bad, bad=bad)


def _recogniser(model: str | None) -> Recogniser:
    from faunashot import load_model
    from faunashot.params import load_params
    from faunashot.pipeline.paths import model_of

    return load_model(model_of(load_params()) if model is None else model)


def _notes(heard: Recognition, *, windows: bool) -> Iterator[str]:
    yield from heard.notes
    if not windows and heard.windows and heard.windows[-1][1] > LONG_S:
        yield (
            f"longer than {LONG_S:g} s, and one label is given for all of it; `--windows` gives "
            "one for each part"
        )


def _windows(heard: Recognition) -> Iterator[dict[str, Any]]:
    for start, end, scores in heard.windows:
        best = max(scores, key=lambda name: scores[name])
        times = {"start_s": round(start, 3), "end_s": round(end, 3)}
        yield times | {"label": best, "score": round(scores[best], 4)}


def _clip(heard: Recognition, *, whole: object) -> dict[str, Any]:
    best_p = round(max(heard.probabilities.values()), 4)
    row: dict[str, Any] = {"label": heard.label, "probability": best_p}
    if heard.unknown_score is not None:
        row["unknown_score"] = round(heard.unknown_score, 4)
    return row | ({"probabilities": heard.probabilities} if whole else {})
