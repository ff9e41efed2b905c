"""What of recordings a network cannot hear, though their features look fine."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from faunashot.audio.decode import Audio
from faunashot.audio.headers import examine
from faunashot.audio.levels import bandwidth_hz
from faunashot.audio.reading import Reading
from faunashot.errors import AudioError
from faunashot.features.extractors import Extractor
from faunashot.features.store import Features

FAR_BELOW = 0.3
"""Of the band that a network listens to: a recording that ends under this share of it was made for
the telephone, or went through something alike."""

PART_S = 10
"""The band is measured over the beginning of a recording."""

SAME = 1e-6
"""Windows are the same where they differ by no more than this share of the largest number."""

ALIKE = "all windows come out the same"


def of_band(hz: float, extractor: Extractor) -> str | None:
    """Say that a recording has nothing in most of the band that a network listens to.

    Parameters
    ----------
    hz : float
        Where its band ends, see `faunashot.audio.levels.bandwidth_hz`.
    extractor : Extractor
        Of the network.
    """
    listens_hz = extractor.sample_rate / 2
    if hz >= FAR_BELOW * listens_hz:
        return None
    if hz == 0:
        return "nothing is louder than rounding to 16 bits"
    return (
        f"there is nothing above {FAR_BELOW * listens_hz / 1000:.3g} kHz, though {extractor.name} "
        f"listens up to {listens_hz / 1000:.3g} kHz"
    )


def band_hz(source: Path | bytes | Audio, reading: Reading) -> float | None:
    """Where the band of a recording ends, measured over `PART_S`; None where nothing is there."""
    with suppress(AudioError):  # which is said elsewhere, or it begins with silence
        audio = reading.read(source, span_s=(0, PART_S))
        return bandwidth_hz(audio.samples[:, 0], audio.sample_rate)
    return None


def of_recording(source: Path | bytes, extractor: Extractor) -> str | None:
    """Measure a recording's band, and say as `of_band` what is to be said of it."""
    hz = band_hz(source, extractor.reading)
    return None if hz is None else of_band(hz, extractor)


def of_windows(features: Features) -> list[tuple[str, str]]:
    """Recordings whose windows, of which there are several, all come out the same."""
    found = []
    for clip_id, rows in features.index.groupby("clip_id", sort=False).indices.items():
        if _come_out_the_same(features.windows, np.asarray(rows)):
            found.append((str(clip_id), ALIKE))
    return found


def of_recognised(
    source: Path | Audio, extractors: Sequence[Extractor], features: Features
) -> tuple[str, ...]:
    """Say what is to be said of a recording that was recognised, each thing once.

    Parameters
    ----------
    source : Path or Audio
        The recording.
    extractors : sequence of Extractor
        That it was recognised with.
    features : Features
        Of it.
    """
    said = [source.note if isinstance(source, Audio) else examine(source).note]
    readings = {each.reading for each in extractors}  # the same, of joined backbones
    bands = {reading: band_hz(source, reading) for reading in readings}
    for each in extractors:
        if (hz := bands[each.reading]) is not None:
            said.append(of_band(hz, each))
    if _come_out_the_same(features.windows, np.arange(len(features.windows))):
        said.append(ALIKE)
    said += [
        f"from {part['start_s']:g} s on nothing is recognised: {part['reason']}"
        for part in features.bad
    ]
    return tuple(dict.fromkeys(note for note in said if note))


def summed_up(remarks: Iterable[tuple[str, str | None]], *, total: int) -> list[str]:
    """Make a line of each kind of remark, with how many recordings it is made of.

    Parameters
    ----------
    remarks : iterable of (str, str or None)
        Recordings by name, and what is said of each.
    total : int
        How many recordings there are.
    """
    names: dict[str, list[str]] = {}
    for name, remark in remarks:
        if remark is not None:
            names.setdefault(remark, []).append(name)
    return [
        f"{len(of)} of {total} recordings: {remark}; the first is {of[0]}"
        for remark, of in names.items()
    ]


def _come_out_the_same(windows: np.ndarray, rows: np.ndarray) -> bool:
    """Whether these rows are several, and alike."""
    if len(rows) == 1:
        return False
    ends = windows[[rows[0], rows[-1]]]  # which differ of nearly all recordings
    return _are_same(ends) and _are_same(windows[rows])


def _are_same(rows: np.ndarray) -> bool:
    rows = np.asarray(rows, np.float32)  # differences of 16-bit samples may take 17
    return bool(np.ptp(rows, axis=0).max(initial=0) <= SAME * np.abs(rows).max(initial=0))
