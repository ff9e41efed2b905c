"""The cache of shards: one for all experiments, corpora and commands on a machine.

Below ``features/`` in the cache there is a folder for each way of making features, named after its
hash, with a ``spec.json`` that says which. The files in it are only ever written as a whole and
removed, so whoever reads one has it as it was written, or finds that it is gone.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from faunashot.features.shards import TIMES
from faunashot.features.spec import Derivation
from faunashot.files import CACHE, cache_folder, locked
from faunashot.storage import Storage

FEATURES = "features"
SPEC = "spec.json"


def cache_url() -> str:
    """Where shards are kept: what ``FAUNASHOT_CACHE`` names, a folder or a URL, or the user's."""
    named = os.environ.get(CACHE, "")
    return f"{named.rstrip('/')}/{FEATURES}" if "://" in named else str(cache_folder() / FEATURES)


def shards_of(derivation: Derivation) -> Storage:
    """Folder of the cache for features that are made in one way."""
    return Storage(cache_url()) / derivation.key


def note(cached: Storage, derivation: Derivation) -> None:
    """Write what a folder of the cache is for, where that is not there."""
    content = json.dumps(derivation.to_json(), indent=1) + "\n"
    with suppress(OSError):
        if cached.read(SPEC) == content.encode():
            return
    cached.write(SPEC, content.encode())


def touch(cached: Storage, key: str) -> None:
    """Note that a shard is used now, for `faunashot.features.pruning`."""
    if cached.local is not None:
        with suppress(OSError):
            os.utime(cached.local / f"{key}.{TIMES}")


@contextmanager
def filling(cached: Storage) -> Iterator[None]:
    """Hold the right to fill a folder of the cache; waits for a process that does so.

    A cache that is a URL has no locks: whoever else fills it writes the same bytes.
    """
    if cached.local is None:
        yield
        return
    file = cached.local.with_name(f"{cached.local.name}.lock")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
    with locked(file, timeout_s=0) as held:
        if held:
            yield
            return
    print("another process makes the same features: waiting for it", file=sys.stderr)
    with locked(file):
        yield
