"""Synthetic animals: a corpus of any size from models of how the sounds are made.

Mammals are a glottal pulse train through the resonances of a tube, birds a frequency-modulated
harmonic source through a shorter one, frogs and insects pulses that excite one resonance. Each
recording is one individual at a drawn distance, in a drawn place, on a drawn recorder.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from faunashot.errors import ParameterError

# fmt: off
CLASSES: tuple[str, ...] = (
    "dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow",
)
# fmt: on
BACKGROUND = "background"

Samples = NDArray[np.floating]
_SPEED_OF_SOUND = 343.0
_MIN_RATE_HZ = 16_000
_MIN_DURATION_S = 0.5
_PAIR_EVERY = 4  # every fourth individual was recorded twice


@dataclass(frozen=True)
class Recording:
    """One labelled recording of the synthetic corpus.

    Attributes
    ----------
    name : str
        File name, such as ``dog-0007.ogg``.
    label : str
        One of `CLASSES`, or `BACKGROUND`.
    fold : int
        Fold, from 1.
    group : str
        The individual in its place; recordings that share it are never in two folds.
    sample_rate : int
        In Hz.
    audio : numpy.ndarray
        float32, shape (samples,), peak below 1.
    """

    name: str
    label: str
    fold: int
    group: str
    sample_rate: int
    audio: NDArray[np.float32]


@dataclass(frozen=True)
class _Call:
    """A kind of call; a pair is the range of individuals, from the largest to the smallest."""

    pitch_hz: tuple[float, float]
    tract_m: tuple[float, float]
    length_s: tuple[float, float]
    contour: tuple[float, ...]  # of the pitch, at equally spaced times
    opening: tuple[float, ...] = (1.0,)  # of the mouth, which moves the formants
    cutoff_hz: tuple[float, float] = (900, 2000)
    breath: tuple[float, float] = (0.05, 0.4)
    jitter: tuple[float, float] = (0.005, 0.02)
    attack_s: float = 0.03
    release: float = 0.3  # share of the call
    q: float = 6.0  # how far the formants stand out
    tremor_hz: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Species:
    """Calls, and how they follow each other: in turn, or the second with a drawn `share`."""

    calls: tuple[_Call, ...]
    gap_s: tuple[float, float]
    n_calls: tuple[int, int]
    share: tuple[float, float] | None = None


# fmt: off
_BARK = _Call((300, 1200), (0.4, 0.17), (0.32, 0.1), (0.7, 1.1, 1.2, 1, 0.65),
              (0.6, 1.1, 0.9, 0.6), cutoff_hz=(450, 1100), breath=(0.15, 0.9), jitter=(0.03, 0.12),
              attack_s=0.025, release=0.9, q=7)
_COCK = _Call((480, 1000), (0.065, 0.04), (0.37, 0.18), (0.97, 1.03, 1), (0.7, 1.1, 1, 0.8),
              cutoff_hz=(520, 1400), breath=(0.02, 0.7), jitter=(0.005, 0.05), release=0.45, q=10)
_COCK_A = replace(_COCK, pitch_hz=(500, 1050), length_s=(0.25, 0.14))
_COCK_DOODLE = replace(_COCK, pitch_hz=(560, 1150), length_s=(0.6, 0.3), contour=(1, 1.1, 1.05))
_COCK_DOO = replace(_COCK, pitch_hz=(540, 1120), length_s=(1.8, 0.8),
                    contour=(1, 1.1, 1.1, 1.05, 0.9))
_GRUNT = _Call((50, 185), (0.25, 0.12), (0.45, 0.12), (0.8, 1.1, 0.8), (0.65, 1, 0.75),
               cutoff_hz=(260, 750), breath=(0.12, 0.8), jitter=(0.08, 0.32), attack_s=0.045)
_SQUEAL = _Call((500, 1600), (0.25, 0.12), (1, 0.3), (0.7, 1.2, 0.9, 1.1, 0.75),
                cutoff_hz=(700, 1800), breath=(0.1, 0.6), jitter=(0.02, 0.1))
_MOO = _Call((80, 265), (0.5, 0.28), (3, 0.9), (0.75, 0.87, 1.15, 1.15, 0.75),
             (0.7, 0.8, 1, 1.1, 0.9), cutoff_hz=(235, 800), breath=(0.02, 0.25),
             jitter=(0.003, 0.025), attack_s=0.35, release=0.4)
_CROAK = _Call((25, 220), (0.19, 0.03), (0.7, 0.08), (0.8, 1.1, 1.1), (0.8, 1, 1.05),
               cutoff_hz=(1000, 4000), breath=(0.02, 0.5), jitter=(0.02, 0.1), q=14)
_MEOW = _Call((300, 850), (0.11, 0.07), (1.3, 0.35), (0.8, 1.1, 1.2, 1.1, 0.8),
              (0.6, 1, 1.4, 1, 0.6), cutoff_hz=(1000, 3000), breath=(0.03, 0.4), attack_s=0.06,
              q=12)
_CLUCK = _Call((320, 880), (0.05, 0.03), (0.14, 0.05), (1.1, 1, 0.85), cutoff_hz=(500, 1400),
               breath=(0.1, 1.2), jitter=(0.01, 0.07), release=0.55, q=10)
_CACKLE = replace(_CLUCK, length_s=(0.7, 0.3), contour=(0.95, 1.15, 1.2, 1.05))
_BLEAT = _Call((110, 450), (0.21, 0.12), (1.4, 0.4), (0.9, 1.1, 1.05, 0.95, 0.85),
               cutoff_hz=(1100, 2800), breath=(0.06, 0.6), jitter=(0.01, 0.06), attack_s=0.05,
               tremor_hz=(5, 12))
_CAW = _Call((300, 650), (0.078, 0.05), (0.55, 0.15), (0.85, 1.1, 1.05, 0.9), (0.85, 1, 0.9),
             cutoff_hz=(1000, 2200), breath=(0.2, 1.8), jitter=(0.03, 0.13), q=10)
_SPECIES = {
    "dog": _Species((_BARK,), (0.12, 0.8), (1, 9)),
    "rooster": _Species((_COCK, _COCK_A, _COCK_DOODLE, _COCK_DOO), (0.02, 0.08), (4, 5)),
    "pig": _Species((_GRUNT, _SQUEAL), (0.1, 0.7), (2, 12), (0, 0.3)),
    "cow": _Species((_MOO,), (0.4, 1), (1, 4)),
    "frog": _Species((_CROAK,), (0.1, 0.7), (3, 20)),
    "cat": _Species((_MEOW,), (0.3, 1.2), (1, 5)),
    "hen": _Species((_CLUCK, _CACKLE), (0.05, 0.25), (3, 20), (0, 0.2)),
    "sheep": _Species((_BLEAT,), (0.3, 1.2), (1, 5)),
    "crow": _Species((_CAW,), (0.15, 0.7), (1, 7)),
}
# fmt: on


@dataclass(frozen=True)
class _Scene:
    """`who` draws what is fixed for the individual and its place, `now` what is not."""

    who: np.random.Generator
    now: np.random.Generator
    n_samples: int
    sample_rate: int

    def about(self, value: float, spread: float) -> float:
        """`value` as it comes out this time: log-normal around it."""
        return float(value * np.exp(spread * self.now.standard_normal()))


def _between(ends: tuple[float, float], where: float) -> float:
    """Geometric interpolation, as pitches, lengths and rates vary."""
    return float(ends[0] * (ends[1] / ends[0]) ** where)


def _knots(values: Sequence[float] | Samples, n: int) -> Samples:
    """Contour of `n` samples through equally spaced `values`."""
    return np.interp(np.linspace(0, len(values) - 1, n), np.arange(len(values)), values)


def _swell(n: int, attack: float, release: float) -> Samples:
    """Gain in [0, 1] that rises and falls as a raised cosine within shares of the call."""
    t = np.linspace(0, 1, n)
    edge: Samples = np.clip(np.minimum(t / attack, (1 - t) / release), 0, 1)
    gain: Samples = np.square(np.sin(np.pi / 2 * edge))
    return gain


def _pulses(scene: _Scene, f0: Samples, *, cutoff_hz: float, jitter: float) -> Samples:
    """Pulse train of unit power whose harmonics fall by e per `cutoff_hz`.

    Each period has its own length and strength (`jitter`, and three times as much shimmer).
    There is next to no aliasing, as hardly anything is left at the Nyquist frequency.
    """
    period = (np.cumsum(f0) / scene.sample_rate + 0.5).astype(np.intp)
    f0 = f0 * np.exp(jitter * scene.now.standard_normal(period[-1] + 1))[period]
    turns = np.cumsum(f0) / scene.sample_rate
    period = (turns + 0.5).astype(np.intp)
    strength = 1 + 3 * jitter * scene.now.standard_normal(period[-1] + 1)
    strength[::2] *= 1 - 3 * jitter  # rough voices double their period
    # the sum over k >= 1 of r^k cos(2 pi k turns), in closed form
    r = np.exp(-f0 / cutoff_hz)
    swing = r * np.cos(2 * np.pi * turns)
    train = (swing - r**2) / (1 - 2 * swing + r**2) * np.sqrt(2 * (1 - r**2)) / r
    train *= strength[period]
    return np.asarray(train)


def _resonate(
    source: Samples, formants: Samples, opening: Samples, *, q: float, sample_rate: int
) -> Samples:
    """Raise `source` by `q` at `formants` times `opening`, which moves along it."""
    step = len(source) if len(opening) == 1 else int(0.01 * sample_rate)
    starts = range(0, len(source), step)
    path = np.minimum(np.outer(_knots(opening, len(starts)), formants), 0.45 * sample_rate)
    sos = np.ones((*path.shape, 6))
    for first, width in ((0, q), (3, 1.0)):
        radius = np.exp(-np.pi * width * (0.07 * path + 30) / sample_rate)
        sos[..., first + 1] = -2 * radius * np.cos(2 * np.pi * path / sample_rate)
        sos[..., first + 2] = radius**2
    out: Samples = np.empty_like(source)
    state = np.zeros((len(formants), 2))
    for start, sections in zip(starts, sos, strict=True):
        block = slice(start, start + step)
        out[block], state = signal.sosfilt(sections, source[block], zi=state)
    out[1:] -= out[:-1].copy()  # radiation
    return out


def _air(scene: _Scene, n: int, cutoff_hz: float) -> Samples:
    """Turbulence: noise of unit power that falls by 12 dB an octave above `cutoff_hz`."""
    pole = np.exp(-2 * np.pi * cutoff_hz / scene.sample_rate)
    noise = scene.now.standard_normal(n, dtype=np.float32)
    air = signal.lfilter([1.0], [1, -2 * pole, pole**2], noise)
    return np.asarray(air * np.sqrt((1 - pole**2) ** 3 / (1 + pole**2)))


def _caller(call: _Call, scene: _Scene, size: float) -> Callable[[], Samples]:
    """Draw how the individual makes `call`; what is returned makes it once, at unit power."""
    who, now, rate = scene.who, scene.now, scene.sample_rate
    pitch, tract, length, cutoff, breath, jitter, tremor, depth = np.clip(
        [size, size, *who.random(6)] + 0.2 * who.standard_normal(8), 0, 1
    )
    formants = (2 * np.arange(5) + 1) * _SPEED_OF_SOUND / (4 * _between(call.tract_m, tract))
    formants *= np.exp(0.15 * who.standard_normal(5))
    contour = np.array(call.contour) * np.exp(0.08 * who.standard_normal(len(call.contour)))

    def once() -> Samples:
        n = max(int(scene.about(_between(call.length_s, length), 0.15) * rate), rate // 50)
        bend = np.exp(0.03 * now.standard_normal(len(contour)))
        f0 = scene.about(_between(call.pitch_hz, pitch), 0.06) * _knots(contour * bend, n)
        f0 *= 1 + 0.02 * _knots(now.standard_normal(2 + int(40 * n / rate)), n)
        gain = _swell(n, call.attack_s * rate / n, call.release)
        if call.tremor_hz:
            beat = np.sin(2 * np.pi * _between(call.tremor_hz, tremor) / rate * np.arange(n))
            f0 *= 1 + 0.05 * depth * beat
            gain *= 1 - (0.2 + 0.6 * depth) * (0.5 + 0.5 * beat)
        cutoff_hz = _between(call.cutoff_hz, cutoff)
        source = _pulses(scene, f0, cutoff_hz=cutoff_hz, jitter=_between(call.jitter, jitter))
        air = _air(scene, n, cutoff_hz) * (0.4 + 0.6 * np.minimum(np.abs(source), 2))
        source += _between(call.breath, breath) * air
        opening = np.array(call.opening)
        voice = gain * _resonate(source, formants, opening, q=call.q, sample_rate=rate)
        return voice / float(np.sqrt(np.mean(voice**2)))

    return once


def _bout(species: _Species, scene: _Scene) -> Samples:
    """Lay one individual's calls into the recording, with pauses between them."""
    who, now = scene.who, scene.now
    size, gap_s = who.random(), _between(species.gap_s, who.random())
    callers = [_caller(call, scene, size) for call in species.calls]
    share = who.uniform(*species.share) if species.share else 0.0
    out = np.zeros(scene.n_samples)
    at = int(scene.n_samples * now.uniform(0.01, 0.3))
    for turn in range(now.integers(*species.n_calls)):
        which = int(now.random() < share) if species.share else turn % len(callers)
        call = callers[which]()[: max(scene.n_samples - at, 0)]
        out[at : at + len(call)] += scene.about(1, 0.25) * call
        at += len(call) + int(scene.about(gap_s, 0.3) * scene.sample_rate)
    return out


def _insects(scene: _Scene) -> Samples:
    """Chirp as a cricket, a cicada or a bush-cricket."""
    who, now, rate = scene.who, scene.now, scene.sample_rate
    kind, carrier_hz = who.integers(3), _between((2600, 7500), who.random())
    pulse_hz, chirp_hz = _between((18, 60), who.random()), _between((0.8, 4), who.random())
    rasp_hz, duty = _between((90, 350), who.random()), who.uniform(0.25, 0.7)
    t = np.arange(scene.n_samples) / rate + now.random()
    chirps = signal.sosfilt(signal.butter(1, 80, fs=rate, output="sos"), (t * chirp_hz) % 1 < duty)
    pulses: Samples = np.maximum(np.sin(2 * np.pi * pulse_hz * t), 0) * chirps
    if kind == 0:  # cricket: a tone in pulses, the pulses in chirps
        return np.sin(2 * np.pi * carrier_hz * t) * pulses
    noise: Samples = now.standard_normal(scene.n_samples)
    if kind == 1:  # cicada: the tymbal's clicks, a rasp that swells
        f0 = rasp_hz * (1 + 0.03 * np.sin(2 * np.pi * 0.4 * t))
        noise = 0.2 * noise + _pulses(scene, f0, cutoff_hz=4000, jitter=0.04)
        pulses = 1 + 0.7 * np.sin(2 * np.pi * 0.3 * chirp_hz * t)
    band = (0.8 * carrier_hz, min(1.5 * carrier_hz, 0.48 * rate))
    sos = signal.butter(2, band, "bandpass", fs=rate, output="sos")
    return np.asarray(pulses * signal.sosfilt(sos, noise))


def _coloured(scene: _Scene, slope: float, corner_hz: float) -> Samples:
    """Noise of unit power, flat below `corner_hz`, then falling as f**-slope in power."""
    n = fft.next_fast_len(scene.n_samples, real=True)
    spectrum = scene.now.standard_normal((n // 2 + 1, 2), dtype=np.float32).view(np.complex64)[:, 0]
    f_hz = fft.rfftfreq(n, 1 / scene.sample_rate).astype(np.float32)
    spectrum *= (1 + f_hz / corner_hz) ** np.float32(-slope / 2)
    noise: Samples = fft.irfft(spectrum, n)[: scene.n_samples]
    return noise / float(noise.std())


def _surroundings(scene: _Scene) -> Samples:
    """Unit-power background: a drawn mix of noise, wind, rain, hum, far birds and insects."""
    who, now, n, rate = scene.who, scene.now, scene.n_samples, scene.sample_rate
    t = np.arange(n) / rate
    out = _coloured(scene, who.uniform(0.6, 1.6), 60)
    wind, rain, hum, birds, chorus = np.maximum(who.random(5) * 1.5 - 1, 0)
    song_hz, chorus_hz = _between((2000, 5500), who.random()), _between((3000, 7000), who.random())
    mains_hz, beat_hz = who.choice([50, 60]), who.uniform(5, 40)
    if wind:
        gusts = _knots(now.random(int(2 * t[-1]) + 2), n)
        out += 8 * wind * gusts * _coloured(scene, 3.5, 80)
    if rain:
        drops = np.zeros(n)
        where = now.integers(n, size=n // 100)
        drops[where] = now.standard_normal(len(where)) ** 3
        sos = signal.butter(1, (1500, 6000), "bandpass", fs=rate, output="sos")
        out += (
            8 * rain * signal.sosfilt(sos, drops + 0.1 * now.standard_normal(n, dtype=np.float32))
        )
    if hum:
        out += 2 * hum * _pulses(scene, np.full(n, mains_hz), cutoff_hz=120, jitter=0)
    if birds:
        for _ in range(now.integers(2, 9)):
            length = int(rate * now.uniform(0.06, 0.25))
            f0 = song_hz * _knots(now.uniform(0.8, 1.25, 4), length)
            at = now.integers(n - length)
            note = np.sin(2 * np.pi / rate * np.cumsum(f0)) * _swell(length, 0.2, 0.3)
            out[at : at + length] += 4 * birds * note
    if chorus:
        beat = 0.6 + 0.4 * np.sin(2 * np.pi * beat_hz * t)
        out += 2 * chorus * beat * np.sin(2 * np.pi * chorus_hz * t)
    return out / float(out.std())


def _propagate(scene: _Scene, dry: Samples, distance_m: float) -> Samples:
    """Let the voice arrive: duller with `distance_m`, and with more of the place's echo."""
    echo_s = _between((0.15, 1.2), scene.who.random())
    open_m = _between((8, 80), scene.who.random())
    tail = np.linspace(0, 1, int(echo_s * scene.sample_rate), dtype=np.float32)
    response = scene.who.standard_normal(len(tail), dtype=np.float32) * np.exp(-6.9 * tail)
    response *= distance_m / open_m / np.sqrt(np.sum(response**2))
    response[0] += 1
    n = fft.next_fast_len(scene.n_samples + len(tail), real=True)
    f_khz = fft.rfftfreq(n, 1000 / scene.sample_rate).astype(np.float32)
    air_db = distance_m * (0.003 * f_khz + 0.02) * f_khz
    gain = np.exp(np.float32(-np.log(10) / 20) * air_db)
    spectrum = fft.rfft(dry.astype(np.float32), n) * fft.rfft(response, n) * gain
    wet: Samples = fft.irfft(spectrum, n)[: scene.n_samples]
    return wet


def _loudness(audio: Samples, sample_rate: int) -> float:
    """RMS of the loud frames, so that the pauses between calls do not count."""
    frame = sample_rate // 50
    frames = audio[: len(audio) // frame * frame].reshape(-1, frame)
    return float(np.sqrt(np.quantile(np.mean(frames**2, axis=1), 0.9)) + 1e-9)


def _record(label: str, scene: _Scene) -> NDArray[np.float32]:
    """Voice and surroundings, through a recorder of drawn bandwidth and gain."""
    who = scene.who
    distance_m, snr_db = _between((1, 80), who.random()), who.normal(11, 8)
    low_hz, high_hz = _between((30, 200), who.random()), _between((3000, 11_000), who.random())
    peak = who.uniform(0.1, 0.95)
    audio = _surroundings(scene)
    if label != BACKGROUND:
        dry = _bout(_SPECIES[label], scene) if label in _SPECIES else _insects(scene)
        voice = _propagate(scene, dry, distance_m)
        audio += voice * 10 ** (snr_db / 20) / _loudness(voice, scene.sample_rate)
    band = (low_hz, min(high_hz, 0.48 * scene.sample_rate))
    sos = signal.butter(2, band, "bandpass", fs=scene.sample_rate, output="sos")
    audio = signal.sosfilt(sos, audio)
    return np.asarray(audio * peak / np.abs(audio).max(), dtype=np.float32)


def synthesise(
    label: str, rng: np.random.Generator, *, duration_s: float, sample_rate: int = 32_000
) -> NDArray[np.float32]:
    """Record a new individual in a new place.

    Parameters
    ----------
    label : str
        One of `CLASSES`, or `BACKGROUND` for the place alone.
    rng : numpy.random.Generator
        What everything is drawn from.
    duration_s : float
        Length in seconds, at least 0.5.
    sample_rate : int
        In Hz, at least 16000.

    Returns
    -------
    numpy.ndarray
        float32, shape (round(duration_s * sample_rate),), peak below 1.

    Raises
    ------
    ParameterError
        If the label is unknown, or the duration or the sample rate is too small.

    Examples
    --------
    >>> synthesise("cow", np.random.default_rng(0), duration_s=3.0).shape
    (96000,)
    """
    if label != BACKGROUND and label not in CLASSES:
        known = ", ".join((*CLASSES, BACKGROUND))
        raise ParameterError(f"label {label!r} is not one of {known}")
    if not duration_s >= _MIN_DURATION_S:
        raise ParameterError(f"duration_s is {duration_s}; it must be at least {_MIN_DURATION_S}")
    if sample_rate < _MIN_RATE_HZ:
        raise ParameterError(f"sample_rate is {sample_rate}; it must be at least {_MIN_RATE_HZ} Hz")
    return _record(label, _Scene(rng, rng, round(duration_s * sample_rate), sample_rate))


def recordings(
    n_clips: int,
    *,
    seed: int = 42,
    background_share: float = 0.1,
    n_folds: int = 5,
    sample_rate: int = 32_000,
) -> Iterator[Recording]:
    """Stream a corpus, one recording in memory at a time.

    About a quarter of the individuals have two recordings: the same animal in the same place,
    with other calls. A recording depends on the seed, the individual and which of its
    recordings it is alone, so that a smaller corpus is a part of a larger one.

    Parameters
    ----------
    n_clips : int
        Number of recordings, of 3 to 5 s; the classes follow each other in turn.
    seed : int
        Not negative; the same seed gives the same samples.
    background_share : float
        Share of the recordings without an animal, in [0, 1].
    n_folds : int
        Number of folds; each gets as many recordings of a class as any other, to within two.
    sample_rate : int
        In Hz, at least 16000.

    Yields
    ------
    Recording
        The next recording.

    Raises
    ------
    ParameterError
        If a value is out of its range.
    """
    if n_clips < 0 or seed < 0 or n_folds < 1:
        raise ParameterError("n_clips and seed must not be negative, n_folds must be positive")
    if not 0 <= background_share <= 1:
        raise ParameterError(f"background_share is {background_share}; it must be in [0, 1]")
    if sample_rate < _MIN_RATE_HZ:
        raise ParameterError(f"sample_rate is {sample_rate}; it must be at least {_MIN_RATE_HZ} Hz")
    n_background = round(n_clips * background_share)
    n_animals = n_clips - n_background
    counts = [(n_animals - i + len(CLASSES) - 1) // len(CLASSES) for i in range(len(CLASSES))]
    plans = [
        _plan(label, count, kind, n_folds)
        for kind, (label, count) in enumerate(
            zip((*CLASSES, BACKGROUND), (*counts, n_background), strict=True)
        )
    ]
    return (_draw(slot, seed, sample_rate) for slot in heapq.merge(*plans))


@dataclass(frozen=True, order=True)
class _Slot:
    """Which recording comes next: `turn` in [0, 1] orders the classes' recordings among all."""

    turn: float
    kind: int
    number: int
    individual: int
    place: int
    fold: int
    label: str


def _plan(label: str, n_clips: int, kind: int, n_folds: int) -> Iterator[_Slot]:
    """Deal a class's recordings to individuals, and each individual to the emptiest fold."""
    filled = [0] * n_folds
    number = individual = 0
    while number < n_clips:
        fold = min(range(n_folds), key=lambda f: (filled[f], (f - kind) % n_folds))
        for place in range(2 if individual % _PAIR_EVERY == 1 else 1):
            if number < n_clips:
                turn = (number + 0.5) / n_clips
                yield _Slot(turn, kind, number, individual, place, fold + 1, label)
            filled[fold] += 1
            number += 1
        individual += 1


def _draw(slot: _Slot, seed: int, sample_rate: int) -> Recording:
    """Record one slot of the plan."""
    who = np.random.default_rng([seed, slot.kind, slot.individual])
    now = np.random.default_rng([seed, slot.kind, slot.individual, slot.place + 1])
    n_samples = round((3 + 2 * now.random() ** 2) * sample_rate)
    return Recording(
        name=f"{slot.label}-{slot.number:04d}.ogg",
        label=slot.label,
        fold=slot.fold,
        group=f"{slot.label}-{slot.individual:04d}",
        sample_rate=sample_rate,
        audio=_record(slot.label, _Scene(who, now, n_samples, sample_rate)),
    )
