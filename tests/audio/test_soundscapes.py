"""Synthetic soundscapes: which animals are in a clip, and that groups and seeds hold."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from faunashot.audio.soundscapes import soundscapes
from faunashot.audio.synth import CLASSES, Recorder, Recording
from faunashot.errors import ParameterError

RATE = 16_000


@pytest.fixture(scope="module")
def corpus() -> list[Recording]:
    return list(soundscapes(4, sample_rate=RATE))


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the sound, which takes the time."""

    def nothing(*_: object) -> np.ndarray:
        return np.ones(1)

    for name in ("surroundings", "arriving", "Recorder.__call__"):
        monkeypatch.setattr(f"faunashot.audio.soundscapes.{name}", nothing)


def test_samples_are_finite_and_the_same_for_a_seed(corpus: list[Recording]) -> None:
    for made, again in zip(corpus[:2], soundscapes(2, sample_rate=RATE), strict=True):
        assert made.audio.dtype == np.float32
        assert made.audio.shape == (4 * RATE,)
        assert 0.01 < np.abs(made.audio).max() < 1
        np.testing.assert_array_equal(made.audio, again.audio)
        assert (made.label, made.group, made.fold) == (again.label, again.group, again.fold)


def test_a_place_that_was_recorded_twice_has_its_animals_with_other_calls(
    corpus: list[Recording],
) -> None:
    of_place = defaultdict(list)
    for made in corpus:
        of_place[made.group].append(made)
    twice = [pair for pair in of_place.values() if len(pair) == 2]
    assert twice
    for one, other in twice:
        assert (one.label, one.fold) == (other.label, other.fold)
        assert not np.array_equal(one.audio, other.audio)


def test_clips_have_none_to_three_animals_and_some_classes_are_rarer(silent: None) -> None:
    made = list(soundscapes(600, sample_rate=RATE))
    named = [tuple(filter(None, one.label.split(";"))) for one in made]
    share = Counter(map(len, named))
    assert [share[n] / 600 for n in range(4)] == pytest.approx([0.1, 0.4, 0.3, 0.2], abs=0.06)
    times = Counter(name for names in named for name in names)
    assert set(times) == set(CLASSES)
    assert times[CLASSES[0]] > 2 * times[CLASSES[-1]]
    assert set(Counter(one.fold for one in made)) == {1, 2, 3, 4, 5}
    assert len({one.name for one in made}) == 600


def test_which_animals_there_are_does_not_say_what_the_recorder_is(
    monkeypatch: pytest.MonkeyPatch, silent: None
) -> None:
    peaks = []
    drawn = Recorder.drawn

    def noted(who: np.random.Generator) -> Recorder:
        peaks.append(drawn(who))
        return peaks[-1]

    monkeypatch.setattr(Recorder, "drawn", noted)
    n = [len(one.label.split(";")) for one in soundscapes(400, sample_rate=RATE)]
    for of_recorder in np.transpose(peaks):
        assert abs(np.corrcoef(of_recorder, n)[0, 1]) < 0.15


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ParameterError, match="must not be negative"):
        next(soundscapes(-1))
    with pytest.raises(ParameterError, match=r"'cwo'.*did you mean 'cow'"):
        next(soundscapes(1, classes=["dog", "cat", "cwo"]))
    with pytest.raises(ParameterError, match="classes: 2; a recording has up to three animals"):
        next(soundscapes(1, classes=["dog", "cat", "dog"]))
