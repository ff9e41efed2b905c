"""Which column of another program's table is which of ours: a table of names, not code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from faunashot.errors import AnnotationError

NAMES: Mapping[str, Sequence[str]] = {
    "file": (
        "file", "begin path", "begin file", "filepath", "file path", "filename", "file name",
        "audio_file", "audio file", "recording", "path", "in file", "soundfile", "sound.files",
    ),
    "start_s": (
        "start_s", "begin time (s)", "start (s)", "start time (s)", "start_time", "onset_s",
        "start", "begin", "begin_s", "onset", "offset",
    ),
    "end_s": (
        "end_s", "end time (s)", "end (s)", "end_time", "offset_s", "end", "stop", "offset",
    ),
    "label": (
        "label", "annotation", "species", "common name", "common_name", "scientific name",
        "scientific_name", "species code", "class", "tag", "event_label", "name", "manual id",
        "top1match", "auto id",
    ),
    "score": (
        "score", "confidence", "probability", "top1matchprob", "match ratio",
    ),
    "low_hz": ("low_hz", "low freq (hz)", "low frequency (hz)", "low_f", "bottom.freq"),
    "high_hz": ("high_hz", "high freq (hz)", "high frequency (hz)", "high_f", "top.freq"),
    "model": ("model", "annotator"),
    "begins_at": ("begins_at",),
    "ends_at": ("ends_at",),
    "site": ("site",),
    "duration_s": ("duration_s", "delta time (s)", "duration (s)", "duration"),
    "in_file_s": ("file offset (s)", "file offset"),
    "view": ("view",),
    "selection": ("selection",),
}  # fmt: skip
"""For each of our columns what others call it, in lower case, the best first. Raven, BirdNET,
Kaleidoscope, opensoundscape, warbleR and DCASE are among them."""

NO_EVENT = "nocall"
"""The label of BirdNET-Analyzer's row for a recording without an event."""


def columns_of(header: Sequence[str]) -> dict[str, int]:
    """Where each of our columns stands in a header; the best name counts where there are several.

    Raises
    ------
    AnnotationError
        There is no beginning, or neither an end nor a duration, or no label.
    """
    names = [name.strip().lower() for name in header]
    found = {
        ours: next(names.index(theirs) for theirs in known if theirs in names)
        for ours, known in NAMES.items()
        if any(theirs in names for theirs in known)
    }
    if found.get("end_s") == found.get("start_s", -1):  # Kaleidoscope's offset is a beginning
        del found["end_s"]
    there = ", ".join(name.strip() for name in header if name.strip())
    for ours in ("start_s", "end_s", "label"):
        if ours not in found and not (ours == "end_s" and "duration_s" in found):
            raise AnnotationError(f"no column {ours!r}; it has {there}")
    return found


def has_times(header: Iterable[str]) -> bool:
    """Whether a header names a beginning, and an end or a duration."""
    names = {name.strip().lower() for name in header}
    ends = {*NAMES["end_s"], *NAMES["duration_s"]}
    return not (names.isdisjoint(NAMES["start_s"]) or names.isdisjoint(ends))
