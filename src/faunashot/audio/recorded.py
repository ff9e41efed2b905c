"""When and where a recording was made: from what recorders write into headers and file names.

AudioMoth, Song Meter (Wildlife Acoustics' WAMD), whatever writes GUANO, and dates in file names.
A time zone is what the header says, else what the user says, else none: then the time is local,
without an offset.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from faunashot.audio.recorder_notes import RecorderNotes, recorder_notes
from faunashot.errors import ParameterError

BY_AUDIOMOTH = re.compile(
    r"Recorded at (\d\d):(\d\d):(\d\d)(?:\.(\d{3}))? (\d\d)/(\d\d)/(\d{4})"
    r"(?: \(UTC(?:([+-]?)(\d{1,2})(?::(\d\d))?)?\))?"
)
"""How the comment of an AudioMoth's header begins; early firmware wrote UTC without saying so."""

DATED_NAME = re.compile(
    r"(?P<before>.*?)(?<!\d)(?P<date>\d{4}-?\d\d-?\d\d)[T_ $-]{1,3}"
    r"(?P<time>\d\d[-:.]?\d\d[-:.]?\d\d)"
    r"T?(?:[._](?P<ms>\d{3}))?(?P<offset>Z|[+-]\d\d:?\d\d)?(?!\d)"
)
"""A date and a time in a file name, as in ``POND_20230512_043000_000.wav``."""

AUDIOMOTH_ID = re.compile(r"([0-9A-F]{16}_)?")
HEXADECIMAL = re.compile(r"[0-9A-F]{8}")
AUDIOMOTH_SINCE, AUDIOMOTH_UNTIL = 0x58000000, 0x7FFFFFFF
"""Seconds since 1970 of 2016 and 2038, between which a name of eight hexadecimal digits lies."""

MOST_OVERLAP_S = 1.0
"""Seconds by which recordings may overlap: recorders round the time of their beginning."""


@dataclass(frozen=True)
class Beginning:
    """When a recording began, and what says so.

    Attributes
    ----------
    at : datetime
        With an offset from UTC where one is known, else local time without one.
    source : str
        ``GUANO``, ``AudioMoth header``, ``WAMD``, ``AudioMoth file name`` or ``file name``.
    zone : str
        What the offset rests on, for a side file.
    note : str or None
        What is to be said of it, as where the clock shows this time twice.
    timezone : str
        Name of the time zone that the user gave it, whose clock may change within the recording;
        empty where the offset is the recording's own, or there is none.
    """

    at: datetime
    source: str
    zone: str
    note: str | None = None
    timezone: str = ""


def beginning_of(path: Path, timezone: str | None = None) -> Beginning | None:
    """When a recording began, and what says so; None where neither header nor name does.

    Parameters
    ----------
    path : Path
        Of the recording. What cannot be opened is judged by its name.
    timezone : str, optional
        Name of the time zone of the recorder's clock, such as ``Europe/Berlin``, where the
        recording does not say it.

    Returns
    -------
    Beginning or None
        Its time has an offset where the recording or `timezone` gives one, else is local without.

    Raises
    ------
    ParameterError
        There is no such time zone.
    """
    zone = None if timezone is None else zone_called(timezone)
    notes = recorder_notes(path)
    return _of_header(notes, zone) or _of_name(path, zone)


@lru_cache
def zone_called(name: str) -> ZoneInfo:
    """The time zone of a name.

    Raises
    ------
    ParameterError
        There is none; the message names one that is written like it.
    """
    known = available_timezones()
    if name in known:
        return ZoneInfo(name)
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else "use a name such as Europe/Berlin, or UTC"
    raise ParameterError(f"timezone: unknown {name!r}; {hint}")


def site_of(path: Path) -> str:
    """Where a recording was made: what a Song Meter puts before the date, else its folder's name.

    Examples
    --------
    >>> site_of(Path("night/POND_20230512_043000.wav")), site_of(Path("pond/20230512_043000.WAV"))
    ('POND', 'pond')
    """
    found = DATED_NAME.match(path.stem)
    before = found["before"].strip("_- ") if found else ""
    if before and not HEXADECIMAL.match(before):
        return before
    folder = path.parent
    return folder.parent.name if re.fullmatch(r"\d{8}", folder.name) else folder.name


def overlaps(
    beginnings: Mapping[str, datetime | None], durations_s: Mapping[str, float]
) -> list[str]:
    """Lines about recordings of one site that began before the one before them had ended.

    Parameters
    ----------
    beginnings : mapping
        Of each recording, by its path.
    durations_s : mapping
        Seconds of each; those without one are left out.
    """
    sites: dict[tuple[str, bool], list[tuple[float, str]]] = {}
    for name, at in beginnings.items():
        if at is not None and name in durations_s:
            seconds = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
            key = site_of(Path(name)), at.tzinfo is None
            sites.setdefault(key, []).append((seconds, name))
    lines = []
    for recordings in sites.values():
        recordings.sort()
        end, last = float("-inf"), ""
        for began, name in recordings:
            if end - began > MOST_OVERLAP_S:
                lines.append(
                    f"{last} and {name} overlap by {end - began:.0f} s: an event may be in both"
                )
            if began + durations_s[name] > end:
                end, last = began + durations_s[name], name
    return lines


def missing_zones(beginnings: Mapping[str, datetime | None]) -> str | None:
    """One line about recordings whose times have no offset; None where there are none.

    Parameters
    ----------
    beginnings : mapping
        Of each recording, by its path.
    """
    without = [name for name, at in beginnings.items() if at is not None and at.tzinfo is None]
    if not without:
        return None
    more = f" and {len(without) - 1} more" if len(without) > 1 else ""
    return (
        f"{without[0]}{more}: no time zone is said: times are local, without an offset; "
        "--timezone Europe/Berlin would give one"
    )


def _of_header(notes: RecorderNotes, zone: ZoneInfo | None) -> Beginning | None:
    if notes.guano_timestamp is not None:
        return _zoned(notes.guano_timestamp, zone, "GUANO")
    if found := BY_AUDIOMOTH.match(notes.comment):
        hour, minute, second, ms, day, month, year, sign, hours, minutes = found.groups()
        try:
            clock = f"{year}-{month}-{day}T{hour}:{minute}:{second}.{ms or 0:0<3}"
            at = datetime.fromisoformat(clock)
            offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
            at = at.replace(tzinfo=timezone(-offset if sign == "-" else offset))
        except ValueError:
            return None
        return Beginning(at, "AudioMoth header", "its header")
    if notes.wamd_timestamp is not None:
        return _zoned(notes.wamd_timestamp, zone, "WAMD")
    return None


def _of_name(path: Path, zone: ZoneInfo | None) -> Beginning | None:
    stem = path.stem
    if HEXADECIMAL.fullmatch(stem.upper()) and path.suffix.lower() == ".wav":
        seconds = int(stem, 16)
        if AUDIOMOTH_SINCE <= seconds <= AUDIOMOTH_UNTIL:
            at = datetime.fromtimestamp(seconds, UTC)
            return Beginning(at, "AudioMoth file name", "seconds since 1970, which are UTC")
    if re.fullmatch(r"\d{6}T?", stem) and re.fullmatch(r"\d{8}", path.parent.name):
        stem = f"{path.parent.name}_{stem}"  # AudioMoth's folder a day
    found = DATED_NAME.match(stem)
    if found is None:
        return None
    digits = re.sub(r"\D", "", found["date"] + found["time"])
    try:
        at = datetime.strptime(digits, "%Y%m%d%H%M%S")
        if offset := found["offset"]:
            at = datetime.fromisoformat(f"{at.isoformat()}{offset}")
    except ValueError:  # a 13th month: a number, no date
        return None
    at += timedelta(milliseconds=int(found["ms"] or 0))
    is_audiomoth = path.suffix == ".WAV" and AUDIOMOTH_ID.fullmatch(found["before"])
    if not is_audiomoth:
        return _zoned(at, zone, "file name")
    if zone is None and at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
        return Beginning(at, "AudioMoth file name", "UTC, unless the recorder was set otherwise")
    return _zoned(at, zone, "AudioMoth file name")


def _zoned(at: datetime, zone: ZoneInfo | None, source: str) -> Beginning:
    """A time as it was read, in the user's zone where it has no offset."""
    if at.tzinfo is not None:
        return Beginning(at, source, "its name" if "name" in source else "its header")
    if zone is None:
        return Beginning(at, source, "none said: local time")
    local = at.replace(tzinfo=zone)
    back = local.astimezone(UTC).astimezone(zone)
    note = None
    if back.replace(tzinfo=None) != at:
        note = f"{at:%H:%M} was skipped that night in {zone.key}, as clocks went forward"
        note += f": taken for {back:%H:%M}"
        local = back
    elif local.utcoffset() != local.replace(fold=1).utcoffset():
        note = f"{at:%H:%M} came twice that night in {zone.key}, as clocks went back"
        note += ": taken for the first"
    return Beginning(local, source, f"timezone {zone.key}", note, zone.key)
