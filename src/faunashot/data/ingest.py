"""A corpus' folder to a table of its clips: each hashed and decoded once, the bad listed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from faunashot.audio.decode import Audio, decode
from faunashot.audio.levels import (
    bandwidth_hz,
    flat_share,
    full_scale_share,
    level_db,
    noise_floor_db,
)
from faunashot.audio.reading import Channel
from faunashot.audio.usable import SILENT, unusable
from faunashot.data import layout
from faunashot.data.corpora.base import Clip, Corpus
from faunashot.data.labels import carry_several, clips_a_class
from faunashot.errors import AudioError, CorpusError
from faunashot.files import sha256_of
from faunashot.progress import tracked

CLIPPED_SHARE = 0.001
NARROW_HZ = 4_500
"""What is sampled at 8 kHz, as for the telephone, holds nothing above, be it upsampled since."""

MISSING_LISTED = 20
"""Files that a table lists and that are not there, of which the report names no more."""

WORKERS = 2
LOCATED = [*(each.name for each in fields(Clip)), "sha256", "problem"]
"""Columns of `located`."""

NOISE_COLUMNS = ["path", "sha256"]
"""Columns of `hashed`."""

MEASURED = [
    "sound_sha256",
    "duration_s",
    "sample_rate",
    "channels",
    "codec",
    "bit_depth",
    "peak",
    "rms_db",
    "noise_floor_db",
    "bandwidth_hz",
    "clipped_share",
]
"""Columns that `ingest` adds, before ``multi_label``."""


@dataclass(frozen=True)
class Ingested:
    """What ingest found.

    Attributes
    ----------
    clips : DataFrame
        The good ones: the columns of `located` but for ``problem``, `MEASURED`, and
        ``multi_label``, whether the clips of the corpus may carry several classes.
    bad : list of dict
        Path and reason of each bad clip.
    flagged : list of dict
        Path and reason of each clip that is kept but worth a look.
    missing : list of str
        Paths that the corpus' table lists and that are not there.
    missing_folds : list of str
        Official folds of which no clip is good.
    """

    clips: pd.DataFrame
    bad: list[dict[str, str]]
    flagged: list[dict[str, str]]
    missing: list[str] = field(default_factory=list)
    missing_folds: list[str] = field(default_factory=list)

    def report(self) -> dict[str, Any]:
        """Counts and lists for ``reports/ingest.json``."""
        of_none = {"clips_of_no_class": int((self.clips["label"] == "").sum())}
        return {
            "clips": len(self.clips),
            "duration_s": round(float(self.clips["duration_s"].sum()), 3),
            "clips_a_class": clips_a_class(self.clips),
            **(of_none if carry_several(self.clips) else {}),
            "silent": self.silent,
            "narrow_band": self.narrow_band,
            "missing": len(self.missing),
            "missing_first": self.missing[:MISSING_LISTED],
            "missing_folds": self.missing_folds,
            "bad": self.bad,
            "flagged": self.flagged,
        }

    @property
    def silent(self) -> int:
        """How many clips are bad as they hold no sound."""
        return sum(bad["reason"].startswith(SILENT) for bad in self.bad)

    @property
    def narrow_band(self) -> int:
        """How many clips hold nothing above `NARROW_HZ`."""
        return int((self.clips["bandwidth_hz"] <= NARROW_HZ).sum())

    def lacking(self) -> str:
        """What a part of a corpus lacks of the whole, in a line; empty where it is whole."""
        files = ""
        if self.missing:
            first = f"the first is {self.missing[0]}"
            files = f"{len(self.missing)} clips that its table lists have no file, {first}"
        folds = f"no good clip in fold {', '.join(self.missing_folds)}" * bool(self.missing_folds)
        return "; ".join(filter(None, (files, folds)))

    def not_heard(self) -> list[str]:
        """Lines of what a network may not hear, with counts."""
        total = len(self.clips) + len(self.bad)
        kinds = {
            "hold no sound": self.silent,
            f"hold nothing above {NARROW_HZ / 1000:g} kHz": self.narrow_band,
        }
        return [f"{n} of {total} clips {what}" for what, n in kinds.items() if n]

    def refuse_if_too_many(self, max_bad_share: float, *, name: str) -> None:
        """Raise `CorpusError` when more than `max_bad_share` of the clips are bad."""
        total = len(self.clips) + len(self.bad)
        if total and len(self.bad) > max_bad_share * total:
            first = self.bad[0]
            raise CorpusError(
                f"{name}: {len(self.bad)} of {total} clips are bad, more than "
                f"ingest.max_bad_share = {max_bad_share:g} allows; reports/ingest.json lists them, "
                f"the first is {first['path']}: {first['reason']}"
            )


def located(corpus: Corpus, root: Path) -> pd.DataFrame:
    """List the clips of a corpus under `root`: the layout read, the files hashed, none decoded.

    Parameters
    ----------
    corpus : Corpus
        Whose layout `root` has.
    root : Path
        Folder of the corpus.

    Returns
    -------
    DataFrame
        The columns `LOCATED`, sorted by path. ``problem`` says why an entry cannot be used, and is
        null where it can.

    Raises
    ------
    CorpusError
        `root` does not hold the corpus' layout.
    """
    rows = [_row(clip, root) for clip in corpus.clips(root)]
    rows += [
        {"clip_id": path, "path": path, "group": path, "problem": reason}
        for path, reason in corpus.problems
    ]
    table = pd.DataFrame(rows, columns=LOCATED, dtype="str")
    return table.sort_values("path", kind="stable", ignore_index=True)


def hashed(files: Iterable[Path], root: Path) -> pd.DataFrame:
    """List recordings of noise under `root`: columns `NOISE_COLUMNS`, a row a file."""
    rows = [(layout.relative(file, root), sha256_of(file)) for file in files]
    return pd.DataFrame(rows, columns=NOISE_COLUMNS, dtype="str")


def ingest(corpus: Corpus, root: Path, *, channel: Channel = "mix") -> Ingested:
    """List the clips of a corpus under `root` and decode each.

    Parameters
    ----------
    corpus : Corpus
        Whose layout `root` has.
    root : Path
        Folder of the corpus.
    channel : str
        What of the channels is measured, and has to hold a sound.

    Raises
    ------
    CorpusError
        `root` does not hold the corpus' layout.
    """
    table = located(corpus, root)
    bad = [
        {"path": str(row.path), "reason": str(row.problem)}
        for row in table[table["problem"].notna()].itertuples()
    ]
    listed = table[table["problem"].isna()].drop(columns="problem")
    with ThreadPoolExecutor(WORKERS) as pool:
        found_in_order = pool.map(lambda path: _measure(root / path, channel), listed["path"])
        measured = list(tracked(found_in_order, f"reading {corpus.name}", total=len(listed)))
    good = np.array([not isinstance(m, str) for m in measured], dtype=bool)
    flagged: list[dict[str, str]] = []
    for clip, found in zip(listed.itertuples(), measured, strict=True):
        if isinstance(found, str):
            known = corpus.known_faults.get(str(clip.clip_id))
            reason = f"{found} (known: {known})" if known else found
            bad.append({"path": str(clip.path), "reason": reason})
        else:
            flagged += [{"path": str(clip.path), "reason": note} for note in found.notes]
    rows = [m.values for m in measured if not isinstance(m, str)]
    values = pd.DataFrame(rows, columns=MEASURED)
    clips = pd.concat([listed[good].reset_index(drop=True), values], axis=1)
    clips["multi_label"] = np.full(len(clips), corpus.multi_label)
    return Ingested(
        clips,
        sorted(bad, key=lambda b: b["path"]),
        flagged,
        missing=sorted(clip.path for clip in corpus.missing),
        missing_folds=corpus.missing_folds(clips["fold"]),
    )


def _row(clip: Clip, root: Path) -> dict[str, str | None]:
    facts = asdict(clip)
    try:
        return {**facts, "sha256": sha256_of(root / clip.path)}
    except OSError as error:
        return {**facts, "problem": f"unreadable: {error.strerror or error}"}


class _Measured(NamedTuple):
    """The values of `MEASURED` of a clip, and what is to be said of it."""

    values: list[Any]
    notes: list[str]


def _measure(file: Path, channel: Channel) -> _Measured | str:
    """What is measured of a clip, or why it is bad."""
    try:
        audio = decode(file)
        if reason := unusable(audio, channel=channel):
            return reason
        values = _values(audio, channel)
        notes = [audio.note] if audio.note else []
        clipped = values[MEASURED.index("clipped_share")]
        if clipped > CLIPPED_SHARE:
            notes.append(f"clipping: {clipped:.1%} of samples at the top")
        return _Measured(values, notes)
    except AudioError as error:
        return str(error)


def _values(audio: Audio, channel: Channel) -> list[Any]:
    level = np.abs(audio.samples)
    peak = float(level.max())
    mono = audio.mono(channel)
    return [
        _sound_sha256(audio),
        audio.duration_s,
        audio.sample_rate,
        audio.samples.shape[1],
        audio.codec,
        _bit_depth(audio.codec),
        round(peak, 6),
        round(level_db(audio.samples), 2),
        round(noise_floor_db(mono, audio.sample_rate), 2),
        round(bandwidth_hz(mono, audio.sample_rate)),
        round(flat_share(audio.samples) if _is_float(audio.codec) else full_scale_share(level), 6),
    ]


def _bit_depth(codec: str) -> int:
    """Bits a sample of a codec such as "WAV/PCM_U8" or "AVI/PCM_S16LE"; 0 for MP3."""
    found = re.search(r"/(?:PCM|ALAC)_[SUF]?(\d+)(?:LE|BE)?$", codec)
    return int(found[1]) if found else {"FLOAT": 32, "DOUBLE": 64}.get(codec.split("/")[-1], 0)


def _is_float(codec: str) -> bool:
    """Whether samples may lie beyond full scale, where nothing clips them."""
    return bool(re.search(r"/(?:FLOAT|DOUBLE|PCM_F\d+(?:LE|BE)?)$", codec))


def _sound_sha256(audio: Audio) -> str:
    """SHA-256 of what is heard: one sound has one, in any lossless container, under any tags."""
    digest = hashlib.sha256(f"{audio.sample_rate} {audio.samples.shape[1]}\n".encode())
    heard = audio.samples + np.float32(0)  # a float file may hold -0, which sounds like 0
    digest.update(np.ascontiguousarray(heard, dtype="<f4").data)
    return digest.hexdigest()
