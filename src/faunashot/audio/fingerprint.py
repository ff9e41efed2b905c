"""Whether two recordings hold the same sound: landmarks that find it, an alignment that proves it.

Landmarks survive what a copy goes through (another codec, gain, rate or cut) and are quick to
look up; the correlation of the aligned samples then tells a copy from a look-alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, signal

from faunashot.audio.decode import Audio
from faunashot.audio.resample import resample

RATE_HZ = 16_000
"""Rate at which recordings are compared: what lies above 8 kHz does not count."""

HOP = 256
"""Samples at `RATE_HZ` from one frame of landmarks to the next."""

_FRAME = 1024
_BLOCK_FRAMES = 4096  # long recordings are analysed in parts of a minute
_NEIGHBOURHOOD = (7, 13)  # frames, bins: a peak is the largest within
_FLOOR = 3e-4  # of the loudest bin: quieter peaks are noise
_LOWEST_BIN = 4
_BANDS_HZ = (1000, 2000, 4000)  # so that a copy that lost its upper octaves keeps its landmarks
_CELL_FRAMES, _PEAKS_A_CELL = 31, 6  # half a second of one band
_FAN_OUT = 7  # peaks after an anchor that are combined with it
_LONGEST = 64  # frames from the first to the last peak of a landmark

_SLACK = 640  # samples that an offset found by landmarks may be wrong by
_LONGEST_ALIGNED = 30 * RATE_HZ
_LOWEST_HZ = 50.0
_SMOOTHED_HZ = 100.0
_FINER = 4  # steps a sample in which the offset is sought
_STEP = 512  # samples of the pieces that are common or not
_SHORTEST_STEPS = 4
_LOWEST_CORRELATION = 0.5
_LOWEST_EVIDENCE = 6.5  # different recordings reach 2.3, synthetic ones of one voice 6.0

Samples = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex128]


@dataclass(frozen=True)
class Landmarks:
    """Triples of spectral peaks of one recording.

    Attributes
    ----------
    keys : ndarray of int64, shape (n,)
        Each once: three frequencies and the two times between them.
    frames : ndarray of int32, shape (n,)
        When each key first occurs, in hops of `HOP` samples.
    """

    keys: npt.NDArray[np.int64]
    frames: npt.NDArray[np.int32]


@dataclass(frozen=True)
class Alignment:
    """How alike two recordings are where they overlap.

    Attributes
    ----------
    correlation : float
        Of the part that both hold, in [-1, 1]; negative where one is inverted.
    offset_s : float
        Where the second recording begins on the first one's clock.
    common_s : float
        Length of the part that both hold.
    evidence : float
        Fisher's z of the correlation in standard deviations, for as many samples as are
        independent of each other (Bartlett 1946): low for hum and tones, however alike.
    """

    correlation: float
    offset_s: float
    common_s: float
    evidence: float

    @property
    def same(self) -> bool:
        """Whether they hold the same sound."""
        alike = abs(self.correlation) >= _LOWEST_CORRELATION
        return alike and self.evidence >= _LOWEST_EVIDENCE


_NOTHING_COMMON = Alignment(0.0, 0.0, 0.0, 0.0)


def comparable(audio: Audio) -> Samples:
    """Mono at `RATE_HZ`; the first channel where the channels cancel out."""
    mono = audio.mono()
    if np.abs(mono).max() < 1e-3 * np.abs(audio.samples).max():
        mono = np.ascontiguousarray(audio.samples[:, 0])
    return resample(mono, audio.sample_rate, to_hz=RATE_HZ)


def landmarks(samples: Samples) -> Landmarks:
    """Find the landmarks of mono audio at `RATE_HZ`, about a thousand a second.

    Peaks of the spectrogram are combined as in Wang (2003, "An industrial-strength audio search
    algorithm", ISMIR), but by threes: so many more keys than pairs have that unrelated recordings
    hardly share one, and a search grows with the recordings, not with their square.
    """
    frame, bin_ = _peaks(samples)
    keys, frames = [], []
    for second, third in combinations(range(1, _FAN_OUT + 1), 2):
        n = max(len(frame) - third, 0)
        to_second = frame[second : second + n] - frame[:n]
        to_third = frame[third : third + n] - frame[:n]
        key = bin_[:n]
        for value, size in (
            (bin_[second : second + n], _FRAME // 2),
            (bin_[third : third + n], _FRAME // 2),
            (to_second, _LONGEST),
            (to_third, _LONGEST),
        ):
            key = key * size + value
        near = (to_third > 0) & (to_third < _LONGEST)  # three peaks at once are a mere spectrum
        keys.append(key[near])
        frames.append(frame[:n][near])
    found = np.concatenate(frames)
    order = np.argsort(found, kind="stable")
    unique, first = np.unique(np.concatenate(keys)[order], return_index=True)
    return Landmarks(unique, found[order][first].astype(np.int32))


def _peaks(samples: Samples) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Frame and bin of the peaks, ordered by both, at most `_PEAKS_A_CELL` in each cell."""
    n_frames = 1 + len(samples) // HOP
    padded = np.pad(samples, (_FRAME // 2, _FRAME // 2 + HOP))
    window = signal.windows.hann(_FRAME, sym=False).astype(np.float32)
    every = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::HOP][:n_frames]
    frames, bins, levels = [], [], []
    for start in range(0, n_frames, _BLOCK_FRAMES):
        level = np.abs(fft.rfft(every[start : start + _BLOCK_FRAMES] * window))[:, : _FRAME // 2]
        level[:, :_LOWEST_BIN] = 0
        largest = _largest_within(level, _NEIGHBOURHOOD)
        frame, bin_ = np.nonzero((level == largest) & (level > _FLOOR * level.max()))
        frames.append(frame + start)
        bins.append(bin_)
        levels.append(level[frame, bin_])
    frame, bin_, level = map(np.concatenate, (frames, bins, levels))
    band = np.searchsorted(_BANDS_HZ, bin_ * (RATE_HZ / _FRAME))
    cell = frame // _CELL_FRAMES * (len(_BANDS_HZ) + 1) + band
    by_level = np.lexsort((-level, cell))
    ranked = cell[by_level]
    rank = np.arange(len(ranked)) - np.searchsorted(ranked, ranked)
    kept = by_level[rank < _PEAKS_A_CELL]
    kept = kept[np.lexsort((bin_[kept], frame[kept]))]
    return frame[kept], bin_[kept]


def _largest_within(level: Samples, size: tuple[int, int]) -> Samples:
    """The largest of the levels, none of them negative, in a window of odd sides around each.

    Maxima of windows that double in width make it three times faster than scipy's filter, and give
    the same numbers.
    """
    found = level
    for axis, width in enumerate(size):
        before = np.moveaxis(found, axis, 0)
        n = len(before)
        largest = np.zeros((n + width - 1, *before.shape[1:]), level.dtype)
        largest[width // 2 : width // 2 + n] = before
        covered = 1
        while covered < width:
            step = min(covered, width - covered)
            largest = np.maximum(largest[:-step], largest[step:])
            covered += step
        found = np.moveaxis(largest, 0, axis)
    return found


def align(first: Samples, second: Samples, *, offset: int, around: int) -> Alignment:
    """Correlate two recordings, mono at `RATE_HZ`, where they overlap.

    Parameters
    ----------
    offset : int
        Sample of `first` at which `second` begins, give or take a few frames.
    around : int
        Sample of `first` near which they agree; no more than `_LONGEST_ALIGNED` is compared.
    """
    start, stop = max(offset, 0), min(offset + len(second), len(first))
    start = max(start, min(around, stop) - _LONGEST_ALIGNED // 2)
    found = _compare(
        first, second, offset=offset, span=(start, min(stop, start + _LONGEST_ALIGNED))
    )
    if found is None:
        return _NOTHING_COMMON
    # Once more without what only one of them holds, which has its part in the envelope.
    offset, span = round(found[0].offset_s * RATE_HZ), found[1]
    span = max(span[0], offset), min(span[1], offset + len(second))
    found = _compare(first, second, offset=offset, span=span)
    return found[0] if found else _NOTHING_COMMON


def _compare(
    first: Samples, second: Samples, *, offset: int, span: tuple[int, int]
) -> tuple[Alignment, tuple[int, int]] | None:
    """Align within a span of the first: how, and the span that is common; None where none is."""
    start, stop = span
    if stop - start < _SHORTEST_STEPS * _STEP:
        return None
    a, b = first[start:stop], second[start - offset : stop - offset]
    if not (a.any() and b.any()):
        return None
    size = fft.next_fast_len(len(a) + _SLACK, real=True)
    spectrum_a, spectrum_b = _equalised(fft.rfft(a, size), fft.rfft(b, size), size=size)
    by_lag = fft.irfft(spectrum_a * spectrum_b.conj(), size * _FINER)
    lags = np.arange(-_SLACK * _FINER, _SLACK * _FINER + 1)
    lag = float(lags[np.abs(by_lag[lags]).argmax()] / _FINER)
    moved = spectrum_b * np.exp(-2j * np.pi * lag / size * np.arange(len(spectrum_b)))
    steps_a, steps_b = (
        _steps(fft.irfft(spectrum, size)[: len(a)]) for spectrum in (spectrum_a, moved)
    )
    first_step, last_step = _common(steps_a, steps_b)
    if last_step - first_step < _SHORTEST_STEPS:
        return None
    common = start + first_step * _STEP, min(start + last_step * _STEP, stop)
    run = slice(first_step, last_step)
    correlation, evidence = _correlation(steps_a[run], steps_b[run])
    common_s = (common[1] - common[0]) / RATE_HZ
    return Alignment(correlation, (offset + lag) / RATE_HZ, common_s, evidence), common


def _equalised(a: Spectrum, b: Spectrum, *, size: int) -> tuple[Spectrum, Spectrum]:
    """Give both the same envelope, the fourth root of the product of their powers.

    So a band that one lacks counts in neither, and what is loud does not count alone.
    """
    width = max(3, round(_SMOOTHED_HZ * size / RATE_HZ))
    power_a, power_b = (ndimage.uniform_filter1d(np.abs(s) ** 2, width) for s in (a, b))
    power_a, power_b = (np.maximum(power, 1e-10 * power.max()) for power in (power_a, power_b))
    lowest = round(_LOWEST_HZ * size / RATE_HZ)
    a, b = a * power_b**0.125 / power_a**0.375, b * power_a**0.125 / power_b**0.375
    a[:lowest], b[:lowest] = 0, 0
    return a, b


def _steps(samples: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Cut into rows of `_STEP` samples, zeros at the end."""
    rows = -(-len(samples) // _STEP)
    return np.pad(samples, (0, rows * _STEP - len(samples))).reshape(rows, _STEP)


def _common(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> tuple[int, int]:
    """First row, and last but one, of the run that agrees best.

    A row speaks for the run by how much more it correlates than `_LOWEST_CORRELATION`; what only
    one recording holds, as before a cut or in padding, ends the run or does not count.
    """
    product = (a * b).sum(axis=1)
    both = np.sqrt(np.square(a).sum(axis=1) * np.square(b).sum(axis=1))
    gain = np.sign(product.sum()) * product - _LOWEST_CORRELATION * both
    total = np.concatenate([[0.0], np.cumsum(gain)])
    stop = int((total - np.minimum.accumulate(total)).argmax())
    return int(total[: stop + 1].argmin()), stop


def _correlation(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Correlation of rows and its `Alignment.evidence`."""
    correlation = float((a * b).sum() / np.sqrt(np.square(a).sum() * np.square(b).sum()))
    independent = min(_independent(a, b), _independent(a.ravel(), b.ravel()))
    z = np.arctanh(min(abs(correlation), 0.9999)) * np.sqrt(max(independent - 3, 0))
    return correlation, float(z)


def _independent(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """How many samples are independent, from the power that both have at one place."""
    power_a, power_b = (np.abs(fft.rfft(x)) ** 2 for x in (a, b))
    return float(power_a.sum() * power_b.sum() / (power_a * power_b).sum())
