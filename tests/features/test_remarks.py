"""What a network cannot hear is said, though the features of it look fine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.audio.resample import resample
from faunashot.features.extract import embed_clips
from faunashot.features.extractors import extractor
from faunashot.features.remarks import ALIKE, of_band, of_recording, of_windows, summed_up

RATE = 8_000
"""Of `tiny`, which listens up to 4 kHz, so that 1.2 kHz is far below."""

NARROW = "there is nothing above 1.2 kHz, though tiny listens up to 4 kHz"


def noise(seconds: float, rate_hz: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(0, 0.1, round(seconds * rate_hz)).astype(np.float32)


@pytest.mark.parametrize(
    ("hz", "said"),
    [(4_000, None), (1_200, None), (1_100, NARROW), (0, "nothing is louder than rounding to 16")],
)
def test_a_band_that_ends_far_below_the_networks_is_said(hz, said, tiny) -> None:
    found = of_band(hz, tiny)
    assert found == said or str(found).startswith(str(said))


TELEPHONE = noise(3)


@pytest.mark.parametrize(
    ("samples", "rate_hz", "ends"),
    [
        (noise(3, 32_000), 32_000, False),
        (noise(3, 44_100), 44_100, False),
        (TELEPHONE, RATE, True),
        (resample(TELEPHONE, RATE, to_hz=44_100), 44_100, True),  # whatever its header says
        (np.stack([resample(TELEPHONE, RATE, to_hz=48_000)] * 2, axis=1), 48_000, True),
    ],
)
def test_the_band_is_that_of_the_sound(samples, rate_hz, ends, tmp_path: Path) -> None:
    file, network = tmp_path / "a.wav", extractor("logmel_stats")
    sf.write(file, samples, rate_hz)
    for source in (file, file.read_bytes()):
        said = of_recording(source, network)
        assert (said is not None and said.startswith("there is nothing above 4.8 kHz")) == ends


def test_what_cannot_be_read_is_said_elsewhere(tiny, tmp_path: Path) -> None:
    assert of_recording(tmp_path / "none.wav", tiny) is None


def test_windows_that_all_come_out_the_same_are_said(tiny, tmp_path: Path) -> None:
    hum = np.tile(noise(0.25), 40)  # which repeats at every hop
    sounds = {"hum": hum, "noise": noise(10), "short": noise(0.4)}
    sounds["ends alike"] = np.concatenate([hum, noise(3), hum])
    for name, samples in sounds.items():
        sf.write(tmp_path / f"{name}.wav", samples, RATE)
    # a whole number of hops: the last window is not padded
    features = embed_clips([(name, tmp_path / f"{name}.wav") for name in sounds], tiny)
    assert of_windows(features) == [("hum", ALIKE)]


def test_a_line_a_kind_says_how_many() -> None:
    remarks = [("a", "x"), ("b", None), ("c", "x"), ("a", "y")]
    assert summed_up(remarks, total=3) == [
        "2 of 3 recordings: x; the first is a",
        "1 of 3 recordings: y; the first is a",
    ]
