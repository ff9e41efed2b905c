"""``faunashot embed``."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from faunashot.cli.output import EXIT_CODES, AsJson, answer, end_with

EPILOG = EXIT_CODES


class EngineName(StrEnum):
    """Who embeds."""

    local = "local"
    ray = "ray"


class ChannelName(StrEnum):
    """What of a recording's channels is listened to."""

    mix = "mix"
    left = "left"
    right = "right"
    loudest = "loudest"


def embed(
    files: Annotated[
        list[Path],
        typer.Argument(help="Recordings of any format and length, folders of them, or globs."),
    ],
    backbone: Annotated[str, typer.Option(help="`faunashot backbones` lists them.")],
    out: Annotated[
        str, typer.Option(help="Folder of the features, or a URL that fsspec knows, as s3://...")
    ],
    hop_s: Annotated[
        float | None, typer.Option(help="Step between windows; the backbone's own if not given.")
    ] = None,
    channel: Annotated[
        ChannelName, typer.Option(help="What of several channels: their mean, one, the loudest.")
    ] = ChannelName.mix,
    time_expansion: Annotated[
        int,
        typer.Option(min=1, help="Slow recordings down by this, as 10 of bats at 384 kHz."),
    ] = 1,
    engine: Annotated[
        EngineName, typer.Option(help="ray: over the cluster that RAY_ADDRESS names, or this one.")
    ] = EngineName.local,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Threads, or actors of ray; as many as there are processors."),
    ] = None,
    prune: Annotated[
        bool, typer.Option(help="Remove the features of recordings that are not named any more.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Store the embeddings of recordings, labelled or not.

    What was embedded before on this machine, for whatever purpose, is not embedded again, see
    `faunashot cache`: more files may be added, and a run that was interrupted goes on. A recording,
    or the part of a long one, that is bad gets a line.
    """
    from faunashot.audio.reading import Reading
    from faunashot.errors import AudioError
    from faunashot.features import remarks, store
    from faunashot.features.engine import Engine, local
    from faunashot.features.extract import cores
    from faunashot.features.extractors import extractor
    from faunashot.features.jobs import shown
    from faunashot.features.plan import plan

    recordings, unusable = _recordings(files)
    if not prune:
        _refuse_to_drop(out, {recording.clip_id for recording in recordings})
    options: dict[str, Any] = {} if hop_s is None else {"hop_s": hop_s}
    reading = Reading(channel.value, time_expansion)
    load = functools.partial(extractor, backbone, options=options, reading=reading)
    loaded = load()
    run: Engine = local(loaded, workers=workers)
    if engine is EngineName.ray:
        from faunashot.features.cluster import ray_actors

        run = ray_actors(load, actors=workers)
    began = time.perf_counter()
    planned = plan(recordings, loaded)
    planned = replace(planned, bad=(*unusable, *planned.bad))
    if not planned.shards:
        raise AudioError("; ".join(map(_line, planned.bad[:1])))
    stored = shown(backbone, planned, out, run)
    took_s = time.perf_counter() - began
    names = [recording.clip_id for recording in recordings]
    with ThreadPoolExecutor(workers or cores()) as pool:
        paths = (recording.path for recording in recordings)
        of_bands = list(pool.map(lambda path: remarks.of_recording(path, loaded), paths))
    said = [*zip(names, of_bands, strict=True), *remarks.of_windows(store.load(out))]
    warnings = remarks.summed_up(said, total=len(names))
    for warning in warnings:
        typer.echo(f"faunashot: {warning}", err=True)
    for clip_id, note in planned.notes:
        typer.echo(f"faunashot: {clip_id}: {note}", err=True)
    for bad in stored.bad:
        typer.echo(f"faunashot: {_line(bad)}", err=True)
    row = {
        "out": out,
        "backbone": f"{loaded.name} {loaded.version}",
        "recordings": len(recordings),
        "audio_h": round(planned.seconds / 3600, 3),
        "windows": stored.windows,
        "embedded": stored.embedded,
        "windows_per_s": round(stored.embedded / took_s, 1),
        "bad": [_element(bad) for bad in stored.bad] if as_json else len(stored.bad),
        "notes": list(planned.notes),
        "warnings": warnings,
        "licence": loaded.licence,
    }
    if as_json:
        answer([row], as_json=True)
    else:
        print(
            "{out}: {windows} windows of {recordings} recordings ({audio_h} h) by {backbone}, "
            "{embedded} of them embedded now, {windows_per_s} a second; {bad} bad; licence of the "
            "weights: {licence}".format(**row)
        )
    end_with(good=stored.windows, bad=len(stored.bad))


def _refuse_to_drop(out: str, named: set[str]) -> None:
    from faunashot.errors import StoreError
    from faunashot.features.store import clip_ids
    from faunashot.storage import Storage

    if left_out := clip_ids(Storage(out)) - named:
        raise StoreError(
            f"{out} has features of {len(left_out)} recordings that are not named now, such as "
            f"{min(left_out)}: name them too, or say --prune to remove them"
        )


def _recordings(named: Sequence[Path]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Recordings by the path as it was given, or of a single folder in it; what is unusable."""
    from faunashot.audio.recordings import find_recordings
    from faunashot.errors import AudioError
    from faunashot.features.plan import Recording, bad_part

    found = find_recordings(named)
    if not found.files:
        name, lack = found.problems[0]
        raise AudioError(f"{name}: {lack}")
    within = named[0] if len(named) == 1 and named[0].is_dir() else Path()
    recordings = [Recording(_below(within, file), file) for file in found.files]
    unusable = [bad_part(_below(within, Path(name)), lack) for name, lack in found.problems]
    return recordings, unusable


def _below(within: Path, file: Path) -> str:
    return (file.relative_to(within) if file.is_relative_to(within) else file).as_posix()


def _element(bad: dict[str, Any]) -> dict[str, Any]:
    return {"error" if name == "reason" else name: value for name, value in bad.items()}


def _line(bad: dict[str, Any]) -> str:
    part = ""
    if bad["start_s"] or bad["end_s"] is not None:
        end = "its end" if bad["end_s"] is None else f"{bad['end_s']:g} s"
        part = f" from {bad['start_s']:g} s to {end}"
    return f"{bad['clip_id']}{part}: {bad['reason']}"
