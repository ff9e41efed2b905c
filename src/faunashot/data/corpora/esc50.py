"""ESC-50, and ESC-10 within it: environmental sounds in fifty classes and five folds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import ClassVar

from faunashot.audio.recordings import is_recording
from faunashot.data import layout
from faunashot.data.corpora.base import Clip, Corpus
from faunashot.download import download, new_folder, unpack
from faunashot.errors import CorpusError

_TABLE = "meta/esc50.csv"


class Esc50(Corpus):
    """ESC-50 as published: `meta/esc50.csv` and `audio/`; a part of it works as well.

    A row whose file is absent is counted as missing. ESC-10 was first published as Ogg Vorbis, so
    a file is also found under the row's name with another extension. `group` is the Freesound
    recording that a clip was cut from. The official folds keep one together but for a few: 234879
    is a hen in fold 4 and a rooster in fold 5.
    """

    name = "esc50"
    licence = "CC BY-NC 3.0 (the ESC-10 part: CC BY 3.0)"
    citation = (
        "K. J. Piczak (2015). ESC: Dataset for Environmental Sound Classification. Proceedings of"
        " the 23rd ACM International Conference on Multimedia, 1015-1018."
        " doi:10.1145/2733373.2806390"
    )
    url = "https://github.com/karolpiczak/ESC-50"
    # fmt: off
    class_sets: ClassVar[dict[str, tuple[str, ...]]] = {
        "animals": (
            "dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow",
        ),
        "esc10": (
            "dog", "rooster", "rain", "sea_waves", "crackling_fire", "crying_baby", "sneezing",
            "clock_tick", "helicopter", "chainsaw",
        ),
        "environment": (
            "rain", "sea_waves", "crackling_fire", "crickets", "chirping_birds", "water_drops",
            "wind", "pouring_water", "toilet_flush", "thunderstorm", "crying_baby", "sneezing",
            "clapping", "breathing", "coughing", "footsteps", "laughing", "brushing_teeth",
            "snoring", "drinking_sipping", "door_wood_knock", "mouse_click", "keyboard_typing",
            "door_wood_creaks", "can_opening", "washing_machine", "vacuum_cleaner", "clock_alarm",
            "clock_tick", "glass_breaking", "helicopter", "chainsaw", "siren", "car_horn",
            "engine", "train", "church_bells", "airplane", "fireworks", "hand_saw",
        ),
    }
    # fmt: on
    official_folds: ClassVar[tuple[str, ...]] = ("1", "2", "3", "4", "5")
    archive: ClassVar[str] = "https://github.com/karolpiczak/ESC-50/archive/refs/heads/master.zip"
    # GitHub packs this archive on request and publishes no checksum of it, nor are its bytes
    # promised to stay the same: what is checked is what comes out of it.
    archive_checksum: ClassVar[str | None] = None
    n_clips: ClassVar[int] = 2000

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the clips of `meta/esc50.csv` whose files are there."""
        table, audio = root / _TABLE, root / "audio"
        if not table.is_file() or not audio.is_dir():
            raise self.not_here(root, f"{_TABLE} or audio/ is missing")
        present = {path.name for path in audio.iterdir() if is_recording(path.name)}
        by_stem = {PurePosixPath(name).stem: name for name in sorted(present, reverse=True)}
        found = False
        for row in layout.read_table(table, ("filename", "fold", "category", "src_file")):
            stem = PurePosixPath(row["filename"]).stem
            name = row["filename"] if row["filename"] in present else by_stem.get(stem)
            facts = row["category"], row["fold"], row["src_file"]
            if name is None:
                self.missing.append(Clip(stem, f"audio/{row['filename']}", *facts))
                continue
            if not all(facts):
                self.problems.append((row["filename"], f"its row in {_TABLE} has an empty cell"))
                continue
            found = True
            yield Clip(stem, f"audio/{name}", *facts)
        if not found:
            raise self.not_here(root, f"audio/ has none of the files that {_TABLE} lists")

    def fetch(self, root: Path) -> None:
        """Download the whole of ESC-50 (600 MB) to `root`, unless it is there."""
        if root.is_dir() and not self._lacks(root):
            return
        with new_folder(root, error=CorpusError) as fresh:
            packed = download(
                self.archive,
                root.with_name(f"{root.name}.zip"),
                checksum=self.archive_checksum,
                error=CorpusError,
            )
            unpack(packed, fresh, error=CorpusError, strip_outer=True)
            if lack := self._lacks(fresh):
                packed.unlink()
                raise CorpusError(f"{self.archive} is not ESC-50 ({lack}): fetch it again")
        packed.unlink()

    def _lacks(self, root: Path) -> str | None:
        """Say what a folder lacks of the whole corpus; None where nothing is."""
        table = root / _TABLE
        if not table.is_file():
            return f"{_TABLE} is missing"
        rows = layout.read_table(table, ("filename",))
        if len(rows) != self.n_clips:
            return f"{_TABLE} has {len(rows)} rows instead of {self.n_clips}"
        absent = sum(not (root / "audio" / row["filename"]).is_file() for row in rows)
        return f"{absent} of {len(rows)} files are missing in audio/" if absent else None
