"""A trained system as one object: saved, loaded, refused where it does not fit, and heard with."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from faunashot.backbones.extract import cut, embed_windows
from faunashot.backbones.logmel import LogMel
from faunashot.classifiers.class_map import ClassMap
from faunashot.classifiers.heads import make_head
from faunashot.classifiers.unknown import Novelty, threshold_at
from faunashot.errors import AudioError, ParameterError, StoreError
from faunashot.systems.recogniser import Recogniser

RATE = 32_000
PITCH_HZ = {"frog": 400, "wren": 3000}


def recording(label: str, *, seconds: float = 1.0, seed: int = 0) -> bytes:
    noise = np.random.default_rng(seed).normal(0, 0.01, round(seconds * RATE))
    tone = 0.3 * np.sin(2 * np.pi * PITCH_HZ[label] * np.arange(len(noise)) / RATE)
    file = io.BytesIO()
    sf.write(file, tone + noise, RATE, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    backbone = LogMel()
    learned = [(label, recording(label, seed=seed)) for label in PITCH_HZ for seed in range(4)]
    features = np.concatenate(
        [embed_windows(cut(audio, backbone).windows, backbone) for _, audio in learned]
    )
    head = make_head("logistic", C=1.0).fit(features, [label for label, _ in learned])
    made_with = {"name": "logmel", "options": {"hop_s": 0.5}, "weights_hash": backbone.weights_hash}
    facts = {"backbone": made_with, "takes": "embeddings", "classes": sorted(PITCH_HZ)}
    return Recogniser(head, facts)


def noise(*, seed: int, seconds: float = 1.0) -> bytes:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE))
    file = io.BytesIO()
    sf.write(file, samples, RATE, format="WAV")
    return file.getvalue()


@pytest.fixture(scope="module")
def wary(recogniser: Recogniser) -> Recogniser:
    """The same recogniser, which tells noise from frogs and wrens."""

    def means(recordings: list[bytes]) -> np.ndarray:
        cuts = (cut(audio, recogniser.backbone) for audio in recordings)
        return np.stack([embed_windows(c.windows, recogniser.backbone).mean(axis=0) for c in cuts])

    learned = [(label, recording(label, seed=seed)) for label in PITCH_HZ for seed in range(4)]
    detector = Novelty().fit(
        means([audio for _, audio in learned]),
        [label for label, _ in learned],
        background=means([noise(seed=seed) for seed in range(10)]),
    )
    threshold = threshold_at(detector.background_scores_, 0.1)
    unknown = {"threshold": threshold, "false_alarm_rate": 0.1}
    return Recogniser(recogniser.head, {**recogniser.facts, "unknown": unknown}, detector)


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


def test_a_window_counts_by_the_seconds_that_it_covers(recogniser: Recogniser) -> None:
    heard = recogniser.recognise(recording("frog", seconds=1.7))
    spans = [(start, end) for start, end, _ in heard.windows]
    assert spans == [(0.0, 1.0), (0.5, 1.5), (1.0, pytest.approx(1.7))]
    frog = [scores["frog"] for *_, scores in heard.windows]
    expected = np.average(frog, weights=[1.0, 1.0, 0.7])
    assert heard.probabilities["frog"] == pytest.approx(expected, abs=1e-6)  # rows are float32


def test_a_model_is_not_run_on_other_weights(recogniser: Recogniser, folder: Path) -> None:
    facts = json.loads((folder / "model.json").read_text())
    facts["backbone"]["weights_hash"] = "0" * 64
    (folder / "model.json").write_text(json.dumps(facts))
    with pytest.raises(
        StoreError, match="the head was trained on logmel with weights 000000000000"
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
        head = folder / "head.skops"
        head.write_bytes(head.read_bytes()[:100])
    with pytest.raises(StoreError) as caught:
        Recogniser.load(folder)
    assert "\n" not in str(caught.value)


def test_what_is_not_audio_is_an_error_of_ours(recogniser: Recogniser) -> None:
    with pytest.raises(AudioError):
        recogniser.recognise(b"not audio")


def test_where_nothing_is_heard_every_class_is_as_likely(recogniser: Recogniser) -> None:
    deaf = ClassMap(sorted(PITCH_HZ), [[], []], head=recogniser.head)
    heard = Recogniser(deaf, recogniser.facts).recognise(recording("frog"))
    assert heard.probabilities == {"frog": 0.5, "wren": 0.5}


def test_a_zero_shot_model_reads_the_backbone_s_own_scores(recogniser: Recogniser) -> None:
    class WithClasses(LogMel):
        def classify(self, embeddings):
            return np.tile([0.1, 0.9, 0.3], (len(embeddings), 1))

    head = ClassMap(["frog", "wren"], [[0, 2], [1]])
    zero_shot = Recogniser(head, {**recogniser.facts, "takes": "scores"})
    zero_shot.__dict__["backbone"] = WithClasses()
    heard = zero_shot.recognise(recording("frog"))
    assert heard.label == "wren"
    assert heard.probabilities == pytest.approx({"frog": 0.2 / 1.1, "wren": 0.9 / 1.1})


@pytest.mark.parametrize("seconds", [1.0, 3.0])
def test_noise_is_unknown_and_a_class_is_not(wary: Recogniser, recogniser, seconds: float) -> None:
    sound = noise(seed=99, seconds=seconds)
    heard, plain = wary.recognise(sound), recogniser.recognise(sound)
    assert heard.label == "unknown"
    assert heard.unknown_score > wary.facts["unknown"]["threshold"]
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
    embeddings = embed_windows(cut(sound, wary.backbone).windows, wary.backbone)
    clip = np.average(embeddings, axis=0, weights=[1.0, 1.0, 0.7])
    expected = wary.novelty.score(clip[None])[0]
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
        whole = file.read_bytes() if harm == "torn" else (folder / "head.skops").read_bytes()
        file.write_bytes(whole[:100] if harm == "torn" else whole)
    with pytest.raises(StoreError, match=r"unknown\.skops") as caught:
        Recogniser.load(folder)
    assert "\n" not in str(caught.value)


def test_detector_and_threshold_come_together_and_no_class_has_their_name(wary) -> None:
    facts = dict(wary.facts)
    with pytest.raises(ParameterError, match="unknown: a detector comes with its threshold"):
        Recogniser(wary.head, facts)
    with pytest.raises(ParameterError, match="unknown: a detector comes with its threshold"):
        Recogniser(wary.head, {**facts, "unknown": None}, wary.novelty)
    with pytest.raises(ParameterError, match="'unknown' is what none of them is called"):
        Recogniser(wary.head, {**facts, "classes": ["frog", "unknown"]}, wary.novelty)
