"""Copies are found whatever was done to them, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from faunashot.audio.fingerprint import Landmarks
from faunashot.audio.resample import resample
from faunashot.audio.synth import CLASSES, synthesise
from faunashot.data.near_duplicates import (
    MOST_CANDIDATES,
    candidates,
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


def test_every_file_is_told_once(originals):
    seen: list[Path] = []
    near_duplicates(originals, on_file=seen.append)
    assert sorted(seen) == originals


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
