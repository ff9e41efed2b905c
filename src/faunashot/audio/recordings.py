"""Which files are recordings: those in a folder, and those that files, folders and globs name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# What lies beside recordings. Whether any other file is one, only decoding can tell.
# fmt: off
_NOT_AUDIO = frozenset({
    ".txt", ".md", ".rst", ".pdf", ".html", ".log", ".csv", ".tsv", ".json", ".jsonl", ".xml",
    ".yaml", ".yml", ".ini", ".cfg", ".toml", ".parquet", ".npy", ".npz", ".h5", ".mat", ".pkl",
    ".db", ".sqlite", ".doc", ".docx", ".odt", ".rtf", ".xls", ".xlsx", ".ods", ".ppt", ".pptx",
    ".gpx", ".kml", ".kmz", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".bmp", ".tif", ".tiff",
    ".webp", ".zip", ".gz", ".tar", ".tgz", ".bz2", ".xz", ".7z", ".rar", ".md5", ".sha256",
    ".py", ".ipynb", ".r", ".sh", ".bat", ".exe", ".dvc", ".part", ".tmp", ".bak", ".lnk", ".url",
})
# fmt: on
_NOT_AUDIO_NAMES = frozenset({"thumbs.db", "desktop.ini", "readme", "license", "licence"})


def is_recording(name: str) -> bool:
    """Whether a file of this name may be a recording: not hidden, no document, table or picture."""
    lowered = name.lower()
    suffix = PurePosixPath(lowered).suffix
    return not (lowered.startswith(".") or suffix in _NOT_AUDIO or lowered in _NOT_AUDIO_NAMES)


def is_text(name: str) -> bool:
    """Whether a name can be written down; a file system takes bytes that are no UTF-8, too."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(name: str) -> str:
    """The name, with escapes in place of what is not text."""
    return name.encode("utf-8", "backslashreplace").decode()


NO_TEXT = "its name is not valid text: rename it"
"""Why a recording whose name is not `is_text` cannot be used."""


def recordings_in(folder: Path) -> list[Path]:
    """Every file at any depth below a folder that may be a recording, sorted.

    Hidden files and folders are left out. Links to folders are followed; a folder that was seen
    already, as in a loop, is not entered again.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += (Path(place, name) for name in files if is_recording(name))
    return sorted(found)


@dataclass
class Found:
    """What names stand for.

    Attributes
    ----------
    files : list of Path
        Each once, in the order of the names. One that was named itself need not be there.
    problems : list of (str, str)
        A name, or a file, that cannot be used, and why.
    """

    files: list[Path] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


def find_recordings(named: Iterable[Path]) -> Found:
    """Recordings that files, folders and globs (``night/**/*.wav``) name.

    A file that is named itself is taken whatever it is called, but for a name that is not text.
    """
    found = Found()
    files: dict[Path, None] = {}
    for name in named:
        of_name, lack = _named(name)
        if not of_name:
            found.problems.append((printable(str(name)), lack))
        files |= dict.fromkeys(of_name)
    for file in files:
        if is_text(str(file)):
            found.files.append(file)
        else:
            found.problems.append((printable(str(file)), NO_TEXT))
    return found


def expand(name: Path) -> list[Path]:
    """The files and folders that a glob matches, sorted; a name that is there is no glob.

    Of what it finds in several ways, as through links in a loop, the shortest is taken.
    """
    if os.path.lexists(name) or not glob.has_magic(str(name)):
        return [name]
    matched: dict[tuple[str, str], Path] = {}
    found = map(Path, glob.iglob(str(name), recursive=True))
    for path in sorted(found, key=lambda path: len(path.parts)):
        matched.setdefault((os.path.realpath(path.parent), path.name), path)
    return sorted(matched.values())


def _named(name: Path) -> tuple[list[Path], str]:
    """The recordings of one name, and what to say where there are none."""
    if name.is_dir():
        return recordings_in(name), "holds no recordings"
    matched = expand(name)
    if matched == [name]:
        return matched, ""
    of_folders = (file for path in matched if path.is_dir() for file in recordings_in(path))
    files = (path for path in matched if not path.is_dir() and is_recording(path.name))
    return sorted({*of_folders, *files}), "matches no recordings"
