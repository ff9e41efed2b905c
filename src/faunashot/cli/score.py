"""``faunashot score``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from faunashot.cli.output import EXIT_CODES, AsJson, answer, end_with, note
from faunashot.wording import INTERVAL

if TYPE_CHECKING:
    from faunashot.detection.scoring.score import Scored

EPILOG = EXIT_CODES.replace("recordings are", "tables are")

FIGURES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "average_precision": "AP",
    "false_alarms_per_hour": "false/h",
}
"""Names of the figures, and their headings."""


def score(
    detections: Annotated[
        Path, typer.Argument(help="A table of detections of any format, or a folder of them.")
    ],
    annotations: Annotated[
        Path, typer.Argument(help="A table of what is in the recordings, or a folder of them.")
    ],
    overlap: Annotated[
        Literal["iou", "covered", "any"],
        typer.Option(
            help="What is compared with --least: the time that both share over that which either "
            "has (iou), the part of the annotation that is covered, or any overlap, in which "
            "several detections may be of one annotation."
        ),
    ] = "iou",
    least: Annotated[float, typer.Option(help="The least overlap that counts.")] = 0.5,
    matching: Annotated[
        Literal["greedy", "optimal"],
        typer.Option(help="The highest score chooses first, or as many pairs as can be made."),
    ] = "greedy",
    threshold: Annotated[
        float | None, typer.Option(help="Leave out detections of a lower score.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Whose detections, where there are several models'.")
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(help="CSV of two columns, a label of either side and its name here."),
    ] = None,
    audio: Annotated[
        Path | None, typer.Option(help="Folder of the recordings, whose lengths are needed.")
    ] = None,
    durations: Annotated[
        Path | None, typer.Option(help="CSV with columns file and duration_s, in its place.")
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Take recordings without annotations as annotated with nothing."
        ),
    ] = False,
    by: Annotated[
        Literal["label", "site", "file"], typer.Option(help="What the table has a row for.")
    ] = "label",
    out: Annotated[
        Path | None, typer.Option(help="Write all rows, by label, site and file, to FILE.csv.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print how good detections are, with intervals over recordings.

    Only recordings with annotations count; an empty table says that there is nothing in it.
    """
    from faunashot.annotations.reading import read_all
    from faunashot.detection.scoring.lengths import lengths_of
    from faunashot.detection.scoring.score import score as scored
    from faunashot.detection.scoring.sides import read_labels_map
    from faunashot.errors import ParameterError

    if out is not None and out.suffix.lower() != ".csv":
        raise ParameterError(f"--out {out}: name a file that ends in .csv")
    detected, annotated = read_all([detections]), read_all([annotations])
    problems = [*detected.problems, *annotated.problems]
    for name, reason in problems:
        typer.echo(f"faunashot: {name}: {reason}", err=True)
    known = lengths_of(annotated.recordings, audio=audio, table=durations)
    found = scored(
        detected,
        annotated,
        criterion=overlap,
        least=least,
        matching=matching,
        threshold=threshold,
        labels=None if labels is None else read_labels_map(labels),
        duration_s=known,
        all_recordings=every,
        model=model,
    )
    for line in [*detected.notes, *annotated.notes, *found.notes]:
        typer.echo(f"faunashot: {line}", err=True)
    if out is not None:
        _write(out, found.rows)
    if as_json:
        print(json.dumps(_document(found), indent=1, ensure_ascii=False))
    else:
        _show(found, by)
    end_with(good=found.recordings, bad=len(problems))


def _document(found: Scored) -> dict[str, Any]:
    names = list(map(str, found.confusion.index))
    confusion = {"names": names, "rows_annotated_columns_detected": found.confusion.values.tolist()}
    return {
        "recordings": found.recordings,
        "rows": found.rows,
        "confusion": confusion,
        "notes": found.notes,
    }


def _show(found: Scored, by: str) -> None:
    rows = [row for row in found.rows if row["of"] in ("all", by)]
    timed = any(row.get("false_alarms_per_hour") is not None for row in rows)
    answer([_shown(row, by, timed=timed) for row in rows], as_json=False)
    note(f"{found.recordings} recordings; below a figure its {INTERVAL} with others of their kind.")
    pairs = _mistaken(found)
    if pairs:
        note("Taken for another: " + "; ".join(pairs) + ".")


def _shown(row: Mapping[str, Any], by: str, *, timed: bool) -> dict[str, Any]:
    cells: dict[str, Any] = {by: row["name"]}
    cells["found"] = f"{row['found']} of {row['annotated']}"
    cells["right"] = f"{row['right']} of {row['detected']}"
    for name, heading in FIGURES.items():
        if name == "average_precision" and by != "label":
            continue
        if name == "false_alarms_per_hour" and not timed:
            continue
        value, low, high = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
        digits = 1 if name == "false_alarms_per_hour" else 3
        of_ends = min(digits, 2)  # so that they fit side by side
        ends = "" if None in (low, high) else f"\n{low:.{of_ends}f} to {high:.{of_ends}f}"
        cells[heading] = "" if value is None else f"{value:.{digits}f}{ends}"
    return cells


def _mistaken(found: Scored) -> list[str]:
    """The most frequent confusions of two labels."""
    table = found.confusion.iloc[:-1, :-1]
    pairs = [
        (int(n), f"{row} for {column} ({n})")
        for row, of in zip(map(str, table.index), table.values.tolist(), strict=True)
        for column, n in zip(map(str, table.columns), of, strict=True)
        if n and row != column
    ]
    return [said for _, said in sorted(pairs, key=lambda pair: -pair[0])[:5]]


def _write(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    import pandas as pd

    from faunashot.files import write_atomically

    write_atomically(file, pd.DataFrame(list(rows)).to_csv(index=False, lineterminator="\n"))
