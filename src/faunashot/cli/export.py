"""``faunashot export``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer

if TYPE_CHECKING:
    from faunashot.export.export import Exported
    from faunashot.export.windows import LabelledClip
    from faunashot.recogniser import Recogniser

PARAMS = Path("params.yaml")

MOST = 200
"""Recordings that a file is measured on, unless more are asked for."""


class Precision(StrEnum):
    """Numbers of the network."""

    float32 = "float32"
    float16 = "float16"
    int8 = "int8"


def export(
    model: Annotated[
        str,
        typer.Argument(
            help="Folder of a model, models:/NAME@champion, models:/NAME/3, runs:/ID/... or the "
            "id of a run."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The file, as owls.tflite or owls.onnx.")],
    format_: Annotated[
        str, typer.Option("--format", help="litert, onnx or birdnet_analyzer.")
    ] = "litert",
    precision: Annotated[
        Precision,
        typer.Option(help="float16: weights of half the size. int8: a quarter, and integers."),
    ] = Precision.float32,
    recordings: Annotated[
        Path | None,
        typer.Option(
            help="Measure on this folder with a folder for each class, in place of the project's "
            "corpus."
        ),
    ] = None,
    clips: Annotated[
        int, typer.Option(min=0, help="Recordings to measure on at most; 0 for no measuring.")
    ] = MOST,
    as_json: AsJson = False,
) -> None:
    """Write a model as one file, from a waveform to probabilities, for devices without Python.

    A side file (.json) of its facts and a card (.md) come beside it. Size, speed and what the file
    lost are measured on clips that the model has not learned from, where there are any.
    """
    from faunashot import load_model
    from faunashot.export.export import export as write

    recogniser = load_model(model)
    learned, other = _clips(recogniser, recordings)
    test = other or learned
    done = write(
        recogniser,
        out,
        format_name=format_,
        precision=precision.value,
        calibration=learned or other,
        test=test[:: max(1, -(-len(test) // clips))] if clips else [],
    )
    rows = [_row(done)]
    if as_json:
        answer(rows, as_json=True)
        return
    answer(rows, as_json=False, columns=[name for name in rows[0] if name != "beside"])
    print(f"beside it: {', '.join(str(file) for file in done.beside)}")


def _clips(
    recogniser: Recogniser, folder: Path | None
) -> tuple[list[LabelledClip], list[LabelledClip]]:
    """Clips that the model has learned from, and others, of classes that it knows."""
    from faunashot.data.corpora import create
    from faunashot.data.ingest import located
    from faunashot.errors import CorpusError
    from faunashot.export.windows import LabelledClip
    from faunashot.params import load_params
    from faunashot.pipeline.check import corpus_of
    from faunashot.targets import names_of

    record = recogniser.record
    if folder is not None:
        corpus, root = create("folder", multi_label=record.multi_label), folder
    elif not PARAMS.is_file():
        return [], []
    else:
        params = load_params()
        if params.corpus != record.corpus:
            typer.echo(
                f"faunashot: not measured: the model was trained on {record.corpus}, the corpus "
                f"here is {params.corpus}; name a folder with --recordings",
                err=True,
            )
            return [], []
        corpus, root = corpus_of(params, params.corpus), params.root_of(params.corpus)
    table = located(corpus, root)
    known, learned = set(recogniser.classes), set(record.learned_from)
    table = table[table["problem"].isna()]
    rows = zip(
        *(table[name].fillna("").tolist() for name in ("clip_id", "path", "label")), strict=True
    )
    found = [
        LabelledClip(clip_id, root / path, label)
        for clip_id, path, label in rows
        if {*names_of(label, multi_label=record.multi_label)} <= known
    ]
    if folder is not None and not found:
        raise CorpusError(f"{folder}: no recording of a class that the model knows")
    return (
        [clip for clip in found if clip.clip_id in learned],
        [clip for clip in found if clip.clip_id not in learned],
    )


def _row(done: Exported) -> dict[str, Any]:
    row: dict[str, Any] = {"file": str(done.file), "mb": round(done.size / 1e6, 2)}
    if done.measured is not None:
        of = done.measured
        row |= {
            "ms_per_window": round(of.ms_per_window, 2),
            "clips": of.clips,
            "macro_f1_model": round(of.macro_f1["model"], 4),
            "macro_f1_file": round(of.macro_f1["file"], 4),
            "largest_difference": float(f"{of.largest_difference:.2g}"),
        }
    return row | {"beside": [str(file) for file in done.beside]}
