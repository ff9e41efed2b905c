"""Features of recordings that were not stored yet, through the cache that all commands share."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faunashot.audio.recordings import find_recordings
from faunashot.errors import AudioError
from faunashot.features import store
from faunashot.features.engine import local
from faunashot.features.extractors import Extractor
from faunashot.features.jobs import shown
from faunashot.features.plan import Recording, plan
from faunashot.features.store import Features


def embedded(
    named: Sequence[Path], extractors: Sequence[Extractor]
) -> tuple[list[Features], dict[str, str], list[str]]:
    """Embed recordings, but those that the cache has.

    Parameters
    ----------
    named : sequence of Path
        Files, folders or globs.
    extractors : sequence of Extractor

    Returns
    -------
    features : list of Features
        Of each extractor.
    hashes : dict of str to str
        SHA-256 of each recording by its name.
    bad : list of str
        A line for each that cannot be used.

    Raises
    ------
    AudioError
        None of them can be.
    """
    found = find_recordings(named)
    bad = [f"{name}: {lack}" for name, lack in found.problems]
    recordings = [Recording(file.as_posix(), file) for file in found.files]
    features: list[Features] = []
    hashes: dict[str, str] = {}
    for extractor in extractors:
        planned = plan(recordings, extractor)
        lines = [*bad, *(f"{one['clip_id']}: {one['reason']}" for one in planned.bad)]
        if not planned.shards:
            raise AudioError(lines[0] if lines else "there is nothing to embed")
        hashes |= {c.clip_id: c.sha256 for shard in planned.shards for c in shard.chunks}
        with tempfile.TemporaryDirectory() as folder:
            stored = shown(extractor.name, planned, folder, local(extractor))
            loaded = store.load(folder)
            # read now, as the folder goes; the cache keeps what it links
            features.append(
                Features(np.asarray(loaded.windows), loaded.index, loaded.spec, loaded.bad)
            )
    lines = [*bad, *(f"{one['clip_id']}: {one['reason']}" for one in stored.bad)]
    return features, hashes, lines
