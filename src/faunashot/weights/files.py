"""Files of weights as their publishers give them: found where the user has them, or downloaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from faunashot.download import download
from faunashot.errors import WeightsError
from faunashot.files import cache_folder

OWN = "FAUNASHOT_WEIGHTS"
"""Names a folder of weights that the user has brought."""


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights.

    Attributes
    ----------
    name : str
        What it is called here, in a folder of the user and in the cache.
    url : str
        Of the publisher; empty where there is no single file to download.
    checksum : str, optional
        ``sha256:`` or ``md5:`` and hexadecimal digits; None where the publisher gives none.
    """

    name: str
    url: str
    checksum: str | None = None


def file_here(file: WeightsFile) -> Path | None:
    """The file in ``FAUNASHOT_WEIGHTS`` or the cache, None where it is in neither."""
    folders = [Path(os.environ[OWN])] if os.environ.get(OWN) else []
    for folder in (*folders, cache_folder() / "weights"):
        if (folder / file.name).is_file():
            return folder / file.name
    return None


def locate(file: WeightsFile) -> Path:
    """The file, downloaded into the cache where it is not here.

    Raises
    ------
    WeightsError
        It is empty, or cannot be downloaded; the line names the file, its address and the folder.
    """
    target = cache_folder() / "weights" / file.name
    hint = f"put it into the folder that {OWN} names, or at {target}"
    found = file_here(file)
    if found is None and not file.url:
        raise WeightsError(f"{file.name} is not here: {hint}")
    path = found or download(
        file.url, target, checksum=file.checksum, error=WeightsError, hint=hint
    )
    if path.stat().st_size == 0:
        raise WeightsError(f"{path} is empty: remove it, so that it is brought again")
    return path
