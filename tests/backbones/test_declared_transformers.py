"""Declared models of transformers, against the library's own classes, with random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from embedding import embed_windows
from small_transformers import RATE, clap, spectrogram, speech

from faunashot.backbones.base import class_scores, load
from faunashot.errors import ParameterError, WeightsError
from faunashot.features.extractors import of_layer

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

pytestmark = pytest.mark.slow

ROWS = np.random.default_rng(3).normal(0, 0.1, (3, RATE)).astype(np.float32)
TOLERANCE = 1e-5

BLOCK: dict[str, Any] = {
    "version": "1",
    "licence": "CC0-1.0",
    "citation": "Nobody. 2026.",
    "trained_on": "nothing",
    "runtime": "transformers",
    "sample_rate": RATE,
    "window_s": 1.0,
}
LAST = {"embedding": {"name": "last_hidden_state", "dim": 16, "pooling": "mean"}}


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Save a model with its feature extractor, and declare it."""
    monkeypatch.setenv("FAUNASHOT_BACKBONES", str(tmp_path))

    def save(made: tuple[Any, Any], **changed: Any) -> tuple[Any, Any]:
        for part in made:
            part.save_pretrained(tmp_path / "net")
        given = {"weights": {"handle": "net"}, "outputs": LAST}
        text = yaml.safe_dump(BLOCK | given | changed, sort_keys=False)
        (tmp_path / "small.yaml").write_text(text)
        return made[0].eval(), made[1]

    return save


def assert_close(ours: np.ndarray, theirs: Any) -> None:
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE * np.abs(expected).max())


def test_hidden_states_are_layers(saved) -> None:
    states = {
        f"layer_{i}": {"name": f"hidden_states.{i}", "dim": 16, "pooling": "mean"} for i in (0, 2)
    }
    model, extract = saved(speech(), outputs=LAST | states)
    fed = extract(list(ROWS), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        made = model(**fed, output_hidden_states=True)
    backbone = load("small")
    assert_close(embed_windows(backbone, ROWS), made.last_hidden_state.mean(1))
    for i in (0, 2):
        layer = of_layer(backbone, f"layer_{i}")
        assert_close(embed_windows(layer, ROWS), made.hidden_states[i].mean(1))
    alone = embed_windows(backbone, ROWS[:1])
    np.testing.assert_allclose(alone, embed_windows(backbone, ROWS)[:1], rtol=0, atol=1e-5)


def test_a_classifier_gives_its_classes(saved) -> None:
    model, extract = saved(
        spectrogram(),
        model_class="AutoModelForAudioClassification",
        outputs={"embedding": {"name": "pooler_output", "dim": 16}},
        classes={"name": "logits", "dim": 3, "labels": "config"},
    )
    fed = extract(list(ROWS), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        logits, pooled = model(**fed).logits, model.base_model(**fed).pooler_output
    backbone: Any = load("small")
    assert_close(embed_windows(backbone, ROWS), pooled)
    ours = embed_windows(of_layer(backbone, "logits"), ROWS)
    assert_close(ours, logits)
    assert_close(class_scores(backbone, ours), torch.sigmoid(logits))
    assert backbone.class_list.names == ("owl", "wren", "frog")


def test_the_audio_branch_of_clap_stands_alone(saved) -> None:
    model, extract = saved(
        clap(),
        model_class="ClapAudioModelWithProjection",
        outputs={"embedding": {"name": "audio_embeds", "dim": 16}},
    )
    fed = extract(list(ROWS), sampling_rate=RATE, return_tensors="pt")
    with torch.inference_mode():
        whole = model.audio_projection(model.audio_model(**fed).pooler_output)
    assert_close(embed_windows(load("small"), ROWS), whole)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sample_rate": 32_000, "window_s": 0.5}, "sample_rate: .* takes 16000 Hz, not 32000"),
        ({"model_class": "AutoModell"}, "model_class: .*did you mean 'AutoModel'"),
        (
            {"outputs": {"a": {"name": "hidden_states.7", "dim": 16, "pooling": "mean"}}},
            r"output: unknown value 'hidden_states\.7'; did you mean 'hidden_states\.\d'",
        ),
        (
            {"outputs": {"a": {"name": "last_hidden_state", "dim": 17, "pooling": "mean"}}},
            "dim: 17",
        ),
        (
            {"model_class": "AutoModelForAudioClassification"},
            "net holds no weights for classifier.*: it was made for another class",
        ),
    ],
)
def test_another_model_is_refused_in_a_line(saved, changed, message: str) -> None:
    saved(speech(), **changed)
    with pytest.raises((ParameterError, WeightsError), match=message) as caught:
        embed_windows(load("small"), ROWS)
    assert str(caught.value).startswith("small.yaml: ")
    assert "\n" not in str(caught.value)


def test_code_of_a_model_is_never_run(saved, tmp_path: Path) -> None:
    saved(speech())
    file = tmp_path / "net" / "config.json"
    config = json.loads(file.read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.C", "AutoModel": "mine.M"}}
    file.write_text(json.dumps(config))
    (tmp_path / "net" / "mine.py").write_text("raise SystemExit('run')\n")
    with pytest.raises(WeightsError, match=r"small\.yaml: net cannot be loaded") as caught:
        embed_windows(load("small"), ROWS)
    assert "\n" not in str(caught.value)


def test_no_pickle_is_loaded(saved, tmp_path: Path) -> None:
    model, _ = saved(speech())
    (tmp_path / "net" / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "net" / "pytorch_model.bin")
    with pytest.raises(WeightsError, match=r"small\.yaml: net cannot be loaded.*safetensors"):
        embed_windows(load("small"), ROWS)


def test_a_model_that_is_nowhere_says_what_to_do(saved, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    saved(speech(), weights={"handle": "nobody/nothing"})
    with pytest.raises(WeightsError, match=r"nobody/nothing cannot be had .*FAUNASHOT_WEIGHTS"):
        load("small")
    monkeypatch.setenv("FAUNASHOT_WEIGHTS", str(tmp_path / "brought"))
    (tmp_path / "brought" / "nobody").mkdir(parents=True)
    (tmp_path / "net").rename(tmp_path / "brought" / "nobody" / "nothing")
    assert embed_windows(load("small"), ROWS).shape == (3, 16)
