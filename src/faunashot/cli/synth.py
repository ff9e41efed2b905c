"""``faunashot synth``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from faunashot.cli.output import note


def synth(
    out: Annotated[Path, typer.Argument(help="Folder to make; it must not exist.")],
    clips: Annotated[int, typer.Option(min=20, help="How many clips.")] = 200,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    multi_label: Annotated[
        bool,
        typer.Option("--multi-label", help="Several animals a clip, in labels.csv and audio/."),
    ] = False,
    soundscape: Annotated[
        bool,
        typer.Option(
            "--soundscape", help="Long recordings with clips in them, and where these are."
        ),
    ] = False,
    events: Annotated[
        Path | None,
        typer.Option(help="Soundscape: corpus of clips; synthetic voices if not given."),
    ] = None,
    corpus: Annotated[
        str, typer.Option(help="Soundscape: how it lies, see `faunashot corpora`.")
    ] = "folder",
    classes: Annotated[
        str, typer.Option(help="Soundscape: classes of it, with commas; all if not given.")
    ] = "",
    fold: Annotated[
        str, typer.Option(help="Soundscape: folds of it, with commas; all if not given.")
    ] = "",
    background: Annotated[
        list[Path] | None,
        typer.Option(help="Soundscape: recordings, or a folder of them; synthetic if not given."),
    ] = None,
    files: Annotated[int, typer.Option(min=1, help="Soundscape: how many recordings.")] = 1,
    minutes: Annotated[float, typer.Option(help="Soundscape: length of each.")] = 10.0,
    per_minute: Annotated[float, typer.Option(help="Soundscape: clips mixed in.")] = 4.0,
    snr: Annotated[
        str, typer.Option(help="Soundscape: signal-to-noise ratios in dB, with commas.")
    ] = "20,10,5,0",
    overlap: Annotated[
        bool, typer.Option("--overlap", help="Soundscape: clips may overlap.")
    ] = False,
    gap: Annotated[
        float, typer.Option(min=0, help="Soundscape: pauses that do not part an annotation, in s.")
    ] = 1.0,
    rate: Annotated[int, typer.Option(min=16_000, help="Soundscape: sample rate in Hz.")] = 32_000,
) -> None:
    """Write clips.csv and audio/ under a new folder, or soundscapes with their annotations."""
    from faunashot.errors import ParameterError

    if out.exists():
        raise ParameterError(f"{out} exists already; name a folder that does not")
    if soundscape:
        from faunashot.detection.soundscapes import SoundscapeSettings

        _soundscapes(
            out,
            SoundscapeSettings(
                files=files,
                minutes=minutes,
                per_minute=per_minute,
                snr_db=_decibels(snr),
                overlap=overlap,
                gap_s=gap,
                rate_hz=rate,
                seed=seed,
            ),
            events=events,
            corpus=corpus,
            classes=_names(classes),
            folds=_names(fold),
            background=background or [],
        )
        return
    if events is not None or background:
        raise ParameterError("--events and --background are of soundscapes: add --soundscape")
    from faunashot.data.corpora.demo import generate, generate_soundscapes

    if multi_label:
        generate_soundscapes(out, clips, seed=seed)
        note(
            f"Next: dvc exp run -S corpus=folder -S root={out} -S +corpora.folder.multi_label=true"
        )
    else:
        generate(out, clips, seed=seed)
    print(f"{clips} synthetic clips in {out}")


def _soundscapes(
    out: Path,
    settings: object,
    *,
    events: Path | None,
    corpus: str,
    classes: list[str],
    folds: list[str],
    background: list[Path],
) -> None:
    from faunashot.audio.recordings import find_recordings
    from faunashot.detection import soundscapes as of_field
    from faunashot.errors import ParameterError

    assert isinstance(settings, of_field.SoundscapeSettings)
    recordings = find_recordings(background)
    for name, reason in recordings.problems:
        raise ParameterError(f"--background {name}: {reason}")
    if events is None:
        if folds or classes:
            raise ParameterError("--fold and --classes are of clips: name their corpus by --events")
        clips = of_field.synthetic_clips(seed=settings.seed, rate_hz=settings.rate_hz)
    else:
        clips = of_field.corpus_clips(events, corpus=corpus, folds=folds, classes=classes)
    facts = {"events": str(events or "synthetic"), "corpus": corpus, "folds": folds}
    made = of_field.make_soundscapes(out, clips, settings, background=recordings.files, facts=facts)
    for name, reason in made.problems:
        typer.echo(f"faunashot: {name}: {reason}; it is left out", err=True)
    n_clips = made.annotations["event"].nunique()
    print(
        f"{settings.files} soundscapes of {settings.minutes:g} minutes with {n_clips} clips of "
        f"{made.annotations['label'].nunique()} classes in {out}"
    )
    note(
        f"Next: faunashot detect {out / of_field.AUDIO} --model MODEL --out detections, then "
        f"faunashot score detections {out / of_field.TABLE}"
    )


def _names(given: str) -> list[str]:
    return [name.strip() for name in given.split(",") if name.strip()]


def _decibels(given: str) -> tuple[float, ...]:
    from faunashot.errors import ParameterError

    try:
        return tuple(float(name) for name in _names(given))
    except ValueError:
        raise ParameterError(f"--snr {given}: numbers in dB, with commas between them") from None
