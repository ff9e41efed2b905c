"""A trained system as one object: saved, loaded, refused where it does not fit, and heard with."""

from __future__ import annotations

import io
import json
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from scipy.special import logit
from threadpoolctl import threadpool_info, threadpool_limits

from faunashot import recogniser as module
from faunashot.audio.reading import Reading
from faunashot.backbones.base import ClassList
from faunashot.errors import AudioError, ParameterError, StoreError
from faunashot.estimators import kinds
from faunashot.estimators.base import Estimator
from faunashot.estimators.calibration import temper
from faunashot.estimators.class_map import ClassMap
from faunashot.estimators.examples import Examples, Scores
from faunashot.estimators.head import make_head
from faunashot.estimators.pooling import pool
from faunashot.estimators.unknown import Novelty, threshold_at
from faunashot.features.extract import cores, embed_clips, embed_recording
from faunashot.features.extractors import Extractor, extractor, of_front_end
from faunashot.features.join import join
from faunashot.frontends.logmel_stats import LogMelStats
from faunashot.recogniser import Recogniser
from faunashot.systems.record import BackboneRecord, Temperature, TrainedSystem, UnknownThreshold

RATE = 32_000
LOGMEL = extractor("logmel_stats")
PITCH_HZ = {"frog": 400, "wren": 3000}


def recording(label: str, *, seconds: float = 1.0, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).normal(0, 0.01, round(seconds * RATE))
    tone = 0.3 * np.sin(2 * np.pi * PITCH_HZ[label] * np.arange(len(noise)) / RATE)
    file = io.BytesIO()
    sf.write(file, tone + noise, RATE, format="WAV")
    return file.getvalue()


def means(recordings: list[bytes]) -> np.ndarray:
    """Mean embedding of each recording, by the seconds that its windows cover."""
    rows = []
    for audio in recordings:
        found = embed_recording(audio, LOGMEL)
        weights = found.index["end_s"] - found.index["start_s"]
        rows.append(np.average(found.windows, axis=0, weights=weights))
    return np.stack(rows)


def record_of(*backbones: Extractor, estimator: str = "head", **more) -> TrainedSystem:
    made_with = [
        BackboneRecord(
            name=b.name, layer=b.layer, options={"hop_s": b.hop_s}, weights_hash=b.weights_hash
        )
        for b in backbones
    ]
    return TrainedSystem(estimator=estimator, backbones=made_with, classes=sorted(PITCH_HZ), **more)


def changed(record: TrainedSystem, **more) -> TrainedSystem:
    return record.model_copy(update=more)


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    learned = [(label, recording(label, seed=seed)) for label in PITCH_HZ for seed in range(4)]
    head = make_head("logistic", {"C": 1.0})
    labels = [label for label, _ in learned]
    head.fit(Examples.of_rows(means([audio for _, audio in learned]), labels))
    temperature = Temperature(value=1.3, clips=8)
    return Recogniser(head, record_of(LOGMEL, temperature=temperature))


def noise(*, seed: int, seconds: float = 1.0) -> bytes:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    file = io.BytesIO()
    sf.write(file, samples, RATE, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def wary(recogniser: Recogniser) -> Recogniser:
    """The same recogniser, which tells noise from frogs and wrens."""

    learned = [(label, recording(label, seed=seed)) for label in PITCH_HZ for seed in range(4)]
    detector = Novelty().fit(
        means([audio for _, audio in learned]),
        [label for label, _ in learned],
        background=means([noise(seed=seed) for seed in range(10)]),
    )
    threshold = threshold_at(detector.background_scores_, 0.1)
    unknown = UnknownThreshold(
        threshold=threshold, false_alarm_rate=0.1, recordings=10, background="noise"
    )
    return Recogniser(recogniser.estimator, changed(recogniser.record, unknown=unknown), detector)


@pytest.fixture
def folder(recogniser: Recogniser, tmp_path: Path) -> Path:
    recogniser.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("label", PITCH_HZ)
def test_a_saved_model_hears_what_it_heard_before(recogniser, folder, label) -> None:
    heard = Recogniser.load(folder).recognise(recording(label, seed=9))
    assert heard == recogniser.recognise(recording(label, seed=9))
    assert heard.label == label
    assert sum(heard.probabilities.values()) == pytest.approx(1)


def test_a_head_of_clips_hears_the_mean_by_the_seconds_that_windows_cover(recogniser) -> None:
    sound = recording("frog", seconds=1.7)
    heard = recogniser.recognise(sound)
    spans = [(start, end) for start, end, _ in heard.windows]
    assert spans == [(0.0, 1.0), (0.5, 1.5), (1.0, pytest.approx(1.7))]
    (expected,) = temper(recogniser.estimator.predict_proba(means([sound])), 1.3)
    assert list(heard.probabilities.values()) == pytest.approx(list(expected), abs=1e-6)
    embeddings = embed_recording(sound, LOGMEL).windows
    of_windows = [list(scores.values()) for *_, scores in heard.windows]
    plain = recogniser.estimator.predict_proba(embeddings)
    np.testing.assert_allclose(of_windows, temper(plain, 1.3), atol=1e-6)
    assert list(recogniser.window_scores(sound)) == heard.windows


def wav(samples: np.ndarray, rate_hz: int = RATE) -> bytes:
    file = io.BytesIO()
    sf.write(file, samples, rate_hz, format="WAV")
    return file.getvalue()


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros(70 * RATE), "digital silence"),
        (np.ones(16), "too short: 16 samples"),
        (np.outer(np.sin(np.arange(RATE)), [0.5, -0.5]), "its channels cancel each other out"),
    ],
)
@pytest.mark.parametrize("as_file", [True, False], ids=["file", "bytes"])
def test_what_cannot_be_heard_gets_a_reason_and_no_label(
    samples, reason, as_file, recogniser, tmp_path
) -> None:
    source = wav(samples)
    (tmp_path / "a.wav").write_bytes(source)
    with pytest.raises(AudioError, match=f"^{reason}"):
        recogniser.recognise(tmp_path / "a.wav" if as_file else source)


def test_what_of_a_recording_is_not_heard_is_noted(recogniser, tmp_path) -> None:
    sound = recording("frog")
    assert recogniser.recognise(sound).notes == ()
    crashed = sound.replace(b"data", b"data\x08\0\0\0")
    crashed = crashed[: crashed.index(b"data") + 8] + crashed[crashed.index(b"data") + 12 :]
    (note,) = recogniser.recognise(crashed).notes
    assert note == "its header announces 8 of the 64000 bytes of audio: all are read"
    telephone = wav(np.random.default_rng(0).normal(0, 0.1, 8_000), 8_000)
    (note,) = recogniser.recognise(telephone).notes
    assert note == "there is nothing above 4.8 kHz, though logmel_stats listens up to 16 kHz"
    pause = np.random.default_rng(0).normal(0, 0.1, 200 * 8_000)
    pause[30 * 8_000 : 150 * 8_000] = 0
    (tmp_path / "pause.wav").write_bytes(wav(pause, 8_000))
    heard = recogniser.recognise(tmp_path / "pause.wav")
    assert heard.notes[1:] == (
        "from 60 s on nothing is recognised: digital silence: every sample is 0",
    )


class Loud(Estimator):
    """A network that takes windows for frogs the more, the louder they are."""

    KIND = "loud"
    level = "window"
    classes_ = np.array(["frog", "wren"])

    def fit(self, train, **_):
        raise NotImplementedError

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        frog = 1 / (1 + np.exp(-(X[:, 0] + 70) / 10))
        return np.stack([frog, 1 - frog], axis=1)

    def predict(self, examples: Examples) -> Scores:
        windows = self.predict_proba(examples.windows())
        return Scores(("frog", "wren"), windows, pool(windows, examples))

    def save(self, folder: Path) -> None:
        folder.mkdir()

    @classmethod
    def load(cls, folder: Path) -> Loud:
        assert folder.is_dir()
        return cls()


def test_of_a_head_of_windows_each_counts_by_the_seconds_that_it_covers(tmp_path, monkeypatch):
    monkeypatch.setitem(kinds._STORED, "loud", f"{__name__}:Loud")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Loud.__module__])
    temperature = Temperature(value=2.0, clips=9)
    loud = Recogniser(Loud(), record_of(LOGMEL, estimator="loud", temperature=temperature))
    sound = recording("frog", seconds=1.7)
    heard = loud.recognise(sound)
    plain = Loud().predict_proba(embed_recording(sound, LOGMEL).windows)
    assert len(set(plain[:, 0])) == 3
    pooled = np.average(plain, axis=0, weights=[1.0, 1.0, 0.7])[None]
    (expected,) = temper(pooled, 2.0)  # once pooled, as clips that are scored are
    assert list(heard.probabilities.values()) == pytest.approx(list(expected), abs=1e-6)
    loud.save(tmp_path / "model")
    loaded = Recogniser.load(tmp_path / "model")
    assert loaded.record == loud.record
    assert loaded.recognise(sound) == heard


def test_a_model_is_not_run_on_other_weights(recogniser: Recogniser, folder: Path) -> None:
    facts = json.loads((folder / "model.json").read_text())
    facts["backbones"][0]["weights_hash"] = "0" * 64
    (folder / "model.json").write_text(json.dumps(facts))
    with pytest.raises(
        StoreError, match="the head was trained on logmel_stats with weights 000000000000"
    ):
        Recogniser.load(folder).recognise(recording("frog"))


@pytest.mark.parametrize("harm", ["no folder", "no facts", "other format", "torn head"])
def test_what_is_no_whole_model_is_refused(folder: Path, harm: str) -> None:
    if harm == "no folder":
        folder = folder / "elsewhere"
    elif harm == "no facts":
        (folder / "model.json").unlink()
    elif harm == "other format":
        (folder / "model.json").write_text('{"format": 99}')
    else:
        head = folder / "estimator" / "head.skops"
        head.write_bytes(head.read_bytes()[:100])
    with pytest.raises(StoreError) as caught:
        Recogniser.load(folder)
    assert "\n" not in str(caught.value)


def test_paths_bytes_and_samples_are_recognised_alike(recogniser: Recogniser, tmp_path) -> None:
    sound = recording("wren", seed=3)
    samples, rate = sf.read(io.BytesIO(sound), dtype="int16")
    (tmp_path / "wren.wav").write_bytes(sound)
    expected = recogniser.recognise(sound)
    assert recogniser.recognise(tmp_path / "wren.wav") == expected
    assert recogniser.recognise(str(tmp_path / "wren.wav")) == expected
    floating = samples / 2**15
    for given in (samples, floating, np.stack([floating, floating], axis=1)):
        found = recogniser.recognise(given, sample_rate=rate)
        assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-6)
    with pytest.raises(AudioError, match="give sample_rate, in Hz"):
        recogniser.recognise(samples)
    with pytest.raises(AudioError, match=r"samples of shape \(2, 2, 2\)"):
        recogniser.recognise(np.zeros((2, 2, 2)), sample_rate=rate)


def test_lists_and_tables_are_recognised_row_by_row(recogniser: Recogniser, tmp_path) -> None:
    sound = recording("wren", seed=3)
    (tmp_path / "wren.wav").write_bytes(sound)
    samples, rate = sf.read(io.BytesIO(sound))
    expected = recogniser.recognise(sound)
    found = recogniser.recognise_all([tmp_path / "wren.wav", b"torn", sound])
    assert found["label"].dropna().to_dict() == {0: "wren", 2: "wren"}
    assert found["probabilities"][2] == expected.probabilities
    assert found["notes"][0] == ()
    assert found["error"].notna().tolist() == [False, True, False]
    assert recogniser.recognise_all([samples], sample_rate=rate)["label"].tolist() == ["wren"]
    table = pd.DataFrame({"path": [str(tmp_path / "wren.wav")], "label": ["owl"]}, index=[7])
    assert recogniser.recognise_all(table)["label"].to_dict() == {7: "wren"}
    assert recogniser.recognise_all([]).columns.tolist() == found.columns.tolist()
    with pytest.raises(ParameterError, match="no column 'path'"):
        recogniser.recognise_all(pd.DataFrame({"file": ["a.wav"]}))
    with pytest.raises(ParameterError, match="give a list"):
        recogniser.recognise_all(tmp_path / "wren.wav")


def test_calls_side_by_side_share_the_threads_and_change_no_answer(
    recogniser: Recogniser, folder: Path
) -> None:
    sounds = [recording(label, seed=n) for n, label in enumerate(["frog", "wren"] * 6)]
    expected = [recogniser.recognise(sound) for sound in sounds]
    with threadpool_limits(cores(), "blas"):  # undoes what `share_threads` sets for good
        shared = Recogniser.load(folder)
        shared.share_threads()
        before = threading.active_count()
        with ThreadPoolExecutor(4) as clients:
            assert list(clients.map(shared.recognise, sounds)) == expected
            assert threading.active_count() - before <= 4 + cores()
            assert {pool["num_threads"] for pool in threadpool_info() if is_blas(pool)} == {1}


def is_blas(pool: dict[str, object]) -> bool:
    return pool["user_api"] == "blas"


def test_what_is_not_audio_is_an_error_of_ours(recogniser: Recogniser) -> None:
    with pytest.raises(AudioError):
        recogniser.recognise(b"not audio")


def test_where_nothing_is_heard_every_class_is_as_likely(recogniser: Recogniser) -> None:
    deaf = ClassMap(sorted(PITCH_HZ), [[], []], head=recogniser.estimator)
    heard = Recogniser(deaf, recogniser.record).recognise(recording("frog"))
    assert heard.probabilities == {"frog": 0.5, "wren": 0.5}


def test_a_zero_shot_model_reads_the_backbone_s_own_scores(recogniser, monkeypatch) -> None:
    class WithClasses:
        class_list = ClassList("audioset", ("a", "b", "c"), several="max")

        def logits(self, embeddings):
            return np.tile(logit([0.1, 0.9, 0.3]), (len(embeddings), 1))

    loaded = []
    monkeypatch.setattr(
        module, "load", lambda *of, **how: loaded.append((of, how)) or WithClasses()
    )
    head = ClassMap(["frog", "wren"], [[0, 2], [1]])
    zero_shot = Recogniser(head, changed(recogniser.record, temperature=None))
    heard = zero_shot.recognise(recording("frog"))
    assert heard.label == "wren"
    assert heard.probabilities == pytest.approx({"frog": 0.2 / 1.1, "wren": 0.9 / 1.1})
    assert loaded == [(("logmel_stats",), {"hop_s": 0.5})]


@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_noise_is_unknown_and_a_class_is_not(wary: Recogniser, recogniser, seconds: float) -> None:
    sound = noise(seed=99, seconds=seconds)
    heard, plain = wary.recognise(sound), recogniser.recognise(sound)
    assert heard.label == "unknown"
    assert heard.unknown_score > wary.record.unknown.threshold
    assert plain.label in PITCH_HZ
    assert plain.unknown_score is None
    assert heard.probabilities == plain.probabilities
    assert heard.windows == plain.windows
    for label in PITCH_HZ:
        frog_or_wren = wary.recognise(recording(label, seconds=seconds, seed=9))
        assert frog_or_wren.label == label
        assert frog_or_wren.unknown_score < heard.unknown_score


def test_a_recording_is_scored_by_the_seconds_that_its_windows_cover(wary: Recogniser) -> None:
    sound = recording("wren", seconds=1.7)
    expected = wary.novelty.score(means([sound]))[0]
    assert wary.recognise(sound).unknown_score == pytest.approx(expected, abs=1e-6)


def test_a_detector_is_saved_beside_the_head(wary: Recogniser, folder: Path) -> None:
    assert not (folder / "unknown.skops").exists()
    wary.save(folder)
    for sound in (noise(seed=99), recording("frog", seed=9)):
        assert Recogniser.load(folder).recognise(sound) == wary.recognise(sound)


@pytest.mark.parametrize("harm", ["torn", "gone", "a head"])
def test_a_model_without_its_detector_is_refused(wary: Recogniser, folder: Path, harm: str) -> None:
    wary.save(folder)
    file = folder / "unknown.skops"
    if harm == "gone":
        file.unlink()
    else:
        whole = (
            file.read_bytes()
            if harm == "torn"
            else (folder / "estimator" / "head.skops").read_bytes()
        )
        file.write_bytes(whole[:100] if harm == "torn" else whole)
    with pytest.raises(StoreError, match=r"unknown\.skops") as caught:
        Recogniser.load(folder)
    assert "\n" not in str(caught.value)


def test_detector_and_threshold_come_together_and_no_class_has_their_name(wary) -> None:
    record = wary.record
    with pytest.raises(ParameterError, match="unknown: a detector comes with its threshold"):
        Recogniser(wary.estimator, record)
    with pytest.raises(ParameterError, match="unknown: a detector comes with its threshold"):
        Recogniser(wary.estimator, changed(record, unknown=None), wary.novelty)
    with pytest.raises(ParameterError, match="'unknown' is what none of them is called"):
        Recogniser(wary.estimator, changed(record, classes=["frog", "unknown"]), wary.novelty)


class Slow(LogMelStats):
    """Means of the same statistics over the bands, of three seconds at half the rate."""

    name, version = "slow", "7"
    sample_rate, window_s, window_samples = 16_000, 3.0, 48_000
    shape = (4,)

    def __call__(self, samples):
        statistics = super().__call__(samples)
        return np.stack([statistics[:, at].mean(axis=1) for at in np.split(np.arange(256), 4)], 1)


def by_name(
    name: str, *, layers: list[str], options: dict, reading: Reading | None = None
) -> list[Extractor]:
    """What yields the features of either name."""
    assert (layers, reading or Reading()) == ([""], Reading())
    return [of_front_end({"logmel_stats": LogMelStats, "slow": Slow}[name](**options))]


@pytest.fixture
def joined(monkeypatch) -> list[Extractor]:
    """Two front ends of different windows, both to be loaded by name."""
    monkeypatch.setattr(module, "extractors", by_name)
    return [
        *by_name("logmel_stats", layers=[""], options={"hop_s": 0.5}),
        *by_name("slow", layers=[""], options={"hop_s": 1.5}),
    ]


@pytest.mark.parametrize("seconds", [0.4, 1.7, 3.0, 7.9])
@pytest.mark.parametrize("turned", [False, True])
def test_joined_backbones_hear_what_joined_stores_hold(joined, seconds, turned, tmp_path) -> None:
    backbones = joined[::-1] if turned else joined
    (tmp_path / "frog.wav").write_bytes(recording("frog", seconds=seconds))
    clip = [("frog", tmp_path / "frog.wav")]
    stored = join([embed_clips(clip, backbone) for backbone in backbones])
    model = Recogniser(ClassMap(sorted(PITCH_HZ), [[0], [1]]), record_of(*backbones))
    found = model.features(tmp_path / "frog.wav")
    np.testing.assert_array_equal(found.windows, stored.windows)
    np.testing.assert_array_equal(found.index["start_s"], stored.index["start_s"])
    np.testing.assert_array_equal(found.index["end_s"], stored.index["end_s"])
    assert model.backbone_name == ("slow+logmel_stats" if turned else "logmel_stats+slow")


def test_a_joined_model_is_saved_and_tells_classes_apart(joined, tmp_path) -> None:
    learned = [(label, recording(label, seed=seed)) for label in PITCH_HZ for seed in range(4)]
    for n, (_, audio) in enumerate(learned):
        (tmp_path / f"{n}.wav").write_bytes(audio)
    clips = [(str(n), tmp_path / f"{n}.wav") for n in range(len(learned))]
    features = join([embed_clips(clips, backbone) for backbone in joined])
    head = make_head("logistic", {"C": 1.0}, blocks=features.spec.blocks)
    labels = [label for label, _ in learned]
    head.fit(Examples.of_rows(features.windows, labels))  # of one window each
    Recogniser(head, record_of(*joined)).save(tmp_path / "model")
    loaded = Recogniser.load(tmp_path / "model")
    for label in PITCH_HZ:
        heard = loaded.recognise(recording(label, seconds=4.0, seed=9))
        assert heard.label == label
        assert [(start, end) for start, end, _ in heard.windows] == [(0.0, 3.0), (1.5, 4.0)]


def test_of_joined_backbones_each_is_to_be_the_one_that_was_trained_on(joined) -> None:
    record = record_of(*joined)
    stale = changed(record.backbones[1], weights_hash="0" * 64)
    record = changed(record, backbones=[record.backbones[0], stale])
    model = Recogniser(ClassMap(sorted(PITCH_HZ), [[0], [1]]), record)
    with pytest.raises(StoreError, match="trained on slow with weights 000000000000"):
        model.recognise(recording("frog"))
