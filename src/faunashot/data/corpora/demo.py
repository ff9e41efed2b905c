"""The corpus that comes with faunashot: synthetic animals, so that a clone works by itself."""

from __future__ import annotations

import csv
import io
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from faunashot.data import layout
from faunashot.data.corpora.base import ClassNames, Clip, Corpus, CorpusOptions
from faunashot.data.corpora.esc50 import Esc50
from faunashot.download import new_folder
from faunashot.errors import CorpusError

if TYPE_CHECKING:
    from faunashot.audio.synth import Recording

_TABLE = "clips.csv"
_COLUMNS = ("filename", "label", "fold", "group")
_BACKGROUND = "background"
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class DemoOptions(CorpusOptions):
    """What may be set: the animals are wanted unless told."""

    classes: ClassNames = "animals"


class Demo(Corpus):
    """`clips.csv` (filename, label, fold, group) and `audio/`.

    Recordings labelled `background` hold no animal. They are not among "all" classes: ask for
    them by name, or through `noise`.
    """

    name = "demo"
    licence = "CC0 1.0"
    citation = "the faunashot authors (2026). Synthetic animals, made by faunashot.audio.synth."
    url = None
    class_sets: ClassVar[dict[str, tuple[str, ...]]] = {"animals": Esc50.class_sets["animals"]}
    Options = DemoOptions

    def wanted(self, present: Iterable[str]) -> frozenset[str]:
        """Resolve the option `classes`; "all" is every class but `background`, which is none."""
        wanted = super().wanted(present)
        return wanted - {_BACKGROUND} if self.options.classes == "all" else wanted

    def entries(self, root: Path) -> Iterator[Clip]:
        """Yield the recordings that `clips.csv` lists, and report those that are not there."""
        table = root / _TABLE
        if not table.is_file():
            raise self.not_here(root, f"{_TABLE} is missing")
        found, names = False, layout.SpelledNames(root)
        for row in layout.read_table(table, _COLUMNS):
            path = layout.inside(row["filename"], below="audio")
            path = path and names.on_disk(path)
            if path is None or not (root / path).is_file():
                self.problems.append((row["filename"], f"in {_TABLE}, but not in audio/"))
            elif not (row["label"] and row["fold"] and row["group"]):
                self.problems.append((row["filename"], f"its row in {_TABLE} has an empty cell"))
            else:
                found = True
                clip_id = PurePosixPath(path).stem
                yield Clip(clip_id, path, row["label"], row["fold"], row["group"])
        if not found:
            raise self.not_here(root, f"no file that {_TABLE} lists is in audio/")

    def noise(self, root: Path) -> Iterator[Path]:
        """Yield the background recordings, sorted."""
        entries = type(self)().entries(root)
        yield from sorted(root / clip.path for clip in entries if clip.label == _BACKGROUND)

    def fetch(self, root: Path) -> None:
        """Generate 200 recordings in `root`, unless a corpus is there."""
        if not (root / _TABLE).is_file():
            generate(root, 200)


def generate(root: Path, n_clips: int, *, seed: int = 42) -> None:
    """Write the demo corpus: Ogg Vorbis recordings and the table that lists them.

    The same seed gives the same bytes, as far as the codec's version is the same.

    Parameters
    ----------
    root : Path
        A folder that does not exist yet or is empty; it appears once everything is written.
    n_clips : int
        Number of recordings.
    seed : int
        What the recordings are drawn from.

    Raises
    ------
    CorpusError
        `root` holds something already.
    """
    from faunashot.audio.synth import recordings  # SciPy's filters, which reading does not need

    _write(root, recordings(n_clips, seed=seed), table=_TABLE, columns=_COLUMNS)


def generate_soundscapes(root: Path, n_clips: int, *, seed: int = 42) -> None:
    """Write recordings of several animals each, as the corpus ``folder`` reads them.

    As `generate`, which see; it needs the corpus' option ``multi_label``.
    """
    from faunashot.audio.soundscapes import soundscapes

    columns = ("path", *_COLUMNS[1:])
    _write(
        root, soundscapes(n_clips, seed=seed), table="labels.csv", columns=columns, below="audio/"
    )


def _write(
    root: Path,
    made: Iterable[Recording],
    *,
    table: str,
    columns: Sequence[str],
    below: str = "",
) -> None:
    """Write recordings into ``audio/``, and a table that lists them by their path `below` it."""
    with new_folder(root, error=CorpusError) as fresh:
        (fresh / "audio").mkdir()
        with (fresh / table).open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(columns)
            for number, one in enumerate(made):
                packed = _vorbis(one.audio, one.sample_rate, serial=number)
                (fresh / "audio" / one.name).write_bytes(packed)
                rows.writerow((f"{below}{one.name}", one.label, one.fold, one.group))


def _vorbis(audio: NDArray[np.float32], sample_rate: int, *, serial: int) -> bytes:
    """Encode as Ogg Vorbis with a given stream number, where libsndfile would draw a random one.

    A page (RFC 3533) has its stream number at byte 14, its checksum at 22, the number of its
    segments at 26 and their lengths from 27.
    """
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, audio, sample_rate, format="OGG", subtype="VORBIS")
    data, at = bytearray(buffer.getvalue()), 0
    while at < len(data):
        body = at + 27 + data[at + 26]
        end = body + sum(data[at + 27 : body])
        struct.pack_into("<I", data, at + 14, serial)
        struct.pack_into("<I", data, at + 22, 0)
        struct.pack_into("<I", data, at + 22, _ogg_crc(data[at:end]))
        at = end
    return bytes(data)


def _ogg_crc(page: bytes | bytearray) -> int:
    """CRC-32 as Ogg has it: zlib's, with the bits in the other order and started at zero."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
