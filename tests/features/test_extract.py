"""Extraction keeps the order of the clips, whatever the batches and the threads do."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.audio.decode import decode
from faunashot.audio.equalise import Equaliser
from faunashot.audio.noise import Noise, NoiseMixer
from faunashot.audio.resample import resample
from faunashot.errors import AudioError
from faunashot.features.cut import cut
from faunashot.features.extract import Chunk, embed, embed_clips

RATE = 16_000  # twice the backbone's
LENGTHS_S = [0.1, 0.5, 3.0, 0.6, 1.0, 0.25, 0.75, 0.8]

Clips = list[tuple[str, Path]]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    """Recordings of steady level, each louder than the one before."""
    folder = tmp_path_factory.mktemp("clips")
    for i, length_s in enumerate(LENGTHS_S, start=1):
        loud = i / 10 + 0.001 * np.sin(np.arange(round(length_s * RATE)))
        sf.write(folder / f"{i}.wav", loud, RATE)
    return [(f"clip-{path.stem}", path) for path in sorted(folder.iterdir(), reverse=True)]


def test_rows_follow_the_clips(clips: Clips, tiny) -> None:
    features = embed_clips(clips, tiny)
    assert list(features.index["clip_id"].unique()) == [clip_id for clip_id, _ in clips]
    assert features.windows.dtype == np.float32
    for clip_id, path in clips:
        rows = features.windows[features.index["clip_id"] == clip_id]
        np.testing.assert_array_equal(rows, tiny.network(cut(path, tiny).inputs))
        assert rows[:, 1] == pytest.approx(int(path.stem) / 10, rel=0.2)  # its level


def test_index_says_what_each_window_covers(clips: Clips, tiny) -> None:
    index = embed_clips(clips, tiny).index
    spans = {
        clip_id: list(zip(rows["start_s"], rows["end_s"], strict=True))
        for clip_id, rows in index.groupby("clip_id")
    }
    assert spans["clip-1"] == [(0.0, 0.1)]
    assert spans["clip-2"] == [(0.0, 0.5)]
    assert spans["clip-4"] == [(0.0, 0.5), (0.25, 0.6)]
    assert spans["clip-5"] == [(0.0, 0.5), (0.25, 0.75), (0.5, 1.0)]
    assert len(spans["clip-3"]) == 11


def test_a_click_covers_some_time(tiny, tmp_path: Path) -> None:
    sf.write(tmp_path / "click.wav", np.linspace(0, 0.5, 1_920), 192_000)
    found = cut(tmp_path / "click.wav", tiny)
    assert found.inputs.shape == (1, tiny.window_samples)
    assert (found.end_s > found.start_s).all()


def test_a_recording_is_cut_alike_from_its_bytes(clips: Clips, tiny) -> None:
    _, path = clips[0]
    of_file, of_bytes = cut(path, tiny), cut(path.read_bytes(), tiny)
    np.testing.assert_array_equal(of_file.inputs, of_bytes.inputs)
    np.testing.assert_array_equal(of_file.end_s, of_bytes.end_s)


@pytest.mark.parametrize(("batch", "workers"), [(1, 1), (2, 3), (5, 1), (7, 4), (1000, 2)])
def test_batches_and_threads_change_no_byte(batch, workers, clips: Clips, tiny, monkeypatch):
    expected = embed_clips(clips, tiny)
    tiny.batches.clear()
    monkeypatch.setattr(tiny, "batch_size", batch)
    chunks = [Chunk(clip_id, path) for clip_id, path in clips]
    done = list(embed(chunks, tiny, workers=workers))
    assert [part.chunk for part in done] == chunks
    assert np.concatenate([part.windows for part in done]).tobytes() == expected.windows.tobytes()
    full, rest = divmod(len(expected.index), batch)
    assert sorted(tiny.batches, reverse=True) == [batch] * full + [rest] * (rest > 0)


def test_decoding_is_at_most_so_far_ahead(clips: Clips, tiny) -> None:
    asked, done, furthest = 0, 0, 0

    def counted() -> Iterator[Chunk]:
        nonlocal asked, furthest
        for clip_id, path in clips * 50:
            asked += 1
            furthest = max(furthest, asked - done)
            yield Chunk(clip_id, path)

    for _ in embed(counted(), tiny, workers=2):
        done += 1
    assert done == len(clips) * 50
    # eight chunks decoded, four batches in the network, each of the windows of about 16 clips
    assert furthest < 8 + 5 * tiny.batch_size


def test_an_error_names_the_file_and_stops(clips: Clips, tiny, tmp_path: Path) -> None:
    bad = tmp_path / "bad one.wav"
    bad.write_bytes(b"no audio\n" * 9)
    endless = itertools.chain(clips, [("bad", bad)], itertools.cycle(clips))
    threads = threading.active_count()
    with pytest.raises(AudioError, match=r"bad one\.wav: .*format not recognised") as caught:
        embed_clips(endless, tiny)
    assert str(caught.value).startswith(str(bad))
    assert threading.active_count() == threads


def test_equalised_recordings_are_of_one_length_and_level(clips: Clips, tiny) -> None:
    equaliser = Equaliser(length_s=1.0)
    features = embed_clips(clips, tiny, perturbation=equaliser)
    assert list(features.index["clip_id"].unique()) == [clip_id for clip_id, _ in clips]
    for _, rows in features.index.groupby("clip_id"):
        assert rows["start_s"].tolist() == [0.0, 0.25, 0.5]
        assert rows["end_s"].tolist() == [0.5, 0.75, 1.0]
    # steady levels are no sound: what told the clips apart is gone
    recorded, spread = (of.windows[:, 1].std() for of in (embed_clips(clips, tiny), features))
    assert spread < recorded / 5
    assert features.spec == embed_clips(clips, tiny).spec


def test_a_recording_is_equalised_before_it_is_resampled(clips: Clips, tiny) -> None:
    equaliser = Equaliser(length_s=0.6)
    _, path = clips[0]
    samples, rate_hz = equaliser(decode(path).mono(), RATE)
    expected = resample(samples, rate_hz, to_hz=tiny.sample_rate)
    found = cut(path, tiny, perturbation=equaliser)
    np.testing.assert_array_equal(found.inputs[0], expected[: tiny.window_samples])
    rows = embed_clips(clips[:1], tiny, perturbation=equaliser).windows
    np.testing.assert_array_equal(rows, tiny.network(found.inputs))
    assert not np.array_equal(found.inputs[0], cut(path, tiny).inputs[0])


def test_noise_is_mixed_in_before_a_recording_is_resampled(tiny, tmp_path: Path) -> None:
    sf.write(tmp_path / "wind.wav", np.random.default_rng(0).normal(0, 0.1, 3 * RATE), RATE)
    sf.write(tmp_path / "owl.wav", np.random.default_rng(1).normal(0, 0.1, RATE), RATE)
    mixer = NoiseMixer(0.0, (Noise(tmp_path / "wind.wav", "0"),))
    mixed, rate_hz = mixer(decode(tmp_path / "owl.wav").mono(), RATE)
    assert rate_hz == RATE
    expected = resample(mixed, RATE, to_hz=tiny.sample_rate)
    found = cut(tmp_path / "owl.wav", tiny, perturbation=mixer)
    np.testing.assert_array_equal(found.inputs[0], expected[: tiny.window_samples])


def test_no_clips_are_no_features(tiny) -> None:
    features = embed_clips([], tiny)
    assert features.windows.shape == (0, tiny.dim)
    assert list(features.index) == ["clip_id", "start_s", "end_s"]
    assert tiny.batches == []
