"""Copies are found whatever was done to them, and nothing else is."""

from __future__ import annotations

import operator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from faunashot.audio.fingerprint import Landmarks, Samples
from faunashot.audio.resample import resample
from faunashot.audio.synth import CLASSES, synthesise
from faunashot.data import near_duplicates as module
from faunashot.data.external_sort import ExternalSort
from faunashot.data.near_duplicates import (
    CROWD,
    LARGE,
    MOST_CANDIDATES,
    candidates,
    fewest_anchors,
    near_duplicates,
)
from faunashot.errors import AudioError

RATE = 22_050
LABELS = CLASSES[:8]


def _write(file: Path, samples: np.ndarray, rate: int = RATE, **options: object) -> None:
    sf.write(file, samples, rate, **options)


def _resampled(file: Path, samples: np.ndarray) -> None:
    _write(file, resample(samples, RATE, to_hz=12_000), 12_000)


def _beside_another(file: Path, samples: np.ndarray) -> None:
    rng = np.random.default_rng([99, int(file.stem)])
    other = synthesise("sheep", rng, duration_s=2, sample_rate=RATE)
    _write(file, np.concatenate([other, samples]))


def _noisy(file: Path, samples: np.ndarray) -> None:
    hiss = np.random.default_rng(5).standard_normal(len(samples))
    _write(file, samples + 10 ** (-30 / 20) * samples.std() * hiss)


COPIES = {
    "mp3": lambda file, x: _write(file, x, format="MP3"),
    "ogg": lambda file, x: _write(file, x, format="OGG", compression_level=0.9),
    "gain": lambda file, x: _write(file, 10 ** (-12 / 20) * x),
    "inverted": lambda file, x: _write(file, -x),
    "8 bit": lambda file, x: _write(file, x, subtype="PCM_U8"),
    "resampled": _resampled,
    "cut": lambda file, x: _write(file, x[RATE // 2 + 7 : 2 * RATE]),
    "noise": _noisy,
    "stereo": lambda file, x: _write(file, np.stack([x, 0.5 * x], axis=1)),
    "looped": lambda file, x: _write(file, np.tile(x, 3)),
    "contained": _beside_another,
    "padded": lambda file, x: _write(file, np.pad(x, (2 * RATE, RATE))),
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory) -> list[Path]:
    """A recording of each of eight species."""
    folder = tmp_path_factory.mktemp("originals")
    for number, label in enumerate(LABELS):
        rng = np.random.default_rng(number)
        samples = synthesise(label, rng, duration_s=2.5, sample_rate=RATE)
        _write(folder / f"{number}.wav", samples)
    return sorted(folder.iterdir())


@pytest.mark.parametrize("kind", COPIES)
def test_a_copy_is_found_and_nothing_else(originals, tmp_path, kind):
    copies = []
    for file in originals[:3]:
        copies.append(tmp_path / f"{file.stem}.bin")
        COPIES[kind](copies[-1].with_suffix(".wav"), sf.read(file)[0])
        copies[-1].with_suffix(".wav").rename(copies[-1])
    found = near_duplicates([*originals, *copies])
    assert [(pair.first, pair.second) for pair in found] == [(0, 8), (1, 9), (2, 10)]
    assert all(abs(pair.correlation) > 0.8 for pair in found)


def test_offset_is_where_the_second_begins_in_the_first(originals, tmp_path):
    samples, rate = sf.read(originals[0])
    _write(tmp_path / "cut.wav", samples[rate:])
    (pair,) = near_duplicates([originals[0], tmp_path / "cut.wav"])
    assert pair.offset_s == pytest.approx(1, abs=1e-3)
    assert pair.common_s == pytest.approx(1.5, abs=0.1)
    (turned,) = near_duplicates([tmp_path / "cut.wav", originals[0]])
    assert turned.offset_s == pytest.approx(-1, abs=1e-3)


def test_a_short_clip_is_found(originals, tmp_path):
    samples, rate = sf.read(originals[0])
    loudest = int(np.abs(samples).argmax())
    start = min(max(loudest - rate // 10, 0), len(samples) - rate // 4)
    _write(tmp_path / "short.wav", samples[start : start + rate // 4])
    (pair,) = near_duplicates([originals[0], tmp_path / "short.wav"])
    assert pair.offset_s == pytest.approx(start / rate, abs=1e-3)


def test_the_same_hum_in_every_recording_makes_no_pair(tmp_path):
    t = np.arange(2 * RATE) / RATE
    hum = sum(0.2 / k * np.sin(2 * np.pi * 50 * k * t) for k in range(1, 8))
    files = [tmp_path / f"{number:02}.wav" for number in range(30)]
    for number, file in enumerate(files):
        hiss = np.random.default_rng(number).standard_normal(len(t))
        _write(file, np.roll(hum, 37 * number) + 0.02 * hiss)
    assert near_duplicates(files) == []


def test_of_nothing_there_is_nothing():
    assert near_duplicates([]) == []


def test_silence_is_like_nothing(tmp_path):
    for name in "ab":
        _write(tmp_path / f"{name}.wav", np.zeros(RATE))
    assert near_duplicates(sorted(tmp_path.iterdir())) == []


def test_a_file_that_cannot_be_decoded_is_named(originals, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(AudioError, match=r"broken\.wav: "):
        near_duplicates([originals[0], tmp_path / "broken.wav"])


def test_every_file_is_counted_once(originals, monkeypatch):
    counted = {}

    @contextmanager
    def progress(title, *, total):
        counted[title] = [0, total]
        yield lambda: operator.setitem(counted[title], 0, counted[title][0] + 1)

    monkeypatch.setattr("faunashot.progress.progress", progress)
    near_duplicates(originals)
    assert counted["looking for copies"] == [len(originals)] * 2


def _marked(*keys: int) -> Landmarks:
    values = np.array(sorted(keys), dtype=np.int64)
    return Landmarks(values, np.arange(len(values), dtype=np.int32))


@pytest.mark.parametrize("n", [100, 400])
def test_keys_that_all_share_cost_in_proportion(n):
    found = candidates([_marked(*range(20)) for _ in range(n)])
    assert len(found) <= 2 * MOST_CANDIDATES * n
    edges = coo_matrix((np.ones(len(found)), (found["first"], found["second"])), shape=(n, n))
    assert connected_components(edges, directed=False)[0] == 1


def test_a_pair_is_found_among_many_that_share_a_few_keys():
    crowd = [_marked(*range(5), 1000 + number) for number in range(200)]
    crowd[17] = _marked(*range(5), 7000, 7001, 7002)
    crowd[180] = _marked(*range(5), 7000, 7001, 7002)
    found = candidates(crowd)
    assert ((found["first"] == 17) & (found["second"] == 180)).any()


def test_keys_at_different_offsets_do_not_add_up():
    one = Landmarks(np.arange(5), np.arange(5, dtype=np.int32))
    other = Landmarks(np.arange(5), np.arange(0, 50, 10, dtype=np.int32))
    assert candidates([one, other]).empty


def _random(n: int, *, seed: int = 0) -> list[Landmarks]:
    """Recordings of 60 keys, of which several share many at one offset, and some none."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        keys = np.unique(rng.integers(2000, size=60))
        late = rng.integers(3, dtype=np.int32)
        found.append(Landmarks(keys, (keys % 97 + late).astype(np.int32)))
    return found


def test_candidates_are_the_same_on_disk_as_in_memory(monkeypatch):
    in_memory = candidates(_random(60))
    monkeypatch.setattr(module, "ExternalSort", partial(ExternalSort, rows=300))
    assert len(in_memory) > 100
    pd.testing.assert_frame_equal(candidates(_random(60)), in_memory)


def test_of_keys_in_very_many_only_some_pairs_are_looked_at(monkeypatch):
    monkeypatch.setattr(module, "ROWS", 1000)
    rows = np.zeros(5000, dtype=module._LANDMARK)
    rows["recording"] = np.arange(5000)
    assert sum(len(match["key"]) for match in module._matches(rows)) <= 3 * len(rows)


def _with_weak_pairs(n: int) -> list[Landmarks]:
    """Recordings of which each two share two keys, and the first and last three, far apart."""
    crowd = [_marked(10 * (i // 2), 10 * (i // 2) + 1, 10**6 + 10 * i) for i in range(n)]
    for i in (0, n - 1):
        keys = np.concatenate([crowd[i].keys, 10**7 + np.arange(3)])
        crowd[i] = Landmarks(keys, np.array([0, 1, 2, 100, 200, 300], dtype=np.int32))
    return crowd


def _pairs(found: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(found["first"], found["second"], strict=True))


def test_of_few_recordings_weak_candidates_are_compared():
    n = LARGE - 2
    pairs = [*((i, i + 1) for i in range(0, n, 2)), (0, n - 1)]
    assert _pairs(candidates(_with_weak_pairs(n))) == sorted(pairs)


def test_of_many_a_crowd_of_weak_candidates_is_left_out_and_no_other():
    n = 2 * CROWD + 2
    assert n >= LARGE
    assert _pairs(candidates(_with_weak_pairs(n))) == [(0, n - 1)]


@pytest.mark.parametrize(
    ("counts", "n", "fewest"),
    [
        ({2: 5400, 3: 50_000, 4: 1300, 5: 40}, 100_000, 4),
        ({2: 5400, 3: 5000, 4: 1300, 5: 40}, 110_000, 1),  # fewer than one in 20 recordings
        ({2: 5400, 3: 5000, 4: 4000, 5: 3500}, 20_000, 1),  # as many are strong: they are copies
        ({5: 50_000}, 100_000, 1),
        ({2: 50_000}, LARGE - 1, 1),
        ({}, 100_000, 1),
    ],
)
def test_a_crowd_has_to_be_one(counts, n, fewest):
    anchors = pd.Series(np.repeat(list(counts), list(counts.values())), dtype=int)
    assert fewest_anchors(anchors, n=n) == fewest


FAINT = {
    **COPIES,
    "20 dB over hiss": lambda file, x: _write(file, x + 0.1 * x.std() * _hiss(file, len(x))),
    "10 dB over hiss": lambda file, x: _write(file, x + 0.3 * x.std() * _hiss(file, len(x))),
    "40 dB quieter": lambda file, x: _write(file, 0.01 * x),
    "a quarter of a second": lambda file, x: _write(file, _loudest(x, RATE // 4)),
    "half a second of a bad MP3": lambda file, x: _write(
        file, 0.1 * _loudest(x, RATE // 2), format="MP3", compression_level=0.99
    ),
}


def _hiss(file: Path, n: int) -> np.ndarray:
    return np.random.default_rng([7, int(file.stem)]).standard_normal(n)


def _loudest(samples: np.ndarray, n: int) -> np.ndarray:
    start = min(max(int(np.abs(samples).argmax()) - n // 3, 0), len(samples) - n)
    return samples[start : start + n]


def _crowd(number: int) -> Samples:
    """Half a second of noise of some colour below 2.4 kHz, so that peaks agree by chance."""
    rng = np.random.default_rng([3, number])
    colour = np.interp(np.arange(4001), np.linspace(0, 1200, 16), rng.gamma(0.5, size=16), right=0)
    sound = np.fft.irfft(colour * rng.standard_normal(8002).view(np.complex128))
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.mark.slow
def test_faint_copies_are_found_in_a_crowd_of_which_chance_is_left_out(monkeypatch, tmp_path):
    """Of 10,000 recordings, over a thousand pairs share landmarks by chance."""
    n, planted = 10_000, []
    for number, kind in enumerate(kind for kind in FAINT for _ in range(2)):
        rng = np.random.default_rng([11, number])
        label = CLASSES[number % len(CLASSES)]
        samples = synthesise(label, rng, duration_s=2.5, sample_rate=RATE)
        planted += [tmp_path / f"{2 * number}.wav", tmp_path / f"{2 * number + 1}.wav"]
        _write(planted[-2], samples)
        FAINT[kind](planted[-1], samples)
    files = [Path(f"crowd/{number}") for number in range(n - len(planted))]
    places = np.random.default_rng(0).permutation(n)[: len(planted)]
    for place, file in zip(np.sort(places), planted, strict=True):
        files.insert(place, file)
    decoded, fewest = module._samples, []

    def samples_of(file: Path) -> Samples:
        return _crowd(int(file.name)) if file.parent.name == "crowd" else decoded(file)

    def counted(anchors: pd.Series, *, n: int) -> int:
        fewest.append(fewest_anchors(anchors, n=n))
        return fewest[-1]

    monkeypatch.setattr(module, "_samples", samples_of)
    monkeypatch.setattr(module, "fewest_anchors", counted)
    found = [(files[pair.first].stem, files[pair.second].stem) for pair in near_duplicates(files)]
    assert fewest[0] > 1
    assert found == [(one.stem, other.stem) for one, other in list(pairwise(planted))[::2]]
