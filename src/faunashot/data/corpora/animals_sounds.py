"""Animals_Sounds: a small, imbalanced corpus of animal sounds, gathered from several sources."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from faunashot.audio.recordings import recordings_in
from faunashot.data import layout
from faunashot.data.corpora.base import TEST, TRAIN, Clip, Corpus

_PARTS = {"Training": TRAIN, "Testing": TEST}


class AnimalsSounds(Corpus):
    """`Training/<Class>/` and `Testing/<Class>/`, in an outer `Animals_Sounds/` or not.

    Labels are lower-cased. No source recordings are published, so each name is a group of its
    own until the audit joins duplicates. `Noise/Wind/` holds no class: see `noise`.
    """

    name = "animals_sounds"
    licence = "none stated"
    citation = (
        "E. Şaşmaz, F. B. Tek (2018). Animal Sound Classification Using A Convolutional Neural"
        " Network. 3rd International Conference on Computer Science and Engineering (UBMK),"
        " 625-629. doi:10.1109/UBMK.2018.8566449"
    )
    url = "https://github.com/YashNita/Animal-Sound-Dataset"

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the clips of both parts."""
        base = layout.child(root, "Animals_Sounds") or root
        found = False
        for part, fold in _PARTS.items():
            folder = layout.child(base, part)
            for kind in layout.subfolders(folder) if folder else ():
                for path in recordings_in(kind):
                    found = True
                    clip_id = layout.relative(path, base)
                    yield Clip(
                        clip_id=clip_id,
                        path=layout.relative(path, root),
                        label=kind.name.lower(),
                        fold=fold,
                        group=PurePosixPath(clip_id).with_suffix("").as_posix(),
                    )
        if not found:
            raise self.not_here(root, "there is no Training/<Class>/ or Testing/<Class>/ in it")

    def noise(self, root: Path) -> Iterator[Path]:
        """Yield the recordings in `Noise/Wind/`, sorted."""
        folder = layout.child(layout.child(root, "Animals_Sounds") or root, "Noise", "Wind")
        yield from recordings_in(folder) if folder else ()
