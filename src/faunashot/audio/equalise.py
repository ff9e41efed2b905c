"""Every clip to one bandwidth, length, level and noise floor, so that the recorder is hidden."""

from __future__ import annotations

import zlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import fft

from faunashot.audio.levels import SILENCE_DB, centred, level_db
from faunashot.audio.loop import CROSSFADE_S, loop
from faunashot.audio.resample import resample
from faunashot.errors import ParameterError

RATE_HZ = 16_000
ROLL_OFF = 0.1
FULL_SCALE = 0.99

Samples = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Equaliser:
    """Makes clips alike in what a recorder leaves, and keeps the sound in between.

    Parameters
    ----------
    low_hz, high_hz : float
        The band that is kept; what rumble, offset and sample rate leave outside goes.
        No recording may be sampled at less than twice `high_hz`, or its own edge shows.
    length_s : float
        The most active part of a longer clip is kept; a shorter one is repeated, as zeros
        after its end would tell its length.
    level_db : float
        RMS level of every clip, in dBFS; one whose peaks would clip stays under it.
    snr_db : float
        White noise is added so far below that level, over digital silence, rounding to 8
        bits and the gaps of a codec. A recording noisier than this stays noisier.

    Raises
    ------
    ParameterError
        The band is empty or goes beyond half of `RATE_HZ`, or the length is not positive.
    """

    low_hz: float = 100.0
    high_hz: float = 3500.0
    length_s: float = 2.0
    level_db: float = -25.0
    snr_db: float = 25.0

    def __post_init__(self) -> None:
        if not 0 < self.low_hz < self.high_hz <= RATE_HZ / 2:
            raise ParameterError(
                f"band of {self.low_hz:g} to {self.high_hz:g} Hz must rise and lie above 0, "
                f"up to {RATE_HZ // 2} Hz"
            )
        if self.length_s < CROSSFADE_S:
            raise ParameterError(f"length_s of {self.length_s:g} must be at least {CROSSFADE_S:g}")

    def __call__(self, samples: Samples, rate_hz: int) -> tuple[Samples, int]:
        """Equalise mono audio of shape (n,); what holds no sound becomes the noise alone.

        Returns
        -------
        tuple of ndarray and int
            Samples, shape (length_s * RATE_HZ,), within -1..1, and `RATE_HZ`. The same samples
            always give the same.
        """
        length = round(self.length_s * RATE_HZ)
        heard = self._in_band(resample(centred(samples), rate_hz, to_hz=RATE_HZ))
        kept = _repeated(_most_active(heard, length), length)
        level = level_db(kept)
        signal = kept * 10 ** (-level / 20) if level > SILENCE_DB else np.zeros(length)
        rng = np.random.default_rng(zlib.crc32(samples.tobytes()))
        mixed = signal + rng.standard_normal(length) * 10 ** (-self.snr_db / 20)
        gain = min(10 ** ((self.level_db - level_db(mixed)) / 20), FULL_SCALE / np.abs(mixed).max())
        return np.asarray(gain * mixed, dtype=np.float32), RATE_HZ

    def facts(self) -> dict[str, Any]:
        """Its settings."""
        return asdict(self)

    def _in_band(self, samples: Samples) -> Float64:
        """Cut to the band without shifting any phase; the clip is taken as a loop."""
        if len(samples) == 0:
            return np.zeros(0)
        spectrum = fft.rfft(samples.astype(np.float64))
        at_hz = fft.rfftfreq(len(samples), 1 / RATE_HZ)
        top_hz = self.high_hz * (1 - ROLL_OFF)
        edges = [self.low_hz / 2, self.low_hz, max(self.low_hz, top_hz), self.high_hz]
        ramp = np.interp(at_hz, edges, [0.0, 1.0, 1.0, 0.0])
        return np.asarray(fft.irfft(spectrum * np.sin(np.pi / 2 * ramp) ** 2, len(samples)))


def _most_active(samples: Float64, length: int) -> Float64:
    """The `length` samples in a row that hold the most energy."""
    energy = np.cumsum(np.square(samples))
    if len(samples) <= length:
        return samples
    start = int(np.argmax(energy[length:] - energy[:-length])) + 1
    return samples[start : start + length]


def _repeated(samples: Float64, length: int) -> Float64:
    """Loop samples to `length`, each end faded into the next start."""
    return np.resize(samples if len(samples) >= length else loop(samples, RATE_HZ), length)
