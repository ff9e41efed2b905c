"""Recordings that are shorter than a window of a backbone: one window, as if it went on in silence.

Of a network that heard short recordings repeated, it goes on with what the recording holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from faunashot.backbones.base import BACKBONES
from faunashot.frontends.base import FrontEnd

MARKED = "whisper"
"""Whisper's front ends mark where the recording ends, so that silence after it does not count."""


@pytest.fixture
def front_end(request: pytest.FixtureRequest) -> FrontEnd:
    kind: Any = BACKBONES[request.param]
    if request.param == "birdnet":  # it has constants of the published graph
        made: FrontEnd = request.getfixturevalue("birdnet").front_end
        return made
    return kind.front_end_class(hop_s=kind.Options.read({}, key="").hop_s)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.6])
@pytest.mark.parametrize("front_end", BACKBONES, indirect=True)
def test_it_is_one_window_that_is_filled_up(front_end: FrontEnd, share: float) -> None:
    n = max(1, round(share * front_end.window_samples))
    clip = np.random.default_rng(0).normal(0, 0.1, n).astype(np.float32)
    inputs = front_end(clip)
    assert inputs.shape == (1, *front_end.shape)
    assert np.isfinite(inputs).all()
    if MARKED not in front_end.name:
        repeats = getattr(front_end, "padding", "zeros") == "repeat"
        filled = np.tile(clip, front_end.window_samples // n) if repeats else clip
        padded = np.pad(filled, (0, front_end.window_samples - len(filled)))
        np.testing.assert_array_equal(front_end(padded)[:1], inputs)
