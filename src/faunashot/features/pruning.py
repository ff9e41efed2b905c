"""What lies in the cache, what it is for, when it was last used; and less of it.

Whoever reads the cache meanwhile goes on: what was opened or linked stays, and what is gone is
made anew.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from faunashot.errors import StoreError
from faunashot.features.cache import FEATURES, SPEC, cache_url
from faunashot.features.shards import ARRAYS, TIMES
from faunashot.files import cache_folder, locked

NETWORKS = "litert"
"""Folder of converted networks in the cache, see `faunashot.runtimes.converted`."""


@dataclass(frozen=True)
class CachedItem:
    """What is removed as a whole: a shard, or a converted network.

    Attributes
    ----------
    paths : tuple of Path
        Its files, in the order that they are removed in, or its folder.
    n_bytes, windows : int
        How large it is.
    last_used : float
        Seconds since the epoch.
    """

    paths: tuple[Path, ...]
    n_bytes: int
    windows: int
    last_used: float


@dataclass(frozen=True)
class CacheEntry:
    """All that is cached for one purpose.

    Attributes
    ----------
    kind : str
        "features", or "network": one that was converted.
    folder : Path
        Where it lies.
    backbone, layer, version : str
        What it is of; empty where that is not known.
    perturbation : dict or None
        What was done to the audio before.
    items : tuple of CachedItem
        Its parts.
    """

    kind: str
    folder: Path
    items: tuple[CachedItem, ...]
    backbone: str = ""
    layer: str = ""
    version: str = ""
    perturbation: dict[str, Any] | None = None

    @property
    def n_bytes(self) -> int:
        """Of all its items."""
        return sum(item.n_bytes for item in self.items)

    @property
    def windows(self) -> int:
        """How many windows' features it has."""
        return sum(item.windows for item in self.items)

    @property
    def last_used(self) -> float:
        """Of any of its items, in seconds since the epoch."""
        return max((item.last_used for item in self.items), default=0.0)


def entries() -> list[CacheEntry]:
    """What is in the cache, by when it was last used, the latest first.

    Raises
    ------
    StoreError
        It is no folder of this machine.
    """
    url = cache_url()
    if "://" in url:
        raise StoreError(f"{url} is on another machine: see it, and remove what is there, by hand")
    found = [*map(_of_features, _folders(Path(url)))]
    found += map(_of_network, _folders(cache_folder() / NETWORKS))
    filled = [entry for entry in found if entry.items]
    return sorted(filled, key=lambda entry: entry.last_used, reverse=True)


def prune(
    found: Sequence[CacheEntry],
    *,
    older_than_s: float | None = None,
    max_bytes: int | None = None,
    dry_run: bool = False,
) -> list[tuple[CacheEntry, CachedItem]]:
    """Remove what was not used for long, and of the rest what was not used for longest.

    Parameters
    ----------
    found : sequence of CacheEntry
        What `entries` gave.
    older_than_s : float, optional
        Remove what was not used for more seconds.
    max_bytes : int, optional
        Leave no more than this.
    dry_run : bool
        Only say what would be removed.

    Returns
    -------
    list of (CacheEntry, CachedItem)
        What was removed, the longest unused first.
    """
    items = [(entry, item) for entry in found for item in entry.items]
    items.sort(key=lambda pair: pair[1].last_used)
    left, now = sum(item.n_bytes for _, item in items), time.time()
    removed: list[tuple[CacheEntry, CachedItem]] = []
    for entry, item in items:
        too_old = older_than_s is not None and now - item.last_used > older_than_s
        if too_old or (max_bytes is not None and left > max_bytes):
            removed.append((entry, item))
            left -= item.n_bytes
    if not dry_run:
        for _, item in removed:
            _remove(item)
        for folder in _folders(Path(cache_url())):
            _remove_empty(folder)
    return removed


def _folders(parent: Path) -> Iterator[Path]:
    if parent.is_dir():
        yield from sorted(path for path in parent.iterdir() if path.is_dir())


def _of_features(folder: Path) -> CacheEntry:
    items: list[CachedItem] = []
    of_arrays = {path for suffix in ARRAYS.values() for path in folder.glob(f"*.{suffix}")}
    arrays = {path.stem: path for path in of_arrays}
    for times in folder.glob(f"*.{TIMES}"):
        with suppress(OSError, ValueError):  # removed, or torn and removed by who finds it
            windows = pq.read_metadata(times).num_rows
            # without its times, a shard is none
            items.append(_item(times, arrays.pop(times.stem, None), windows=windows))
    others = {path for path in folder.iterdir() if path.suffix != f".{TIMES}"} - {folder / SPEC}
    # what a killed process left
    left = others - of_arrays | set(arrays.values())
    for path in sorted(left):
        with suppress(OSError):
            items.append(_item(path))
    noted: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        noted = json.loads((folder / SPEC).read_text("utf-8"))
    spec = noted.get("spec", {})
    return CacheEntry(
        FEATURES,
        folder,
        tuple(items),
        backbone=spec.get("backbone", ""),
        layer=spec.get("layer", ""),
        version=spec.get("version", ""),
        perturbation=noted.get("perturbation"),
    )


def _of_network(folder: Path) -> CacheEntry:
    n_bytes = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            n_bytes += file.stat().st_size if file.is_file() else 0
    item = CachedItem((folder,), n_bytes, 0, folder.stat().st_mtime)
    return CacheEntry("network", folder, (item,), backbone=folder.name.rpartition("-")[0])


def _item(first: Path, second: Path | None = None, *, windows: int = 0) -> CachedItem:
    paths = (first, second) if second is not None else (first,)
    n_bytes = sum(path.stat().st_size for path in paths)
    return CachedItem(paths, n_bytes, windows, first.stat().st_mtime)


def _remove(item: CachedItem) -> None:
    for path in item.paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _remove_empty(folder: Path) -> None:
    """Remove a folder that says what it is for, but has nothing of it; not while it is filled."""
    with locked(folder.with_name(f"{folder.name}.lock"), timeout_s=0) as held:
        if held and {path.name for path in folder.iterdir()} <= {SPEC}:
            shutil.rmtree(folder, ignore_errors=True)
