"""Files of weights as their publishers give them: found where the user has them, or downloaded."""

from __future__ import annotations

import gzip
import os
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from faunashot.download import download
from faunashot.errors import WeightsError
from faunashot.files import cache_folder, sha256_of, write_atomically

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
        Of the publisher; empty where there is no single file to download. Where it ends in
        ``.gz`` and `name` does not, what is downloaded is unpacked.
    checksum : str, optional
        ``sha256:`` or ``md5:`` and hexadecimal digits; None where the publisher gives none.
    """

    name: str
    url: str
    checksum: str | None = None

    @property
    def as_published(self) -> str:
        """Name of the file that is downloaded: its own, or that of the archive which holds it."""
        last = PurePosixPath(urlsplit(self.url).path).name
        return last if last.endswith(".gz") and not self.name.endswith(".gz") else self.name


def own_folder() -> Path | None:
    """The folder of weights that the user names; None where they name none."""
    named = os.environ.get(OWN)
    return Path(named) if named else None


def file_here(file: WeightsFile) -> Path | None:
    """The file in ``FAUNASHOT_WEIGHTS`` or the cache, as it is or packed; None where in neither."""
    for folder in filter(None, (own_folder(), cache_folder() / "weights")):
        for name in (file.name, file.as_published):
            if (folder / name).is_file():
                return folder / name
    return None


def locate(file: WeightsFile) -> Path:
    """The file, downloaded into the cache where it is not here; a packed one is unpacked there.

    Raises
    ------
    WeightsError
        It is empty or torn, or cannot be downloaded; the line names the file, its address and the
        folder.
    """
    target = cache_folder() / "weights" / file.as_published
    hint = f"put it into the folder that {OWN} names, or at {target}"
    found = file_here(file)
    if found is None and not file.url:
        raise WeightsError(f"{file.name} is not here: {hint}")
    path = found or download(
        file.url, target, checksum=file.checksum, error=WeightsError, hint=hint
    )
    if path.stat().st_size == 0:
        raise WeightsError(f"{path} is empty: remove it, so that it is brought again")
    return path if path.name == file.name else _unpacked(path, file.name)


def _unpacked(archive: Path, name: str) -> Path:
    """The file in a gzip archive, unpacked once into the cache, under the archive's hash."""
    kept = cache_folder() / "weights" / f"{sha256_of(archive)[:16]}-{name}"
    if kept.is_file():
        return kept
    try:
        content = gzip.decompress(archive.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise WeightsError(
            f"{archive} cannot be unpacked: remove it, so that it is brought again"
        ) from error
    write_atomically(kept, content)
    return kept
