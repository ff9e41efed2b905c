"""Models converted for a runtime, made once on a machine and kept under their weights' hash."""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from faunashot.errors import WeightsError
from faunashot.files import cache_folder, whole_folder

T = TypeVar("T")

TORN = (
    *(OSError, EOFError, ValueError, KeyError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error, WeightsError),
)
"""What reading an empty or torn file raises, of NumPy's archives or in LiteRT."""


def converted(
    name: str,
    weights_hash: str,
    *,
    write: Callable[[Path], None],
    read: Callable[[Path], T],
    runtime: str = "LiteRT",
) -> T:
    """Read a converted model; one that is not there or cannot be read is made first.

    Parameters
    ----------
    name : str
        Of the backbone.
    weights_hash : str
        Of the source model.
    write : callable
        Converts the source model into a folder.
    read : callable
        Loads such a folder, and raises where it is not as the source model.
    runtime : str
        That it is converted for, which a message names.

    Raises
    ------
    WeightsError
        It cannot be read even when just made.
    """
    folder = cache_folder() / "litert" / f"{name}-{weights_hash[:16]}"
    with suppress(*TORN):
        found = read(folder)
        with suppress(OSError):
            os.utime(folder)  # it was used now
        return found
    print(f"{name}: converting the network for {runtime}, once; up to a minute", file=sys.stderr)
    with suppress(OSError):  # a cache that cannot be written: convert each time
        with whole_folder(folder) as draft:
            write(draft)
        return read(folder)
    with tempfile.TemporaryDirectory(prefix="faunashot-") as own_folder:
        write(Path(own_folder))
        return read(Path(own_folder))
