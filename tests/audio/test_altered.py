"""Altered copies: what they change and by how much, that they are drawn once, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from faunashot.audio.altered import AlteredCopy, Augmentation, InTurn, Shift
from faunashot.audio.equalise import Equaliser
from faunashot.audio.levels import level_db
from faunashot.errors import ParameterError

RATE = 8_000


def call(seconds: float = 2.0) -> np.ndarray:
    """A tone of 500 Hz over all of it."""
    t = np.arange(round(seconds * RATE)) / RATE
    return (0.2 * np.sin(2 * np.pi * 500 * t)).astype(np.float32)


def test_a_shift_moves_all_and_loses_nothing() -> None:
    samples = np.arange(100, dtype=np.float32)
    later, rate_hz = Shift(0.1)(samples, RATE)
    np.testing.assert_array_equal(later[10:], samples[:90])
    np.testing.assert_array_equal(later[:10], samples[90:])
    np.testing.assert_array_equal(Shift(-0.1)(later, RATE)[0], samples)
    assert rate_hz == RATE


def test_a_long_recording_is_moved_no_further_than_one_of_ten_seconds() -> None:
    samples = np.zeros(60 * RATE, np.float32)
    samples[0] = 1
    assert int(Shift(0.1)(samples, RATE)[0].argmax()) == RATE


def test_a_copy_differs_in_level_alone_where_that_alone_is_asked_for() -> None:
    gains = []
    for number in range(1, 30):
        copy, _ = AlteredCopy(number, gain_db=6.0, shift=0.0, snr_db=())(call(), RATE)
        gains.append(level_db(copy) - level_db(call()))
        np.testing.assert_allclose(copy, call() * 10 ** (gains[-1] / 20), atol=1e-6)
    assert -6 <= min(gains) < -3
    assert 3 < max(gains) <= 6


def test_noise_lies_as_far_below_the_sound_as_is_asked_for() -> None:
    for number in range(1, 20):
        copy, _ = AlteredCopy(number, gain_db=0.0, shift=0.0, snr_db=(10.0, 25.0))(call(), RATE)
        scale = np.dot(copy, call()) / np.dot(call(), call())  # what would clip is fainter
        noise = copy / scale - call()
        assert 9.8 < level_db(call()) - level_db(noise) < 25.2


def test_a_copy_is_drawn_from_the_recording_and_its_number() -> None:
    first, second = (AlteredCopy(n, 6.0, 0.1, (10.0, 25.0)) for n in (1, 2))
    np.testing.assert_array_equal(first(call(), RATE)[0], first(call(), RATE)[0])
    assert not np.array_equal(first(call(), RATE)[0], second(call(), RATE)[0])
    assert first.facts() != second.facts()
    assert json.loads(json.dumps(first.facts())) != {}


def test_what_is_loud_does_not_clip_and_what_is_silent_stays_so() -> None:
    loud, silent = 4.9 * call(), np.zeros(100, np.float32)
    for number in range(1, 9):
        copy, _ = AlteredCopy(number, 20.0, 0.1, (10.0, 10.0))(loud, RATE)
        assert copy.dtype == np.float32
        assert np.abs(copy).max() <= 1
        assert not AlteredCopy(number, 20.0, 0.1, (10.0, 10.0))(silent, RATE)[0].any()


def test_one_thing_is_done_after_the_other() -> None:
    both = InTurn(Equaliser(), Shift(0.1))
    equalised, rate_hz = Equaliser()(call(), RATE)
    samples, found_hz = both(call(), RATE)
    np.testing.assert_array_equal(samples, np.roll(equalised, round(0.1 * len(equalised))))
    assert found_hz == rate_hz != RATE
    assert both.facts() == {"in_turn": [Equaliser().facts(), Shift(0.1).facts()]}


def test_nothing_is_made_unless_it_is_asked_for() -> None:
    assert Augmentation().altered == Augmentation().shifted == {}


def test_shifts_lie_evenly_to_both_sides() -> None:
    def shares(n: int) -> list[float]:
        made = Augmentation(tta_shifts=n, shift=0.1).shifted
        assert list(made) == [f"shift_{at}" for at in range(1, n + 1)]
        return [shift.share for shift in made.values()]

    assert shares(1) == [0.1]
    assert shares(2) == [0.1, -0.1]
    assert shares(4) == [0.05, -0.05, 0.1, -0.1]


def test_parameters_are_in_the_place_of_what_the_system_has() -> None:
    found = Augmentation.of({"copies": 3, "tta_shifts": 2}, {"copies": 0, "shift": 0.2})
    assert (found.copies, found.tta_shifts, found.shift, found.gain_db) == (0, 2, 0.2, 6.0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"copy": 1}, r"augment\.copy'; did you mean 'augment\.copies'"),
        ({"copies": -1}, r"augment\.copies: .* got -1"),
        ({"tta_shifts": 99}, r"augment\.tta_shifts: .* got 99"),
        ({"snr_db": [25, 10]}, r"augment\.snr_db: needs the least and the most.* got \[25.0, 10.0"),
        ({"snr_db": [10]}, r"augment\.snr_db: needs the least and the most"),
        ({"tta_shifts": 2, "shift": 0}, r"augment\.tta_shifts: .* need augment\.shift above 0"),
        ({"copies": 1, "shift": 0, "gain_db": 0, "snr_db": []}, r"augment\.copies: .* as the clip"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(given: dict, told: str) -> None:
    with pytest.raises(ParameterError, match=told) as caught:
        Augmentation.of({}, given)
    assert "\n" not in str(caught.value)
