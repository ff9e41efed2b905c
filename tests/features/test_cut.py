"""A long recording in chunks is cut and embedded as if it had been read at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import encoded
import numpy as np
import pytest
import soundfile as sf
from embedding import embed_windows
from hypothesis import given, settings
from hypothesis import strategies as st

import faunashot.audio.decode as decode_module
import faunashot.features.cut as cut_module
from faunashot.audio.decode import Announced, announced
from faunashot.audio.windows import count_windows, split_windows
from faunashot.errors import AudioError
from faunashot.features import store
from faunashot.features.build import store_features
from faunashot.features.cut import WHOLE, ChunkSpan, chunk_spans, cut
from faunashot.features.engine import local
from faunashot.features.extract import embed_clips
from faunashot.features.extractors import extractor, of_front_end
from faunashot.features.plan import Recording, plan
from faunashot.frontends.base import FloatArray
from faunashot.frontends.mel_patches import WINDOW_SAMPLES, MelPatches

CHUNK_S = 4.0
LENGTH_S = 15.3
RATE = 44_100

RESAMPLED = 1e-5
"""Of samples up to 1: single precision in the resampling filter."""

LOSSY = 1e-3
"""Of samples: a chunk's decoder does not begin with the recording, so its first frames differ."""


@pytest.fixture(autouse=True)
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cut_module, "CHUNK_S", CHUNK_S)


def sound(length_s: float, rate_hz: int) -> np.ndarray:
    """A chirp whose pitch says where in the recording it is, in a little noise."""
    t = np.arange(round(length_s * rate_hz)) / rate_hz
    noise = np.random.default_rng(1).normal(0, 0.01, t.size)
    return 0.3 * np.sin(2 * np.pi * (300 + 60 * t) * t) + noise


KINDS: dict[str, tuple[Callable[[Path, np.ndarray, int], Any], float]] = {
    "pcm.wav": (sf.write, RESAMPLED),
    "float.wav": (lambda *args: sf.write(*args, subtype="FLOAT"), RESAMPLED),
    "stereo.wav": (
        lambda path, x, rate: sf.write(path, np.stack([x, -0.5 * x], axis=1), rate),
        RESAMPLED,
    ),
    "a.flac": (sf.write, RESAMPLED),
    "a.ogg": (sf.write, LOSSY),
    "a.mp3": (sf.write, LOSSY),
    "by FFmpeg.mp3": (encoded.write, LOSSY),
    "a.m4a": (encoded.write, LOSSY),
    "a.opus": (encoded.write, LOSSY),
    "a.webm": (encoded.write, LOSSY),
    "a.mka": (encoded.write, LOSSY),
    "a.wma": (encoded.write, LOSSY),
}


@pytest.mark.parametrize("kind", KINDS)
def test_chunks_are_the_whole(kind: str, tiny, tmp_path: Path) -> None:
    write, tolerance = KINDS[kind]
    write(tmp_path / kind, sound(LENGTH_S, RATE), RATE)
    whole = cut(tmp_path / kind, tiny)
    parts = chunk_spans(announced(tmp_path / kind), tiny)
    assert len(parts) == 4
    cuts = [cut(tmp_path / kind, tiny, span=part) for part in parts]
    for name in ("start_s", "end_s"):
        joined = np.concatenate([getattr(one, name) for one in cuts])
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=0, atol=1e-9)
    joined = np.concatenate([one.inputs for one in cuts])
    np.testing.assert_allclose(joined, whole.inputs, rtol=0, atol=tolerance)


def test_blocks_of_vorbis_in_matroska_are_the_whole_to_a_few_milliseconds(tiny, tmp_path):
    """Its frames are of several sizes, and the time stamps in milliseconds."""
    sf.write(tmp_path / "a.ogg", sound(LENGTH_S, RATE), RATE)
    file = encoded.remux((tmp_path / "a.ogg").read_bytes(), tmp_path / "a.mka")
    whole = cut(file, tiny)
    cuts = [cut(file, tiny, span=part) for part in chunk_spans(announced(file), tiny)]
    start_s = np.concatenate([one.start_s for one in cuts])
    np.testing.assert_array_equal(start_s, whole.start_s)
    long, shift = np.concatenate([one.inputs for one in cuts]), round(0.01 * tiny.sample_rate)
    inside = slice(shift, -shift)
    for ours, theirs in zip(long[:-1], whole.inputs[:-1], strict=True):
        off = [np.abs(np.roll(ours, by) - theirs)[inside].max() for by in range(-shift, shift + 1)]
        assert min(off) < 0.25  # half a sample of the chirp's end; elsewhere it differs by 0.6


@pytest.mark.parametrize(("name", "tolerance"), [("logmel_stats", 1e-4), ("mel_patches", 1e-3)])
@pytest.mark.parametrize("rate_hz", [RATE, 32_000])
def test_features_by_chunks_are_those_of_the_whole(
    name, tolerance, rate_hz, monkeypatch, tmp_path
) -> None:
    """PCM: what the resampler's rounding, 1e-7 of a sample, does to the logarithm of a band."""
    backbone = extractor(name)
    sf.write(tmp_path / "long.wav", sound(LENGTH_S, rate_hz), rate_hz, subtype="FLOAT")
    by_chunks = embed_clips([("long", tmp_path / "long.wav")], backbone)
    monkeypatch.setattr(cut_module, "CHUNK_S", 1_000.0)
    whole = embed_clips([("long", tmp_path / "long.wav")], backbone)
    np.testing.assert_array_equal(by_chunks.index["start_s"], whole.index["start_s"])
    np.testing.assert_array_equal(by_chunks.index["end_s"], whole.index["end_s"])
    np.testing.assert_allclose(by_chunks.windows, whole.windows, rtol=0, atol=tolerance)


@settings(max_examples=300, deadline=None)
@given(
    frames=st.integers(1, 40 * 192_000),
    rate_hz=st.sampled_from([8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000]),
    hop_s=st.sampled_from([0.01, 0.1, 0.25, 1 / 3, 0.37, 0.5]),
)
def test_chunks_hold_every_window_once(frames, rate_hz, hop_s) -> None:
    backbone = of_front_end(MelPatches(hop_s=hop_s))
    parts = chunk_spans(Announced(frames / rate_hz, rate_hz, None), backbone)
    if frames / rate_hz <= cut_module.CHUNK_S:
        assert parts == [WHOLE]
        return
    samples = round(frames / rate_hz * backbone.sample_rate)
    n = count_windows(samples, backbone.window_samples, hop=backbone.hop_samples)
    held = [at for part in parts for at in range(part.first, part.stop or n)]
    assert held == list(range(n))
    assert [part.stop is None for part in parts] == [False] * (len(parts) - 1) + [True]
    assert max((part.stop or n) - part.first for part in parts) * hop_s <= cut_module.CHUNK_S


class Waveform(MelPatches):
    """Windows as they are, of the length of a patch."""

    shape = (WINDOW_SAMPLES,)

    def __call__(self, samples: FloatArray) -> FloatArray:
        return split_windows(samples, WINDOW_SAMPLES, hop=self.hop_samples)


@settings(max_examples=40, deadline=None)
@given(
    length_s=st.floats(4.01, 13.0),
    rate_hz=st.integers(8_000, 192_000),
    hop_s=st.sampled_from([0.1, 0.25, 1 / 3, 0.5]),
)
def test_chunks_of_any_length_rate_and_hop_are_the_whole(
    length_s, rate_hz, hop_s, tmp_path_factory
) -> None:
    backbone = of_front_end(Waveform(hop_s=hop_s))
    file = tmp_path_factory.mktemp("any") / "any.wav"
    sf.write(file, sound(length_s, rate_hz), rate_hz, subtype="FLOAT")
    whole = cut(file, backbone)
    cuts = [cut(file, backbone, span=part) for part in chunk_spans(announced(file), backbone)]
    for name, atol in (("start_s", 0.0), ("end_s", 1e-9), ("inputs", RESAMPLED)):
        joined = np.concatenate([getattr(one, name) for one in cuts])
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=0, atol=atol)
    file.unlink()


def test_a_long_recording_is_in_no_memory_as_a_whole(tiny, monkeypatch, tmp_path: Path) -> None:
    sf.write(tmp_path / "long.wav", sound(40.0, RATE), RATE)
    read = []
    decode = decode_module.decode

    def noted(*args, **options):
        audio = decode(*args, **options)
        read.append(audio.duration_s)
        return audio

    monkeypatch.setattr(decode_module, "decode", noted)
    assert len(embed_clips([("long", tmp_path / "long.wav")], tiny).index) == 159
    assert max(read) <= CHUNK_S + tiny.window_s + 3
    assert len(read) == 10


@pytest.mark.parametrize("kept_s", [8.5, 9.0, 14.9])
def test_what_is_there_of_a_long_recording_that_is_cut_off_is_stored(
    kept_s, tiny, tmp_path: Path
) -> None:
    file = tmp_path / "long.wav"
    sf.write(file, sound(LENGTH_S, RATE), RATE)
    os.truncate(file, 44 + round(kept_s * RATE) * 2)
    made = plan([Recording("long", file)], tiny)
    outcome = store_features(made, tmp_path / "out", local(tiny))
    assert outcome.windows == count_windows(round(kept_s * 8_000), 4_000, hop=2_000)
    assert outcome.bad == ()
    ((clip_id, note),) = made.notes
    assert (clip_id, note.startswith("cut off: ")) == ("long", True)
    found = store.load(tmp_path / "out").index
    assert found["end_s"].iloc[-1] == pytest.approx(kept_s)


@pytest.mark.parametrize("size", [8, 2**32 - 1])
def test_a_long_recording_whose_header_does_not_say_how_long_is_stored_to_its_end(
    size, tiny, tmp_path: Path
) -> None:
    file = tmp_path / "long.wav"
    sf.write(file, sound(LENGTH_S, RATE), RATE)
    content = file.read_bytes()
    whole = embed_clips([("long", file)], tiny)
    file.write_bytes(content[:40] + size.to_bytes(4, "little") + content[44:])
    made = plan([Recording("long", file)], tiny)
    assert len(made.shards[0].chunks) == 4
    assert len(made.notes) == 1
    store_features(made, tmp_path / "out", local(tiny))
    np.testing.assert_array_equal(store.load(tmp_path / "out").windows, whole.windows)


def test_a_flac_that_is_cut_off_is_stored_as_far_as_it_decodes(tiny, tmp_path: Path) -> None:
    file = tmp_path / "long.flac"
    sf.write(file, sound(LENGTH_S, RATE), RATE)
    os.truncate(file, file.stat().st_size * 3 // 4)
    made = plan([Recording("long", file)], tiny)
    outcome = store_features(made, tmp_path / "out", local(tiny))
    assert outcome.bad == ()
    assert made.notes[0][1].startswith("cut off: its end cannot be decoded, 2")
    assert 11 < store.load(tmp_path / "out").index["end_s"].iloc[-1] < 12


def test_a_long_recording_that_ends_before_its_header_says_is_bad_from_there(
    tiny, monkeypatch, tmp_path: Path
) -> None:
    """As a file of a format whose header only estimates how long it is."""
    file = tmp_path / "long.wav"
    sf.write(file, sound(9.0, RATE), RATE)
    monkeypatch.setattr("faunashot.audio.decode.announced", lambda _: Announced(25, RATE, None))
    outcome = store_features(plan([Recording("long", file)], tiny), tmp_path / "out", local(tiny))
    found = store.load(tmp_path / "out").index
    assert found["start_s"].tolist() == [at / 4 for at in range(32)]  # two chunks, not the third
    assert outcome.windows == 32
    bad = {"clip_id": "long", "start_s": 8.0, "end_s": None}
    assert outcome.bad == ({**bad, "reason": "ends before its header says"},)


def test_a_long_recording_that_goes_on_after_its_header_says_is_stored_to_its_end(
    tiny, monkeypatch, tmp_path: Path
) -> None:
    file = tmp_path / "long.wav"
    sf.write(file, sound(11.0, RATE), RATE)
    monkeypatch.setattr("faunashot.audio.decode.announced", lambda _: Announced(9, RATE, None))
    store_features(plan([Recording("long", file)], tiny), tmp_path / "out", local(tiny))
    found = store.load(tmp_path / "out").index
    assert found["start_s"].tolist() == [at / 4 for at in range(43)]
    assert found["end_s"].iloc[-1] == 11.0


@pytest.mark.parametrize(
    "part", [ChunkSpan(32, 48), ChunkSpan(36), ChunkSpan(48, 64), ChunkSpan(48)]
)
def test_a_chunk_that_is_not_there_is_refused(part, tiny, tmp_path: Path) -> None:
    sf.write(tmp_path / "short.wav", sound(9.0, RATE), RATE)
    assert len(cut(tmp_path / "short.wav", tiny, span=ChunkSpan(16, 32)).inputs) == 16
    with pytest.raises(AudioError, match="ends before its header says"):
        cut(tmp_path / "short.wav", tiny, span=part)


@pytest.mark.parametrize("hop_s", [0.48, 0.1, 0.2501, 0.333, 0.96])
def test_patches_of_any_hop_are_those_of_each_window_by_itself(hop_s: float) -> None:
    backbone = of_front_end(MelPatches(hop_s=hop_s))
    samples = sound(3.7, backbone.sample_rate).astype(np.float32)
    windows = split_windows(samples, backbone.window_samples, hop=backbone.hop_samples)
    found = backbone.network(backbone.front_end(samples))
    np.testing.assert_allclose(found, embed_windows(backbone, windows), rtol=0, atol=1e-5)
