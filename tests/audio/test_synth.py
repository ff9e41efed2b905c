"""The synthetic corpus: what it promises of its samples, its folds and its independence."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import islice

import numpy as np
import pytest

from faunashot.audio.synth import BACKGROUND, CLASSES, Recording, recordings, synthesise
from faunashot.errors import ParameterError

SAMPLE_RATE = 16_000


@pytest.fixture(scope="module")
def corpus() -> list[Recording]:
    return list(recordings(60, sample_rate=SAMPLE_RATE))


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the plan of the corpus and skip the sound, which takes the time."""
    monkeypatch.setattr("faunashot.audio.synth._record", lambda *_: np.zeros(1, dtype=np.float32))


def centroid_hz(audio: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(audio)) ** 2
    return float(np.average(np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE), weights=power))


@pytest.mark.parametrize("label", [*CLASSES, BACKGROUND])
def test_samples_are_finite_float32_below_full_scale(label: str) -> None:
    audio = synthesise(label, np.random.default_rng(3), duration_s=1.5)
    assert audio.shape == (48_000,)
    assert audio.dtype == np.float32
    assert np.isfinite(audio).all()
    assert 0.01 < np.abs(audio).max() < 1


@pytest.mark.parametrize("label", CLASSES)
def test_same_seed_same_samples_and_other_individual_other_samples(label: str) -> None:
    rng = np.random.default_rng(5)
    first = synthesise(label, rng, duration_s=1, sample_rate=SAMPLE_RATE)
    second = synthesise(label, rng, duration_s=1, sample_rate=SAMPLE_RATE)
    again = synthesise(label, np.random.default_rng(5), duration_s=1, sample_rate=SAMPLE_RATE)
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.5


@pytest.mark.parametrize(
    ("label", "changes"),
    [
        ("unicorn", {}),
        ("dog", {"duration_s": 0.1}),
        ("dog", {"duration_s": float("nan")}),
        ("dog", {"sample_rate": 8000}),
    ],
)
def test_synthesise_refuses_what_it_cannot_make(label: str, changes: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=label if label == "unicorn" else next(iter(changes))):
        synthesise(label, np.random.default_rng(0), **({"duration_s": 1.0} | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"n_clips": -1},
        {"seed": -1},
        {"n_folds": 0},
        {"background_share": 1.5},
        {"sample_rate": 8000},
    ],
)
def test_recordings_refuse_at_the_call(changes: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=next(iter(changes))):
        recordings(**({"n_clips": 10} | changes))


def test_recordings_are_as_described(corpus: list[Recording]) -> None:
    names = [recording.name for recording in corpus]
    assert len(set(names)) == len(corpus) == 60
    assert all(name.isascii() and name.endswith(".ogg") for name in names)
    for recording in corpus:
        assert recording.sample_rate == SAMPLE_RATE
        assert 3 <= len(recording.audio) / SAMPLE_RATE <= 5
        assert recording.audio.dtype == np.float32
        assert np.abs(recording.audio).max() < 1


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize(("n_clips", "n_folds"), [(200, 5), (60, 5), (333, 4), (97, 3)])
def test_classes_and_folds_are_balanced(n_clips: int, n_folds: int) -> None:
    per_class, per_fold = Counter(), defaultdict(Counter)
    for recording in recordings(n_clips, n_folds=n_folds):
        per_class[recording.label] += 1
        per_fold[recording.label][recording.fold] += 1
    animals = [per_class[label] for label in CLASSES]
    assert sum(per_class.values()) == n_clips
    assert per_class[BACKGROUND] == round(n_clips / 10)
    assert max(animals) - min(animals) <= 1
    for counts in per_fold.values():
        folds = [counts[fold] for fold in range(1, n_folds + 1)]
        assert sum(folds) == sum(counts.values())
        assert max(folds) - min(folds) <= 2


@pytest.mark.usefixtures("silent")
def test_groups_are_single_or_pairs_within_a_fold() -> None:
    groups = defaultdict(list)
    for recording in recordings(200):
        groups[recording.group].append(recording)
    for members in groups.values():
        assert len(members) <= 2
        assert len({(member.fold, member.label) for member in members}) == 1
    pairs = sum(len(members) == 2 for members in groups.values())
    assert 0.15 < pairs / len(groups) < 0.35


def test_a_pair_holds_two_takes(corpus: list[Recording]) -> None:
    groups = defaultdict(list)
    for recording in corpus:
        groups[recording.group].append(recording.audio)
    pairs = [members for members in groups.values() if len(members) == 2]
    assert pairs
    for one, other in pairs:
        n = min(len(one), len(other))
        assert abs(np.corrcoef(one[:n], other[:n])[0, 1]) < 0.5


def test_a_recording_does_not_depend_on_the_size_of_the_corpus(corpus: list[Recording]) -> None:
    by_name = {recording.name: recording for recording in corpus}
    larger = islice(recordings(200, sample_rate=SAMPLE_RATE), 30)
    shared = [recording for recording in larger if recording.name in by_name]
    assert len(shared) >= 25
    for recording in shared:
        smaller = by_name[recording.name]
        assert (recording.group, recording.fold) == (smaller.group, smaller.fold)
        np.testing.assert_array_equal(recording.audio, smaller.audio)


def test_another_seed_gives_another_corpus(corpus: list[Recording]) -> None:
    for one, other in zip(corpus, recordings(3, seed=7, sample_rate=SAMPLE_RATE), strict=False):
        assert not np.array_equal(one.audio, other.audio)


def test_streams() -> None:
    endless = recordings(10**9, sample_rate=SAMPLE_RATE)
    assert len({recording.name for recording in islice(endless, 3)}) == 3


def test_insects_are_shriller_than_cows_and_cows_lower_than_hens() -> None:
    rng = np.random.default_rng(11)
    median = {
        label: np.median(
            [
                centroid_hz(synthesise(label, rng, duration_s=2, sample_rate=SAMPLE_RATE))
                for _ in range(12)
            ]
        )
        for label in ("insects", "cow", "hen")
    }
    assert median["insects"] > 2 * median["cow"]
    assert median["hen"] > median["cow"]


def test_calls_stand_out_of_the_background() -> None:
    def unevenness(label: str) -> float:
        rng = np.random.default_rng(13)
        shares = []
        for _ in range(12):
            audio = synthesise(label, rng, duration_s=3, sample_rate=SAMPLE_RATE)
            power = np.mean(audio.reshape(-1, SAMPLE_RATE // 20) ** 2, axis=1)
            shares.append(np.quantile(power, 0.9) / np.quantile(power, 0.1))
        return float(np.median(shares))

    assert unevenness("dog") > 3 * unevenness(BACKGROUND)
