"""``faunashot pack``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from faunashot.cli.output import EXIT_CODES, AsJson, answer, end_with

EPILOG = EXIT_CODES
SHOWN = 10
"""Bad recordings that get a line each."""


def pack(
    out: Annotated[Path, typer.Argument(help="The HDF5 file to make, such as animals.h5.")],
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads; as many as there are processors.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the project's corpus as one HDF5 file: int16 waveforms, multi-hot targets, names.

    Corpus, classes and channel are those of params.yaml, rate and length those of its
    `frontends.waveform`. A run that was interrupted goes on.
    """
    from faunashot.data.packed import pack as pack_corpus
    from faunashot.frontends.waveform import Waveform
    from faunashot.params import load_params
    from faunashot.pipeline.check import corpus_of

    params = load_params()
    corpus, options = corpus_of(params, params.corpus), params.options_of(Waveform.name)
    began = time.perf_counter()
    done = pack_corpus(
        corpus,
        params.root,
        out,
        rate_hz=options["rate_hz"],
        window_s=options["window_s"],
        channel=params.audio.channel,
        workers=workers,
    )
    took_s = time.perf_counter() - began
    for path, reason in done.bad[:SHOWN]:
        typer.echo(f"faunashot: {path}: {reason}", err=True)
    if len(done.bad) > SHOWN:
        typer.echo(f"faunashot: {len(done.bad) - SHOWN} more are bad", err=True)
    if done.longer:
        typer.echo(
            f"faunashot: {done.longer} clips are longer than {options['window_s']:g} s: their "
            "beginning is packed",
            err=True,
        )
    row = {
        "out": str(out),
        "clips": done.clips,
        "classes": done.classes,
        "mb": round(done.n_bytes / 1e6, 1),
        "packed": done.packed,
        "times_real_time": round(done.packed_s / took_s, 1),
        "longer": done.longer,
        "bad": [{"path": path, "error": reason} for path, reason in done.bad],
    }
    if as_json:
        answer([row], as_json=True)
    else:
        print(
            "{out}: {clips} clips of {classes} classes, {mb} MB; {packed} of them packed now, at "
            "{times_real_time} times real time; {n_bad} bad".format(n_bad=len(done.bad), **row)
        )
    end_with(good=done.clips, bad=len(done.bad))
