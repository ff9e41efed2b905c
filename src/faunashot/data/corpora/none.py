"""No corpus: the source of a system that transfers from nothing but its backbone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from faunashot.data.corpora.base import Clip, Corpus


class NoCorpus(Corpus):
    """Stands where a corpus is asked for and none is wanted; has no clips and needs no folder."""

    name = "none"
    licence = "none: there are no recordings"
    citation = "none: there are no recordings"
    url = None

    def clips(self, root: Path) -> Iterator[Clip]:
        """Yield nothing, whatever `root` is."""
        yield from ()

    def fetch(self, root: Path) -> None:
        """Do nothing."""
