"""Features on disk: an array that can be memory-mapped, an index, and what made them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.backbones.base import Backbone
from faunashot.errors import StoreError

FORMAT = 1
WINDOWS, INDEX, META = "windows.npy", "index.parquet", "meta.json"


@dataclass(frozen=True)
class Maker:
    """What made a store; a store of another maker is stale."""

    backbone: str
    version: str
    weights_hash: str
    sample_rate: int
    window_s: float
    hop_s: float
    dim: int
    blocks: tuple[int, ...] = ()  # widths, where several backbones are joined

    @classmethod
    def of(cls, backbone: Backbone) -> Maker:
        """The maker that `backbone` is."""
        return cls(
            backbone=backbone.name,
            version=backbone.version,
            weights_hash=backbone.weights_hash,
            sample_rate=backbone.sample_rate,
            window_s=backbone.window_s,
            hop_s=backbone.hop_s,
            dim=backbone.dim,
        )


@dataclass(frozen=True)
class Features:
    """Features of a corpus.

    Attributes
    ----------
    windows : float32, shape (N, dim), one row a window.
    index : N rows with columns clip_id, start_s, end_s, in the order of `windows`.
    maker : what made them.
    """

    windows: npt.NDArray[np.float32]
    index: pd.DataFrame
    maker: Maker

    def __post_init__(self) -> None:
        if self.windows.shape != (len(self.index), self.maker.dim):
            raise StoreError(f"{self.windows.shape} features do not match {len(self.index)} rows")


def empty(backbone: type[Backbone], *, hop_s: float) -> Features:
    """Features of a corpus without clips, for which no weights need to be loaded."""
    facts = {k: getattr(backbone, k) for k in ("version", "sample_rate", "window_s", "dim")}
    maker = Maker(backbone=backbone.name, weights_hash="", hop_s=hop_s, **facts)
    columns = {"clip_id": pd.Series(dtype="str"), "start_s": [], "end_s": []}
    return Features(np.zeros((0, maker.dim), np.float32), pd.DataFrame(columns), maker)


def save(features: Features, folder: Path) -> None:
    """Write a store; it is there as a whole or not at all."""
    with whole_folder(folder) as draft:
        np.save(draft / WINDOWS, features.windows)
        features.index.to_parquet(draft / INDEX, index=False)
        hashes = {name: _sha256(draft / name) for name in (WINDOWS, INDEX)}
        meta = {"format": FORMAT, "maker": asdict(features.maker), "sha256": hashes}
        (draft / META).write_text(json.dumps(meta, indent=1) + "\n")


def load(folder: Path, *, maker: Maker | None = None) -> Features:
    """Open a store, its array memory-mapped.

    Raises
    ------
    StoreError
        It is not there, is torn, or was not made by `maker` where one is given.
    """
    try:
        meta = json.loads((folder / META).read_text())
        if meta["format"] != FORMAT:
            raise StoreError(f"{folder} has format {meta['format']}, this version reads {FORMAT}")
        made_by = Maker(**{**meta["maker"], "blocks": tuple(meta["maker"]["blocks"])})
        for name, expected in meta["sha256"].items():
            if _sha256(folder / name) != expected:
                raise StoreError(f"{folder / name} is torn: its hash is not the one recorded")
        windows = np.load(folder / WINDOWS, mmap_mode="r", allow_pickle=False)
        index = pd.read_parquet(folder / INDEX)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder} is not a features store: run `dvc repro` ({error})") from error
    if maker is not None and maker != made_by:
        raise StoreError(f"{folder} is stale: it was made by {made_by}, not by {maker}")
    return Features(windows, index, made_by)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A draft beside `folder` that takes its place when the block ends without an error."""
    draft = folder.with_name(f".{folder.name}.draft-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
