"""A corpus' folder to a table of its clips: the layout read, the files hashed, none decoded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from faunashot.data.corpora import layout
from faunashot.data.corpora.base import Clip, Corpus

COLUMNS = ["clip_id", "path", "label", "fold", "group", "sha256", "problem"]
NOISE_COLUMNS = ["path", "sha256"]


def locate(corpus: Corpus, root: Path) -> pd.DataFrame:
    """List the clips of `corpus` under `root`.

    Returns
    -------
    DataFrame with the columns `COLUMNS`, sorted by path. ``problem`` says why an entry cannot be
    used, and is null where it can.

    Raises
    ------
    CorpusError
        `root` does not hold the corpus' layout.
    """
    rows = [_row(clip, root) for clip in corpus.clips(root)]
    rows += [[path, path, None, None, path, None, reason] for path, reason in corpus.problems]
    table = pd.DataFrame(rows, columns=COLUMNS).astype("str").where(lambda t: t != "None", None)
    return table.sort_values("path", kind="stable", ignore_index=True)


def empty() -> pd.DataFrame:
    """The table of a corpus that is not here."""
    return pd.DataFrame(columns=COLUMNS, dtype="str")


def hashed(files: Iterable[Path], root: Path) -> pd.DataFrame:
    """List recordings of noise under `root`: columns `NOISE_COLUMNS`, a row a file."""
    rows = [(layout.relative(file, root), _sha256(file)) for file in files]
    return pd.DataFrame(rows, columns=NOISE_COLUMNS, dtype="str")


def _row(clip: Clip, root: Path) -> list[str | None]:
    facts = [clip.clip_id, clip.path, clip.label, clip.fold, clip.group]
    try:
        return [*facts, _sha256(root / clip.path), None]
    except OSError as error:
        return [*facts, None, f"unreadable: {error.strerror or error}"]


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
