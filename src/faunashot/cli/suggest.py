"""``faunashot suggest``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer, note, refuse_other_tables, write_rows

if TYPE_CHECKING:
    from faunashot.search.candidates import Candidates
    from faunashot.search.stopping import Forecast


class Unit(StrEnum):
    """What is labelled at once."""

    window = "window"
    recording = "recording"


def suggest(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Recordings, folders of them, or globs.", show_default=False),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="Folder that `faunashot embed` or the pipeline wrote, in place of recordings; one "
            "a backbone of the model.",
        ),
    ] = None,
    root: Annotated[
        str, typer.Option(help="Folder of the recordings that features are of, for their names.")
    ] = "",
    model: Annotated[
        str | None,
        typer.Option(
            help="Folder of a model, models:/NAME@champion, models:/NAME/3 or the id of a run; the "
            "model of params.yaml if not given."
        ),
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many to label next.")] = 10,
    by: Annotated[Unit, typer.Option(help="What is labelled at once.")] = Unit.window,
    strategy: Annotated[
        str, typer.Option(help="uncertainty, diversity, both, or random.")
    ] = "both",
    labelled: Annotated[
        list[Path] | None,
        typer.Option(
            help="What has a label: a folder of `faunashot label`, a folder of recordings, or a "
            "table with a column file; repeatable."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 0,
    stop: Annotated[
        bool, typer.Option("--stop", help="Say what n more labels are expected to gain, alone.")
    ] = False,
    worth: Annotated[
        float, typer.Option(min=0, help="Macro-F1 that n more labels have to gain.")
    ] = 0.01,
    labels: Annotated[
        int | None,
        typer.Option(min=1, help="Labels there are; those of the largest k scored if not given."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Write the rows to FILE.csv or FILE.json; `faunashot label` reads them."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what to label next, and what that many more labels are expected to gain.

    The gain is read off the learning curve of the last run of the project that is the current
    folder (few_shot, at several k).
    """
    from faunashot.errors import ParameterError

    refuse_other_tables(out)
    if not stop and bool(files) == bool(features):
        raise ParameterError(
            "name recordings, or --features FOLDER, to choose from"
            + (", not both" if files else "; or --stop to hear what more labels would gain")
        )
    rows: list[dict[str, Any]] = []
    if not stop:
        found = _candidates(files or [], features or [], root, model, by, labelled or [])
        rows = _rows(found.suggested(n, strategy=strategy, seed=seed))
    gain, lack = _forecast(n, labels, needed=stop)
    if out is not None:
        write_rows(out, rows)
    if as_json:
        said = _facts(gain, worth) if gain else {"lacks": lack}
        document = {"suggestions": rows, "strategy": strategy, "gain": said}
        print(json.dumps(document, indent=1, ensure_ascii=False))
        return
    if out is not None:
        print(f"{out}: {len(rows)} rows")
    elif not stop:
        answer(rows, as_json=False)
    note(_sentence(gain, worth) if gain else f"What more labels would gain: {lack}.")


def _candidates(
    files: Sequence[Path],
    features: Sequence[str],
    root: str,
    model: str | None,
    by: Unit,
    labelled: Sequence[Path],
) -> Candidates:
    import pandas as pd

    from faunashot import load_model
    from faunashot.features import store
    from faunashot.params import load_params
    from faunashot.pipeline.paths import clips_of, model_of
    from faunashot.search.candidates import candidates, joined_for
    from faunashot.search.embedded import embedded
    from faunashot.search.known import Known

    recogniser = load_model(model_of(load_params()) if model is None else model)
    table = clips_of(recogniser.record.corpus)
    clips = pd.read_parquet(table) if recogniser.record.corpus and table.exists() else None
    known = Known.of_clips(recogniser.record.learned_from, clips)
    for each in labelled:
        known.add(each)
    hashes: dict[str, str] = {}
    if files:
        given, hashes, bad = embedded(files, recogniser.extractors)
        for line in bad:
            typer.echo(f"faunashot: {line}", err=True)
    else:
        given = [store.load(each) for each in features]
    return candidates(
        joined_for(recogniser, given),
        recogniser,
        by="window" if by is Unit.window else "recording",
        known=known,
        hashes=hashes,
        root=root and root.rstrip("/") + "/",
    )


def _rows(suggested: Any) -> list[dict[str, Any]]:
    digits = {"start_s": 3, "end_s": 3, "probability": 4, "uncertainty": 4}
    columns = ["file", "start_s", "end_s", "label", "probability", "uncertainty"]
    rows: list[dict[str, Any]] = suggested[columns].round(digits).to_dict("records")
    return rows


def _forecast(n: int, labels: int | None, *, needed: bool) -> tuple[Forecast | None, str]:
    """The gain of n more labels, or what is missing to tell it."""
    import pandas as pd

    from faunashot.errors import FaunashotError, StoreError
    from faunashot.params import load_params
    from faunashot.pipeline.paths import PREDICTIONS, model_of
    from faunashot.search.stopping import forecast
    from faunashot.systems.record import TrainedSystem

    scores = PREDICTIONS / "held_out.parquet"
    try:
        if not scores.exists():
            raise StoreError(f"{scores} is not here: `dvc repro` in the project scores it")
        record = TrainedSystem.read(model_of(load_params()))
        held_out = pd.read_parquet(scores)
        return forecast(
            held_out, record.classes, labelled=labels, further=n, multi_label=record.multi_label
        ), ""
    except FaunashotError as error:
        if needed:
            raise
        return None, str(error)


def _facts(found: Forecast, worth: float) -> dict[str, Any]:
    return {
        "labels": found.labelled,
        "further": found.further,
        "macro_f1": found.now._asdict(),
        "gain": found.gain._asdict(),
        "limit": found.limit,
        "worth": worth,
        "verdict": found.verdict(worth),
        "curve": found.curve.to_dict("records"),
    }


def _sentence(found: Forecast, worth: float) -> str:
    """What was found in words, and what follows from it."""
    gain = _interval(found.gain)
    reasons = {
        "stop": f"Stop: even the upper end is less than --worth {worth:g}.",
        "go on": f"Go on: that is worth it (--worth {worth:g}).",
        "open": f"Open: less than --worth {worth:g} is expected, but more may be gained.",
    }
    return (
        f"With {found.labelled} labels macro-F1 is {_interval(found.now)}; {found.further} more "
        f"labels are expected to gain {gain}. {reasons[found.verdict(worth)]}"
    )


def _interval(figure: Any) -> str:
    ends = "" if figure.low is None else f" [{figure.low:.3f}, {figure.high:.3f}]"
    return f"{figure.value:.3f}{ends}"
