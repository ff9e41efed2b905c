"""``faunashot search``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer, refuse_other_tables, write_rows

RAVEN = ".txt"
"""What a selection table of Raven ends in."""


def search(
    query: Annotated[
        str, typer.Argument(help='A recording, or words such as "a frog calling".', metavar="QUERY")
    ],
    features: Annotated[
        str, typer.Option(help="Folder that `faunashot embed` or the pipeline wrote.")
    ],
    root: Annotated[
        str, typer.Option(help="Folder of the recordings that features are of, for their names.")
    ] = "",
    database: Annotated[
        Path | None,
        typer.Option(help="Folder of the database; beside the features if not given."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many windows to list.")] = 10,
    start: Annotated[
        float | None,
        typer.Option(min=0, help="Second of the recording at which the sound is."),
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Compare all windows, however many there are.")
    ] = False,
    overlapping: Annotated[
        bool,
        typer.Option("--overlapping", help="List windows beside those that they overlap, too."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the rows to this file: FILE.csv, FILE.json, or FILE.txt, a selection table "
            "for Raven."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the windows that are most like a sound, from features that were stored before.

    Nothing but the query is embedded. Words need features of a backbone that reads them, such as
    CLAP or AudioCLIP. The database of the windows is made on first use.
    """
    from faunashot.features import store
    from faunashot.search.database import database_of
    from faunashot.search.query import query_embedding

    refuse_other_tables(out, further=[RAVEN])
    spec = store.load(features).spec
    embedded = query_embedding(query, spec, start_s=start)
    hits = database_of(features, folder=database).search(
        embedded, n=top, exact=True if exact else None, overlapping=overlapping
    )
    rows = [
        asdict(hit)
        | {
            "file": f"{root.rstrip('/')}/{hit.file}" if root else hit.file,
            "start_s": round(hit.start_s, 3),
            "end_s": round(hit.end_s, 3),
            "similarity": round(hit.similarity, 4),
        }
        for hit in hits
    ]
    if out is not None and out.suffix.lower() == RAVEN:
        _write_selections(out, rows, query=query)
    elif out is not None:
        write_rows(out, rows)
    if as_json or out is None:
        answer(rows, as_json=as_json)
    else:
        print(f"{out}: {len(rows)} rows")


def _write_selections(out: Path, rows: Sequence[Mapping[str, Any]], *, query: str) -> None:
    """Write hits for Raven, the most similar first, with the similarity as score."""
    from faunashot.annotations.formats import ANNOTATION_FORMATS
    from faunashot.annotations.table import as_table
    from faunashot.detection.recording_infos import recording_infos
    from faunashot.errors import AudioError

    try:
        recordings = recording_infos(sorted({str(row["file"]) for row in rows}))
    except AudioError as error:
        raise AudioError(
            f"--out {out}: {error}; a selection table has the lengths of recordings: say by --root "
            "in which folder they lie"
        ) from error
    label = Path(query).stem if Path(query).exists() else query
    table = as_table([{**row, "label": label, "score": row["similarity"]} for row in rows])
    ANNOTATION_FORMATS["raven"]().write(table, out, recordings=recordings)
