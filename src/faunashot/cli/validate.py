"""``faunashot validate``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer, note
from faunashot.cli.validate_tables import jsonable, not_reached, print_rows, row_of

if TYPE_CHECKING:
    import pandas as pd

EXPECTED = 0.8
"""Precision that is expected of a class where nothing is said."""

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)

Detections = Annotated[
    list[Path], typer.Argument(help="Tables of detections with scores, or folders of them.")
]
Labels = Annotated[
    str | None, typer.Option(help="Classes, with commas between them; all if not given.")
]
OfModel = Annotated[
    str | None,
    typer.Option("--of-model", help="Whose detections, where several models' are there."),
]
Strata = Annotated[int, typer.Option(min=1, help="Strata of scores of each class.")]


@app.command()
def plan(
    detections: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Tables of detections with scores, or folders of them; can be left out."
        ),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="Your guess of the precision from the threshold on: 0.8, or owl=0.95."),
    ] = None,
    threshold: Annotated[
        float, typer.Option(help="Score from which on the precision is wanted.")
    ] = 0.0,
    half_width: Annotated[
        float | None, typer.Option(help="How far the interval may reach to each side, as 0.05.")
    ] = None,
    show: Annotated[
        float | None,
        typer.Option(help="Precision that the interval shall lie above, in four of five cases."),
    ] = None,
    labels: Labels = None,
    of_model: OfModel = None,
    strata: Strata = 5,
    as_json: AsJson = False,
) -> None:
    """How many detections of each class to check, before any is."""
    from faunashot.detection.validation.planning import Expected
    from faunashot.errors import ParameterError

    if (half_width is None) == (show is None):
        raise ParameterError("say what is wanted: --half-width 0.05, or --show 0.9")
    known: dict[str, Any] = {"any": None}
    if detections:
        events = _events(detections, labels=labels, of_model=of_model)
        known = {str(name): of["score"] for name, of in events.groupby("label", sort=True)}
    guesses = _guesses(expect or [], [*known])
    rows, lines = [], []
    for label, scores in known.items():
        if scores is not None and scores.max() < threshold:
            lines.append(
                f"{label}: none of its {len(scores)} detections scores {threshold:g} or more"
            )
            continue
        expected = Expected(guesses[label], scores=scores, threshold=threshold, n_strata=strata)
        found = (
            expected.checks_for(half_width) if half_width is not None
            else expected.checks_to_show(show or 0.0)
        )  # fmt: skip
        row: dict[str, Any] = {"label": label, "expected": guesses[label]}
        if scores is not None:
            row["detections"] = len(scores)
            row["above"] = int((scores >= threshold).sum())
        row |= {"checks": found.checks, "of them above": found.above}
        row["half-width"] = round(found.half_width, 4)
        row["all"] = found.is_all
        rows.append(row)
    shown = None if as_json else [name for name in (rows[0] if rows else {}) if name != "all"]
    if rows or as_json:
        answer(rows, as_json=as_json, columns=shown)
    for line in lines:
        typer.echo(f"faunashot: {line}", err=True)
    if rows and detections and not as_json:
        most = max(int(row["checks"]) for row in rows)
        note(f"Next: faunashot validate draw ... --per-class {most} --out checks")


@app.command()
def draw(
    detections: Detections,
    out: Annotated[Path, typer.Option(help="Folder to make; it must not exist.")],
    per_class: Annotated[int, typer.Option(min=1, help="Detections to check of each class.")] = 60,
    least: Annotated[
        float, typer.Option("--from", min=0, max=1, help="Leave out what scores less.")
    ] = 0.0,
    labels: Labels = None,
    of_model: OfModel = None,
    strata: Strata = 5,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    clips: Annotated[bool, typer.Option("--clips", help="Cut each out as a WAV file.")] = False,
    context: Annotated[
        float, typer.Option(min=0, help="Seconds before and after, in the WAV files.")
    ] = 3.0,
    recordings: Annotated[
        Path | None, typer.Option(help="Folder that the recordings' paths are relative to.")
    ] = None,
) -> None:
    """Draw detections to be checked by ear: a table to fill, clips, and what was drawn from.

    In OUT/checks.csv, write yes, no or uncertain into the column `correct`. Rows lie in random
    order: who stops early has a smaller sample of the same kind.
    """
    from dataclasses import replace

    from faunashot.detection.validation import folder as of_draw
    from faunashot.detection.validation.clips import cut_clips, with_clips, write_raven_table
    from faunashot.detection.validation.drawing import draw_checks
    from faunashot.download import new_folder
    from faunashot.errors import ParameterError
    from faunashot.files import sha256_of

    events = _events(detections, labels=labels, of_model=of_model)
    events = events[~(events["score"] < least)]
    drawn = draw_checks(events, per_class, n_strata=strata, seed=seed)
    files = [file for file in detections if file.is_file()]
    facts = {
        "seed": seed,
        "per_class": per_class,
        "from": least,
        "of_model": of_model,
        "tables": [str(given) for given in detections],
        "sha256": {str(file): sha256_of(file) for file in files},
    }
    problems: list[tuple[str, str]] = []
    with new_folder(out, error=ParameterError) as fresh:
        if clips:
            facts["context_s"] = context
            cut = cut_clips(
                drawn.checks, fresh / of_draw.CLIPS, recordings=recordings, context_s=context
            )
            problems = cut.problems
            drawn = replace(drawn, checks=with_clips(drawn.checks, cut.names, folder=of_draw.CLIPS))
        of_draw.write_draw(fresh, drawn, facts)
        lack = write_raven_table(drawn.checks, fresh / of_draw.RAVEN_TABLE, recordings=recordings)
    if lack:
        typer.echo(f"faunashot: no selection table for Raven: {lack}", err=True)
    for file, reason in problems:
        typer.echo(f"faunashot: {file}: {reason}; its detections have no clip", err=True)
    n_classes = len({stratum.label for stratum in drawn.strata})
    print(
        f"{len(drawn.checks)} of {len(drawn.detections)} detections of {n_classes} classes in {out}"
    )
    note(
        f"Next: fill the column `correct` of {out / of_draw.TABLE} with yes, no or uncertain, then "
        f"faunashot validate fit {out}"
    )


@app.command()
def fit(
    folder: Annotated[Path, typer.Argument(help="What `faunashot validate draw` made.")],
    answers: Annotated[
        Path | None, typer.Option(help="The filled table, where it is not checks.csv in there.")
    ] = None,
    precision: Annotated[
        float | None, typer.Option(help="Wished; the threshold for it is found.")
    ] = None,
    shown: Annotated[
        bool,
        typer.Option(
            "--shown",
            help="Take the threshold at which the interval lies above it, not the estimate.",
        ),
    ] = False,
    at: Annotated[
        str, typer.Option(help="Scores, with commas, from which on the precision is printed.")
    ] = "",
    model: Annotated[
        str | None,
        typer.Option(help="Whose thresholds are set: a folder, or models:/NAME@champion."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the copy of the model; the model itself is left as it is."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write precision against score as a picture: FILE.png.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Precision by score with its 95 % interval, and the threshold for a wished precision."""
    from faunashot.detection.validation.figure import precision_figure
    from faunashot.detection.validation.fitting import checked_classes, table_of
    from faunashot.detection.validation.folder import read_answers
    from faunashot.detection.validation.thresholds import copy_with_thresholds
    from faunashot.errors import ParameterError

    if precision is not None and not 0 < precision < 1:
        raise ParameterError(f"--precision {precision:g}: needs to lie between 0 and 1")
    if (model is None) != (out is None) or (model is not None and precision is None):
        raise ParameterError(
            "a model's thresholds are set by --model, --precision and --out together"
        )
    if plot is not None and plot.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ParameterError(f"--plot {plot}: name a file that ends in .png, .svg or .pdf")
    scores = _scores(at)
    classes, lines = checked_classes(read_answers(folder, answers))
    found = {
        one.label: one.class_threshold(precision, shown=shown)
        for one in classes
        if precision is not None
    }
    rows = []
    for one in classes:
        row = row_of(one)
        threshold = found.get(one.label)
        if threshold is not None and precision is not None:
            row["threshold"] = threshold.model_dump()
            row["threshold_interval"] = one.curve.threshold(precision, shown=shown)
            row["kept"] = one.curve.kept(threshold.value)
        elif precision is not None:
            lines.append(not_reached(one, precision, shown=shown))
        if one.waiting:
            lines.append(f"{one.label}: {one.waiting} checks have no answer yet, and are left out")
        row["scores"] = table_of([one], scores)
        rows.append(row)
    if as_json:
        answer([jsonable(row) for row in rows], as_json=True)
    else:
        print_rows(rows, precision)
    for line in lines:
        typer.echo(f"faunashot: {line}", err=True)
    if plot is not None:
        precision_figure(classes, precision=precision, shown=shown).savefig(plot)
    if model is not None and out is not None:
        reached = {label: one for label, one in found.items() if one is not None}
        with _folder_of(model) as source:
            copy_with_thresholds(source, out, reached)
        note(f"{len(reached)} thresholds set in {out}, a copy of {model}, which is as it was")


def _events(files: Sequence[Path], *, labels: str | None, of_model: str | None) -> pd.DataFrame:
    """Detections of the wanted classes, of one model."""
    from faunashot.annotations.reading import read_all
    from faunashot.errors import ParameterError

    found = read_all(files)
    for name, reason in found.problems:
        typer.echo(f"faunashot: {name}: {reason}; it is passed over", err=True)
    for line in found.notes:
        typer.echo(f"faunashot: {line}", err=True)
    events: pd.DataFrame = found.events
    models = sorted(set(events["model"]))
    if of_model is not None:
        if of_model not in models:
            raise ParameterError.unknown("--of-model", of_model, models)
        events = events[events["model"] == of_model]
    elif len(models) > 1:
        raise ParameterError(
            f"there are detections of {' and '.join(models)}, whose scores are not alike: name "
            "one by --of-model"
        )
    if labels is not None:
        known = set(events["label"])
        wanted = [name.strip() for name in labels.split(",") if name.strip()]
        for name in wanted:
            if name not in known:
                raise ParameterError.unknown("--labels", name, known)
        events = events[events["label"].isin(wanted)]
    if events.empty:
        raise ParameterError("there are no detections in these tables")
    if events["score"].isna().any():
        raise ParameterError("a detection has no score: these tables are not a model's")
    return events


def _guesses(given: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """The expected precision of each class: its own, or that of all."""
    from faunashot.errors import ParameterError

    said: dict[str, float] = {}
    for text in given:
        name, _, number = text.rpartition("=")
        try:
            said[name] = float(number)
        except ValueError:
            raise ParameterError(f"--expect {text}: needs a number, or CLASS=NUMBER") from None
        if name and name not in labels:
            raise ParameterError.unknown("--expect", name, labels)
    return {label: said.get(label, said.get("", EXPECTED)) for label in labels}


def _scores(given: str) -> list[float]:
    from faunashot.errors import ParameterError

    try:
        found = [float(one) for one in given.split(",") if one.strip()]
    except ValueError:
        raise ParameterError(
            f"--at {given}: scores from 0 to 1, with commas between them"
        ) from None
    if not all(0 <= one <= 1 for one in found):
        raise ParameterError(f"--at {given}: scores from 0 to 1, with commas between them")
    return found


@contextmanager
def _folder_of(model: str) -> Iterator[Path]:
    if Path(model).is_dir() or not model.startswith(("models:", "runs:")):
        yield Path(model)
        return
    from faunashot.tracking.stored_models import model_from_mlflow

    with model_from_mlflow(model) as folder:
        yield folder
