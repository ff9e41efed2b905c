"""Corpora as MLflow's datasets, which its column Datasets shows."""

from __future__ import annotations

import json
from pathlib import Path

from mlflow.entities import Dataset

from faunashot.tracking.keys import hash_path
from faunashot.tracking.lockfile import read_lock

__all__ = ["Dataset", "dataset_of"]

_MAX_DIGEST = 36  # characters that MLflow takes: an MD5 with DVC's ending `.dir`


def dataset_of(corpus: str, *, root: Path, clips: Path) -> Dataset:
    """A corpus with DVC's hash of its folder as the digest.

    Parameters
    ----------
    corpus : str
        Its name.
    root : Path
        Its folder.
    clips : Path
        The table of its clips, whose hash stands in where DVC has none of the folder.
    """
    ingest = read_lock(Path("dvc.lock")).get("ingest")
    digest = ingest.deps.get(root.as_posix(), "") if ingest else ""
    return Dataset(
        name=corpus,
        digest=(digest or hash_path(clips))[:_MAX_DIGEST],
        source_type="local",
        source=json.dumps({"uri": root.as_posix()}),
    )
