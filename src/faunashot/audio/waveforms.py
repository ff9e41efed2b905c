"""Waveforms as 16-bit samples, and arrays of them in HDF5 files.

An array lies in its file in one piece, not compressed: random rows of it are read at the speed of
the disk through a memory map, from any number of threads and with no file kept open, and any HDF5
reader reads it. Its place is taken when the file is made, so that writing rows later changes
nothing but those rows: a process that is killed meanwhile leaves a file that can be opened.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import StoreError

FULL_SCALE = 32_768
"""What a sample of 1.0 would be in 16 bits: the scale that decoders read 16-bit files with."""

WAVEFORM = "waveform"
"""Name of the array of samples in a file."""

Int16Array = npt.NDArray[np.int16]


def as_int16(samples: npt.NDArray[np.float32]) -> Int16Array:
    """Samples in [-1, 1] as 16-bit integers, rounded; what lies beyond is clipped.

    Examples
    --------
    >>> as_int16(np.array([-1, 0.5, 1], dtype=np.float32)).tolist()
    [-32768, 16384, 32767]
    """
    scaled = np.rint(samples * np.float32(FULL_SCALE))
    return np.asarray(np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1), np.int16)


def as_hdf5(rows: Int16Array) -> memoryview:
    """Content of an HDF5 file that holds `rows`, shape (N, n), as the dataset ``waveform``."""
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file.create_dataset(WAVEFORM, data=rows)
    return content.getbuffer()


def from_hdf5(content: bytes) -> Int16Array:
    """Rows of what `as_hdf5` gave.

    Raises
    ------
    StoreError
        It is no such file.
    """
    import h5py

    try:
        with h5py.File(io.BytesIO(content)) as file:
            return np.asarray(file[WAVEFORM])
    except (OSError, KeyError) as error:
        raise StoreError(f"no HDF5 file of waveforms ({error})") from error


def reserve(file: Any, name: str, shape: tuple[int, ...], dtype: str) -> None:
    """Make a dataset of an open HDF5 file whose place in it is taken now, and filled later."""
    from h5py import h5d, h5p

    early = h5p.create(h5p.DATASET_CREATE)
    early.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    early.set_fill_time(h5d.FILL_TIME_NEVER)
    file.create_dataset(name, shape, dtype, dcpl=early)


def place_of(path: Path, name: str = WAVEFORM) -> tuple[int, tuple[int, ...], np.dtype[Any]]:
    """Where a dataset that lies in one piece begins in its file, in bytes, its shape and type.

    Raises
    ------
    StoreError
        The file is cut off, is no HDF5 file, or has no such dataset.
    """
    import h5py

    try:
        with h5py.File(path) as file:
            dataset = file[name]
            offset = dataset.id.get_offset()
            shape, dtype = dataset.shape, dataset.dtype
    except (OSError, KeyError, AttributeError) as error:
        raise StoreError(f"{path} is cut off or no HDF5 file of waveforms ({error})") from error
    if offset is None and 0 not in shape:
        raise StoreError(f"{path}: {name} does not lie in one piece")
    return offset or 0, shape, dtype


def memory_map(path: Path, name: str = WAVEFORM) -> npt.NDArray[Any]:
    """A dataset that lies in one piece, as a read-only memory map; the file is not kept open.

    Raises
    ------
    StoreError
        As `place_of`.
    """
    offset, shape, dtype = place_of(path, name)
    if 0 in shape:
        return np.zeros(shape, dtype)
    return np.memmap(path, dtype, mode="r", offset=offset, shape=shape)
