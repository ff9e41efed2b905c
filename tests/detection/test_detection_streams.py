"""Windows that are scored while a recording streams by are those of the recording as a whole."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from detecting import LOGMEL, PATCHES, RATE, trained, write_night

from faunashot.audio import decode as decoding
from faunashot.audio import shared_decoding
from faunashot.audio.shared_decoding import SharedDecoding
from faunashot.errors import AudioError
from faunashot.features import cut
from faunashot.features.streams import FeatureStreams, Source
from faunashot.recogniser import Recogniser

CALLS = [(3, 5, "frog"), (58, 63, "wren"), (119.5, 121, "frog")]


@pytest.fixture(scope="module")
def night(tmp_path_factory) -> Path:
    """Two minutes and a half, whose calls lie over the borders of its parts."""
    return write_night(tmp_path_factory.mktemp("night") / "n.wav", CALLS, seconds=151.3)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Recogniser]:
    folder = tmp_path_factory.mktemp("clips")
    return {
        "one": trained(LOGMEL, folder=folder, background=True),
        "other": trained(PATCHES, folder=folder),
        "joined": trained(PATCHES, LOGMEL, folder=folder),
    }


def streamed(models: list[Recogniser], *files: Path) -> list[dict[str, np.ndarray]]:
    """Windows of each model, of all files one below the other."""
    streams = FeatureStreams([model.extractors for model in models])
    found: list[list] = [[] for _ in models]
    sources = [Source(file.name, file) for file in files]
    with closing(streams.run(sources, workers=2)) as stretches:
        for stretch in stretches:
            assert stretch.error is None
            if stretch.features is not None:
                found[stretch.of].append(models[stretch.of].score_windows(stretch.features))
    return [
        {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ("start_s", "end_s", "scores")
        }
        for parts in found
    ]


@pytest.mark.parametrize("names", [["one"], ["joined"], ["one", "other", "joined"]])
def test_streaming_gives_the_windows_of_the_whole(names, models, night) -> None:
    chosen = [models[name] for name in names]
    for model, found in zip(chosen, streamed(chosen, night), strict=True):
        whole = model.recognise(night).windows
        np.testing.assert_allclose(found["start_s"], [start for start, *_ in whole])
        np.testing.assert_allclose(found["end_s"], [end for _, end, _ in whole])
        scores = [[of[name] for name in model.classes] for *_, of in whole]
        np.testing.assert_allclose(found["scores"], scores, atol=1e-6)
        assert found["end_s"][-1] == pytest.approx(151.3)


@pytest.mark.parametrize("name", ["one", "joined"])
def test_window_scores_are_those_of_the_recognition(name, models, night) -> None:
    of_windows = list(models[name].window_scores(night))
    whole = models[name].recognise(night).windows
    assert [window[:2] for window in of_windows] == [window[:2] for window in whole]
    for (*_, streamed_scores), (*_, scores) in zip(of_windows, whole, strict=True):
        assert streamed_scores == pytest.approx(scores, abs=1e-6)


def test_recordings_follow_each_other(models, night, tmp_path) -> None:
    short = write_night(tmp_path / "short.wav", [(0, 1, "wren")], seconds=1.2)
    chosen = [models["one"], models["joined"]]
    for model, found in zip(chosen, streamed(chosen, short, night, short), strict=True):
        n = [len(model.recognise(file).windows) for file in (short, night, short)]
        assert len(found["start_s"]) == sum(n)
        np.testing.assert_allclose(found["scores"][: n[0]], found["scores"][-n[0] :])


def test_several_networks_share_one_decoding(models, night, monkeypatch) -> None:
    seconds = []

    def counted(source, *, span_s=None):
        audio = decoding.decode(source, span_s=span_s)
        seconds.append(audio.duration_s)
        return audio

    monkeypatch.setattr(shared_decoding, "decode", counted)
    streamed([models["one"], models["other"], models["joined"]], night)
    assert sum(seconds) < 151.3 + 5  # and the run-up of each block


def test_what_is_bad_of_a_recording_is_told_and_the_rest_is_heard(models, tmp_path) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 200 * 8_000)
    samples[30 * 8_000 : 150 * 8_000] = 0
    sf.write(tmp_path / "pause.wav", samples, 8_000)
    for chosen in ([models["one"]], [models["one"], models["joined"]]):
        streams = FeatureStreams([model.extractors for model in chosen])
        with closing(streams.run([Source("", tmp_path / "pause.wav")])) as stretches:
            found = list(stretches)
        bad = [(s.start_s, s.end_s, s.error) for s in found if s.error and s.of == 0]
        assert bad == [(60.0, 120.0, "digital silence: every sample is 0")]
        for of, model in enumerate(chosen):
            heard = [s.features for s in found if s.of == of and s.features is not None]
            starts = np.concatenate([features.index["start_s"] for features in heard])
            whole = [start for start, *_ in model.recognise(tmp_path / "pause.wav").windows]
            np.testing.assert_allclose(starts, whole)


def test_spans_of_a_shared_decoding_are_those_of_a_decoding(night, tmp_path) -> None:
    shared = SharedDecoding()
    for span_s in [(0, 61), (59, 122), (119, 200), (150, 152), None]:
        expected = decoding.decode(night, span_s=span_s)
        np.testing.assert_array_equal(shared(night, span_s=span_s).samples, expected.samples)
    with pytest.raises(AudioError, match="holds no samples"):
        shared(night, span_s=(160, 200))
    samples = np.random.default_rng(0).normal(0, 0.1, 130 * 8_000)
    samples[5] = np.nan
    sf.write(tmp_path / "nan.wav", samples, 8_000, subtype="FLOAT")
    assert len(shared(tmp_path / "nan.wav", span_s=(59, 70)).samples) == 11 * 8_000
    with pytest.raises(AudioError, match="holds 1 samples that are NaN"):
        shared(tmp_path / "nan.wav", span_s=(0, 70))


def test_what_nothing_is_heard_of_is_an_error(models, tmp_path) -> None:
    sf.write(tmp_path / "still.wav", np.zeros(70 * RATE), RATE)
    with pytest.raises(AudioError, match="digital silence"):
        list(models["joined"].window_scores(tmp_path / "still.wav"))
    assert cut.CHUNK_S < 70
