"""What a system sets of its backbone's options and of altered copies, unless params.yaml does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from faunashot.errors import ParameterError
from faunashot.params import Params, load_params

FILE = Path(__file__).parents[2] / "params.yaml"
AUDIOCLIP = {
    "backbone": "audioclip",
    "system": "audioclip-finetune",
    "protocol.name": "fine_tune",
}


def read(**settings: Any) -> Params:
    return load_params(FILE, settings={**AUDIOCLIP, **settings})


def test_a_system_of_a_study_brings_its_own() -> None:
    params = read()
    window = {name: params.options_of("audioclip")[name] for name in ("window_s", "hop_s")}
    assert window == {"window_s": 0.96, "hop_s": 0.48}
    used = params.augmentation
    assert (used.copies, used.tta_shifts, used.snr_db) == (1, 2, (10.0, 25.0))


def test_parameters_say_otherwise() -> None:
    block = {"window_s": 5.0, "hop_s": 5.0}
    params = read(**{"backbones.audioclip": block, "augment.copies": 0, "augment.tta_shifts": 0})
    assert params.options_of("audioclip")["window_s"] == 5.0
    assert not params.augmentation.altered
    assert not params.augmentation.shifted


def test_others_have_none() -> None:
    params = load_params(FILE)
    assert params.augment == {}  # all of it is "default": what the system has
    assert not params.augmentation.altered
    assert not params.augmentation.shifted
    assert params.options_of("audioclip")["window_s"] == 5.0


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("augment.tta_shift", 2, r"augment\.tta_shift'; did you mean 'augment\.tta_shifts'"),
        ("augment.shift", 0, r"augment\.tta_shifts: shifted copies need augment\.shift above 0"),
        ("backbones.audioclip", {"hop_s": 5.0}, "hop_s: a step of 5 s is longer than window_s"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(key: str, value: Any, told: str) -> None:
    with pytest.raises(ParameterError, match=told) as caught:
        read(**{key: value})
    assert "\n" not in str(caught.value)
