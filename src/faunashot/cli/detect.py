"""``faunashot detect``."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from faunashot.cli.embed import EngineName
from faunashot.cli.output import EXIT_CODES, AsJson, answer, end_with

if TYPE_CHECKING:
    from faunashot.detection.job import Detector, Engine
    from faunashot.detection.models import Model
    from faunashot.detection.parts import Detected, Parts
    from faunashot.detection.settings import DetectionSettings
    from faunashot.detection.survey import Recording

EPILOG = EXIT_CODES

MOST_OVERLAPS = 20
"""Lines about recordings that overlap: two recorders in one folder overlap all night."""


class Unknown(StrEnum):
    """What becomes of what is like nothing that was learned."""

    events = "events"
    suppress = "suppress"
    ignore = "ignore"


def detect(
    files: Annotated[
        list[Path],
        typer.Argument(help="Recordings of any format and length, folders of them, or globs."),
    ],
    model: Annotated[
        list[str],
        typer.Option(
            help="Folder of a model, or models:/NAME@champion; several share one pass over the "
            "audio. NAME=FOLDER gives it another name."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the tables.")],
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="raven, audacity, csv, ...; several too.")
    ] = None,
    one_table: Annotated[
        bool, typer.Option(help="One table of all recordings, not one of each.")
    ] = False,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            help="Score of a window from which on it is of a class: 0.5 for all classes, "
            "frog=0.3 for one. The model's own, from validation, if not given."
        ),
    ] = None,
    go_on: Annotated[
        float, typer.Option(help="Share of the threshold down to which an event goes on.")
    ] = 0.5,
    gap_s: Annotated[
        float, typer.Option(help="Events of a class that lie no further apart are one.")
    ] = 0.0,
    min_s: Annotated[float, typer.Option(help="Shorter events are left out.")] = 0.0,
    unknown: Annotated[
        Unknown,
        typer.Option(
            help="What is like nothing learned, where the model can tell: events of the label "
            "unknown, none, or as if it could not."
        ),
    ] = Unknown.events,
    timezone: Annotated[
        str | None,
        typer.Option(help="Of recorders that do not note theirs, as Europe/Berlin."),
    ] = None,
    engine: Annotated[
        EngineName, typer.Option(help="ray: over the cluster that RAY_ADDRESS names, or this one.")
    ] = EngineName.local,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Threads, or actors of ray; as many as there are processors."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find events in recordings of hours or weeks, and write tables that Raven and others open.

    A run that was interrupted goes on where it was; recordings may be added to a folder of
    detections. Beside each table a file says which model, weights and settings made it. A recording
    that is bad, or a part of one, gets a line.
    """
    from faunashot.detection import tables
    from faunashot.detection.cluster import ray_actors
    from faunashot.detection.job import Detector
    from faunashot.detection.models import named
    from faunashot.detection.parts import Parts
    from faunashot.detection.settings import DetectionSettings, parse_thresholds
    from faunashot.detection.survey import survey

    block = {"go_on": go_on, "gap_s": gap_s, "min_s": min_s, "unknown": unknown.value}
    settings = DetectionSettings.read(
        {"thresholds": parse_thresholds(threshold or []), **block}, key="detect"
    )
    asked = list(dict.fromkeys(formats or ["csv"]))
    tables.refuse_formats(asked, one_table=one_table)
    addresses = named(model)
    recordings, refused = survey(files)
    if not recordings:
        _refuse(refused)
    models = _load(addresses)
    settings.refuse_unknown_classes([each.recogniser.record for each in models])
    job = _job(models, settings, timezone)
    detector = partial(Detector, settings=settings, timezone=timezone)
    run: Engine = (
        ray_actors(partial(_on_node, addresses, detector), actors=workers)
        if engine is EngineName.ray
        else detector(models, workers=workers)
    )
    parts, began = Parts(out), time.perf_counter()
    with parts.claimed(job):
        for name in refused:
            parts.remove(name)
        known = {one.file: parts.known(one.file) for one in recordings}
        waiting = [one for one in recordings if _stamp(known[one.file]) != one.stamp]
        now = _run(waiting, parts, run, refused) if waiting else []
        took_s = time.perf_counter() - began
        found = [parts.known(one.file) for one in recordings if one.file not in refused]
        done = [one for one in found if one is not None]
        about = {**job, "command": sys.argv[1:], "made": _now()}
        written = tables.write_tables(parts, done, formats=asked, one_table=one_table, about=about)
        labels = [label for one in done for label in _labels(parts, one)]
    _tell(done)
    heard_s = sum(one.duration_s for one in now)
    row = {
        "out": out.as_posix(),
        "tables": [table.relative_to(out).as_posix() for table in written],
        "recordings": len(done),
        "audio_h": round(sum(one.duration_s for one in done) / 3600, 3),
        "detected_now": len(now),
        "times_real_time": round(heard_s / took_s, 1) if heard_s else None,
        "events": len(labels),
        "bad": [{"file": name, "error": reason} for name, reason in refused.items()],
        "labels": _counted(labels),
    }
    if as_json:
        answer([row], as_json=True)
    else:
        _show(row)
    for name, reason in refused.items():
        typer.echo(f"faunashot: {name}: {reason}", err=True)
    end_with(good=len(done), bad=len(refused) + sum(bool(one.bad) for one in done))


def _refuse(refused: Mapping[str, str]) -> NoReturn:
    """End with a line of each recording, where none can be used."""
    from faunashot.errors import AudioError

    *others, (name, reason) = refused.items()
    for other, why in others:
        typer.echo(f"faunashot: {other}: {why}", err=True)
    raise AudioError(f"{name}: {reason}")


def _load(addresses: Mapping[str, str]) -> list[Model]:
    from faunashot import model_folder
    from faunashot.detection.models import Model

    found = []
    for name, address in addresses.items():
        with model_folder(address) as folder:
            found.append(Model.load(folder, name=name, address=address))
    return found


def _on_node(addresses: Mapping[str, str], detector: Callable[..., Detector]) -> Detector:
    """What detects, made on a node; two threads, of which one may wait for the disk."""
    return detector(_load(addresses), workers=2)


def _job(
    models: Sequence[Model], settings: DetectionSettings, timezone: str | None
) -> dict[str, Any]:
    """What has to be the same of all detections in a folder."""
    import faunashot

    return {
        "faunashot": faunashot.__version__,
        "models": {model.name: model.facts() for model in models},
        "settings": settings.model_dump(mode="json") | {"timezone": timezone},
    }


def _stamp(known: Detected | None) -> tuple[int, int] | None:
    return None if known is None else known.stamp


def _run(
    waiting: Sequence[Recording], parts: Parts, engine: Engine, refused: dict[str, str]
) -> list[Detected]:
    """Detect, with a bar of the hours of audio; adds what is refused, gives what is done."""
    from faunashot.progress import progress

    done = []
    hours = sum(one.duration_s for one in waiting) / 3600
    with progress("detecting", total=hours, unit="h of audio") as advance:
        for step in engine(waiting, parts):
            advance(step.seconds / 3600)
            if step.refused is not None:
                refused[step.refused[0]] = step.refused[1]
            if step.detected is not None:
                done.append(step.detected)
    return done


def _labels(parts: Parts, recording: Detected) -> Iterator[tuple[str, str]]:
    events = parts.events(recording.file)
    yield from zip(events["model"], events["label"], strict=True)


def _counted(labels: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """How many events there are of each label, the most of each model first."""
    counts = sorted(Counter(labels).items(), key=lambda item: (item[0][0], -item[1]))
    return [{"model": model, "label": label, "events": n} for (model, label), n in counts]


def _tell(done: Sequence[Detected]) -> None:
    """Print what of recordings is bad or odd, and what their times lack."""
    from faunashot.audio.recorded import missing_zones, overlaps

    for one in done:
        for part in one.bad:
            typer.echo(f"faunashot: {_line(one.file, part)}", err=True)
        for note in one.notes:
            typer.echo(f"faunashot: {one.file}: {note}", err=True)
    began = {one.file: one.began for one in done}
    lines = overlaps(began, {one.file: one.duration_s for one in done})
    for line in lines[:MOST_OVERLAPS]:
        typer.echo(f"faunashot: {line}", err=True)
    if len(lines) > MOST_OVERLAPS:
        typer.echo(f"faunashot: {len(lines) - MOST_OVERLAPS} more recordings overlap", err=True)
    if without := missing_zones(began):
        typer.echo(f"faunashot: {without}", err=True)


def _line(file: str, part: Mapping[str, Any]) -> str:
    end = "its end" if part["end_s"] is None else f"{part['end_s']:g} s"
    return f"{file} from {part['start_s']:g} s to {end}: {part['reason']}"


def _now() -> str:
    from datetime import datetime

    return datetime.now().astimezone().isoformat(timespec="seconds")


def _show(row: Mapping[str, Any]) -> None:
    speed = row["times_real_time"]
    print(
        f"{row['out']}: {row['events']} events in {row['recordings']} recordings "
        f"({row['audio_h']} h), {row['detected_now']} of them detected now"
        + (f", {speed} times as fast as they last" if speed else "")
        + f"; {len(row['tables'])} tables, {len(row['bad'])} bad"
    )
    if row["labels"]:
        answer(row["labels"], as_json=False)
