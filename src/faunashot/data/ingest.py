"""Every located clip decoded once: the good go on, the bad are listed with the reason."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faunashot.audio.decode import Audio, decode
from faunashot.audio.levels import bandwidth_hz, level_db, noise_floor_db
from faunashot.errors import AudioError, CorpusError

SHORTEST_S = 0.01
FULL_SCALE = 0.999
CLIPPED_SHARE = 0.001
WORKERS = 2
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


@dataclass(frozen=True)
class Ingested:
    """What ingest found.

    Attributes
    ----------
    clips : the good ones, with the columns of the located table and `MEASURED`.
    bad : one dict a bad clip: path, reason.
    flagged : one dict a clip that is kept but worth a look: path, reason.
    """

    clips: pd.DataFrame
    bad: list[dict[str, str]]
    flagged: list[dict[str, str]]

    def report(self) -> dict[str, Any]:
        """Counts and lists for ``reports/ingest.json``."""
        labels = self.clips["label"].value_counts().sort_index()
        return {
            "clips": len(self.clips),
            "duration_s": round(float(self.clips["duration_s"].sum()), 3),
            "clips_a_class": {str(label): int(n) for label, n in labels.items()},
            "bad": self.bad,
            "flagged": self.flagged,
        }

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


def ingest(
    located: pd.DataFrame, root: Path, *, known_faults: Mapping[str, str] | None = None
) -> Ingested:
    """Decode the clips of a located table.

    Parameters
    ----------
    known_faults : what is known to be wrong with clips, by id (`Corpus.known_faults`).
    """
    bad = [
        {"path": str(row.path), "reason": str(row.problem)}
        for row in located[located["problem"].notna()].itertuples()
    ]
    listed = located[located["problem"].isna()].drop(columns="problem")
    with ThreadPoolExecutor(WORKERS) as pool:
        measured = list(pool.map(lambda path: _measure(root / path), listed["path"]))
    good = [not isinstance(m, str) for m in measured]
    for clip, found in zip(listed.itertuples(), measured, strict=True):
        if isinstance(found, str):
            known = (known_faults or {}).get(str(clip.clip_id))
            reason = f"{found} (known: {known})" if known else found
            bad.append({"path": str(clip.path), "reason": reason})
    table = pd.DataFrame([m for m in measured if not isinstance(m, str)], columns=MEASURED)
    clips = pd.concat([listed[good].reset_index(drop=True), table], axis=1)
    over = clips[clips["clipped_share"] > CLIPPED_SHARE]
    flagged = [
        {"path": str(c.path), "reason": f"clipping: {c.clipped_share:.1%} of samples at full scale"}
        for c in over.itertuples()
    ]
    return Ingested(clips, sorted(bad, key=lambda b: b["path"]), flagged)


def _measure(file: Path) -> list[Any] | str:
    """The values of `MEASURED`, or why the clip is bad."""
    try:
        audio = decode(file)
        return _values(audio)
    except AudioError as error:
        return str(error)


def _values(audio: Audio) -> list[Any]:
    if audio.duration_s < SHORTEST_S:
        raise AudioError(
            f"too short: {len(audio.samples)} samples at {audio.sample_rate} Hz, "
            f"under {SHORTEST_S * 1000:.0f} ms"
        )
    level = np.abs(audio.samples)
    peak = float(level.max())
    if peak == 0:
        raise AudioError("digital silence: every sample is 0")
    mono = audio.mono()
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
        round(float((level >= FULL_SCALE).mean()), 6),
    ]


def _bit_depth(codec: str) -> int:
    """Bits a sample of a codec such as "WAV/PCM_U8" or "AVI/PCM_S16LE"; 0 for MP3."""
    found = re.search(r"/(?:PCM|ALAC)_[SUF]?(\d+)(?:LE|BE)?$", codec)
    return int(found[1]) if found else {"FLOAT": 32, "DOUBLE": 64}.get(codec.split("/")[-1], 0)


def _sound_sha256(audio: Audio) -> str:
    """SHA-256 of what is heard: one sound has one, in any lossless container, under any tags."""
    digest = hashlib.sha256(f"{audio.sample_rate} {audio.samples.shape[1]}\n".encode())
    heard = audio.samples + np.float32(0)  # a float file may hold -0, which sounds like 0
    digest.update(np.ascontiguousarray(heard, dtype="<f4").data)
    return digest.hexdigest()
