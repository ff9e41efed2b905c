"""``faunashot recognise``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer


def recognise(
    files: Annotated[
        list[Path],
        typer.Argument(help="Recordings of any format and length, folders of them, or globs."),
    ],
    model: Annotated[
        Path | None, typer.Option(help="Folder of a model; that of params.yaml if not given.")
    ] = None,
    windows: Annotated[bool, typer.Option(help="A row a window instead of one a file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the most probable class of each recording, or unknown where it is like none of them.

    A bad one gets a line and is passed over. The probability is that of the most probable class.
    """
    from faunashot.audio.recordings import find_recordings
    from faunashot.errors import AudioError
    from faunashot.features.remarks import summed_up
    from faunashot.native import quiet_native
    from faunashot.params import load_params
    from faunashot.pipeline.paths import model_of
    from faunashot.recogniser import Recogniser

    recogniser = Recogniser.load(model or model_of(load_params().full_system))
    rows: list[dict[str, Any]] = []
    said: list[tuple[str, str | None]] = []
    found = find_recordings(files)
    bad = len(found.problems)
    for name, lack in found.problems:
        typer.echo(f"faunashot: {name}: {lack}", err=True)
    with quiet_native():
        for file in found.files:
            try:
                heard = recogniser.recognise(file)
            except AudioError as error:
                bad += 1
                typer.echo(f"faunashot: {file}: {error}", err=True)
                continue
            said += [(str(file), note) for note in heard.notes]
            if windows:
                for start, end, scores in heard.windows:
                    best = max(scores, key=lambda name: scores[name])
                    rows.append(
                        {"file": str(file), "start_s": start, "end_s": end, "label": best}
                        | {"score": round(scores[best], 4)}
                    )
            else:
                best_p = round(max(heard.probabilities.values()), 4)
                row = {"file": str(file), "label": heard.label, "probability": best_p}
                if heard.unknown_score is not None:
                    row["unknown_score"] = round(heard.unknown_score, 4)
                rows.append(row | ({"probabilities": heard.probabilities} if as_json else {}))
    for line in summed_up(said, total=len(found.files)):
        typer.echo(f"faunashot: {line}", err=True)
    answer(rows, as_json=as_json)
    if bad:
        raise typer.Exit(1)
