"""Detections cut out of their recordings, with what is before and after, to be listened to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd
import soundfile as sf

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.audio.excerpt import excerpt
from faunashot.detection.recording_infos import recording_infos
from faunashot.detection.validation.drawing import CHECK, CLIP
from faunashot.errors import AudioError
from faunashot.progress import tracked

SUFFIX = ".wav"


class CutClips(NamedTuple):
    """What was cut.

    Attributes
    ----------
    names : list of str
        File of each event in the folder, "" where there is none.
    problems : list of (str, str)
        Recordings that could not be cut from, and why, each once.
    """

    names: list[str]
    problems: list[tuple[str, str]]


def cut_clips(
    checks: pd.DataFrame, out: Path, *, recordings: Path | None = None, context_s: float = 3.0
) -> CutClips:
    """Write a WAV file an event, with its context, as far as the recording goes.

    Parameters
    ----------
    checks : DataFrame
        Events with the column ``check``, after which the files are named.
    out : Path
        Folder, which is made.
    recordings : Path, optional
        Folder that paths of recordings are relative to; the current one if not given.
    context_s : float
        Before and after.
    """
    out.mkdir(parents=True, exist_ok=True)
    names, problems = [""] * len(checks), dict[str, str]()
    rows = checks[["file", "start_s", "end_s", CHECK]].itertuples(index=False, name=None)
    for at, (file, start_s, end_s, check) in enumerate(tracked(list(rows), "cutting clips")):
        name = f"{check}{SUFFIX}"
        try:
            audio, _ = excerpt((recordings or Path()) / file, start_s, end_s, context_s=context_s)
            sf.write(out / name, audio.samples, audio.sample_rate, subtype="PCM_16")
        except AudioError as error:
            problems.setdefault(file, str(error))
        else:
            names[at] = name
    return CutClips(names, list(problems.items()))


def with_clips(checks: pd.DataFrame, names: list[str], *, folder: str) -> pd.DataFrame:
    """The table with the path of each clip, where it has one."""
    return checks.assign(**{CLIP: [f"{folder}/{name}" if name else "" for name in names]})


def write_raven_table(
    checks: pd.DataFrame, path: Path, *, recordings: Path | None = None
) -> str | None:
    """Write the events for Raven, where the recordings are at hand; else say what lacks.

    Raven opens several recordings as one sound, in which times run on: their lengths are needed.
    """
    try:
        known = recording_infos(sorted(set(checks["file"])), root=recordings)
    except AudioError as error:
        return str(error)
    ordered = checks.sort_values(["file", "start_s"], ignore_index=True)
    ANNOTATION_FORMATS["raven"]().write(ordered, path, recordings=known)
    return None
