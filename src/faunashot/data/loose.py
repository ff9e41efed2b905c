"""Recordings that nobody sorted into classes, to be audited all the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from faunashot.audio.recordings import find_recordings
from faunashot.data import layout
from faunashot.data.corpora.base import Clip, Corpus


class LooseRecordings(Corpus):
    """Recordings of no classes, folds or groups: those that files, folders and globs name.

    Parameters
    ----------
    named : iterable of Path
        As of `faunashot.audio.recordings.find_recordings`.
    """

    name = "recordings"
    licence = "that of your own recordings"
    citation = "none: your own recordings"
    url = None
    multi_label = True  # so that a clip may be of none

    def __init__(self, named: Iterable[Path]) -> None:
        super().__init__()
        self.named = list(named)

    def entries(self, root: Path) -> Iterator[Clip]:
        """A clip a recording, by its path below the root, or as it was given."""
        found = find_recordings(self.named)
        self.problems += found.problems
        for file in found.files:
            below = file.is_relative_to(root)
            path = layout.relative(file, root) if below else file.as_posix()
            yield Clip(clip_id=path, path=path, label="", fold=None, group=path)
