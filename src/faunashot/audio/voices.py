"""Voices of synthetic animals: a source, and the resonances that it excites.

Mammals are a glottal pulse train through the resonances of a tube, birds a frequency-modulated
harmonic source through a shorter one, frogs and insects pulses that excite one resonance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import signal

# fmt: off
CLASSES: tuple[str, ...] = (
    "dog", "rooster", "pig", "cow", "frog", "cat", "hen", "insects", "sheep", "crow",
)
# fmt: on

Samples = NDArray[np.floating]
_SPEED_OF_SOUND = 343.0


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
class Scene:
    """`who` draws what is fixed for the individual and its place, `now` what is not."""

    who: np.random.Generator
    now: np.random.Generator
    n_samples: int
    sample_rate: int

    def about(self, value: float, spread: float) -> float:
        """`value` as it comes out this time: log-normal around it."""
        return float(value * np.exp(spread * self.now.standard_normal()))


def between(ends: tuple[float, float], where: float) -> float:
    """Geometric interpolation, as pitches, lengths and rates vary."""
    return float(ends[0] * (ends[1] / ends[0]) ** where)


def knots(values: Sequence[float] | Samples, n: int) -> Samples:
    """Contour of `n` samples through equally spaced `values`."""
    return np.interp(np.linspace(0, len(values) - 1, n), np.arange(len(values)), values)


def swell(n: int, attack: float, release: float) -> Samples:
    """Gain in [0, 1] that rises and falls as a raised cosine within shares of the call."""
    t = np.linspace(0, 1, n)
    edge: Samples = np.clip(np.minimum(t / attack, (1 - t) / release), 0, 1)
    gain: Samples = np.square(np.sin(np.pi / 2 * edge))
    return gain


def pulses(scene: Scene, f0: Samples, *, cutoff_hz: float, jitter: float) -> Samples:
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
    path = np.minimum(np.outer(knots(opening, len(starts)), formants), 0.45 * sample_rate)
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


def _air(scene: Scene, n: int, cutoff_hz: float) -> Samples:
    """Turbulence: noise of unit power that falls by 12 dB an octave above `cutoff_hz`."""
    pole = np.exp(-2 * np.pi * cutoff_hz / scene.sample_rate)
    noise = scene.now.standard_normal(n, dtype=np.float32)
    air = signal.lfilter([1.0], [1, -2 * pole, pole**2], noise)
    return np.asarray(air * np.sqrt((1 - pole**2) ** 3 / (1 + pole**2)))


def _caller(call: _Call, scene: Scene, size: float) -> Callable[[], Samples]:
    """Draw how the individual makes `call`; what is returned makes it once, at unit power."""
    who, now, rate = scene.who, scene.now, scene.sample_rate
    pitch, tract, length, cutoff, breath, jitter, tremor, depth = np.clip(
        [size, size, *who.random(6)] + 0.2 * who.standard_normal(8), 0, 1
    )
    formants = (2 * np.arange(5) + 1) * _SPEED_OF_SOUND / (4 * between(call.tract_m, tract))
    formants *= np.exp(0.15 * who.standard_normal(5))
    contour = np.array(call.contour) * np.exp(0.08 * who.standard_normal(len(call.contour)))

    def once() -> Samples:
        n = max(int(scene.about(between(call.length_s, length), 0.15) * rate), rate // 50)
        bend = np.exp(0.03 * now.standard_normal(len(contour)))
        f0 = scene.about(between(call.pitch_hz, pitch), 0.06) * knots(contour * bend, n)
        f0 *= 1 + 0.02 * knots(now.standard_normal(2 + int(40 * n / rate)), n)
        gain = swell(n, call.attack_s * rate / n, call.release)
        if call.tremor_hz:
            beat = np.sin(2 * np.pi * between(call.tremor_hz, tremor) / rate * np.arange(n))
            f0 *= 1 + 0.05 * depth * beat
            gain *= 1 - (0.2 + 0.6 * depth) * (0.5 + 0.5 * beat)
        cutoff_hz = between(call.cutoff_hz, cutoff)
        source = pulses(scene, f0, cutoff_hz=cutoff_hz, jitter=between(call.jitter, jitter))
        air = _air(scene, n, cutoff_hz) * (0.4 + 0.6 * np.minimum(np.abs(source), 2))
        source += between(call.breath, breath) * air
        opening = np.array(call.opening)
        voice = gain * _resonate(source, formants, opening, q=call.q, sample_rate=rate)
        return voice / float(np.sqrt(np.mean(voice**2)))

    return once


def _bout(species: _Species, scene: Scene) -> Samples:
    """Lay one individual's calls into the recording, with pauses between them."""
    who, now = scene.who, scene.now
    size, gap_s = who.random(), between(species.gap_s, who.random())
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


def _insects(scene: Scene) -> Samples:
    """Chirp as a cricket, a cicada or a bush-cricket."""
    who, now, rate = scene.who, scene.now, scene.sample_rate
    kind, carrier_hz = who.integers(3), between((2600, 7500), who.random())
    pulse_hz, chirp_hz = between((18, 60), who.random()), between((0.8, 4), who.random())
    rasp_hz, duty = between((90, 350), who.random()), who.uniform(0.25, 0.7)
    t = np.arange(scene.n_samples) / rate + now.random()
    chirps = signal.sosfilt(signal.butter(1, 80, fs=rate, output="sos"), (t * chirp_hz) % 1 < duty)
    beats: Samples = np.maximum(np.sin(2 * np.pi * pulse_hz * t), 0) * chirps
    if kind == 0:  # cricket: a tone in beats, the beats in chirps
        return np.sin(2 * np.pi * carrier_hz * t) * beats
    noise: Samples = now.standard_normal(scene.n_samples)
    if kind == 1:  # cicada: the tymbal's clicks, a rasp that swells
        f0 = rasp_hz * (1 + 0.03 * np.sin(2 * np.pi * 0.4 * t))
        noise = 0.2 * noise + pulses(scene, f0, cutoff_hz=4000, jitter=0.04)
        beats = 1 + 0.7 * np.sin(2 * np.pi * 0.3 * chirp_hz * t)
    band = (0.8 * carrier_hz, min(1.5 * carrier_hz, 0.48 * rate))
    sos = signal.butter(2, band, "bandpass", fs=rate, output="sos")
    return np.asarray(beats * signal.sosfilt(sos, noise))


def voice(label: str, scene: Scene) -> Samples:
    """The calls of one individual of class `label`, dry and close, (scene.n_samples,)."""
    return _insects(scene) if label == "insects" else _bout(_SPECIES[label], scene)
