"""Declared models that hear and read, against transformers' own CLAP with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from embedding import embed_windows
from small_transformers import LONGEST, RATE, clap, write_tokeniser

from faunashot.backbones._declared.check import check
from faunashot.backbones.base import HasText, load
from faunashot.errors import ParameterError, WeightsError
from faunashot.estimators.prompts import text_prototypes
from faunashot.estimators.text_prototypes import TextPrototypes, unit

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

pytestmark = pytest.mark.slow

ROWS = np.random.default_rng(3).normal(0, 0.1, (3, RATE)).astype(np.float32)
TEXTS = ["a tawny owl", "the sound of a frog that calls", "wren"]
RELATIVE = 2e-5
"""Of the largest number of the reference."""

TEXT = {
    "model_class": "ClapTextModelWithProjection",
    "name": "text_embeds",
    "scale": "logit_scale_a",
}
BLOCK: dict[str, Any] = {
    "version": "1",
    "licence": "CC0-1.0",
    "citation": "Nobody. 2026.",
    "trained_on": "nothing",
    "runtime": "transformers",
    "weights": {"handle": "net"},
    "model_class": "ClapAudioModelWithProjection",
    "sample_rate": RATE,
    "window_s": 1.0,
    "padding": "repeat",
    "outputs": {"embedding": {"name": "audio_embeds", "dim": 16}},
    "text": TEXT,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A folder of declarations with the model in it, the model, and its processor."""
    folder = tmp_path_factory.mktemp("backbones")
    model, extract = clap()
    for part in (model, extract):
        part.save_pretrained(folder / "net")
    write_tokeniser(folder / "net")
    tokens = transformers.AutoTokenizer.from_pretrained(folder / "net")
    return folder, model.eval(), transformers.ClapProcessor(extract, tokens)


@pytest.fixture
def declare(made: tuple[Path, Any, Any], monkeypatch: pytest.MonkeyPatch):
    """Declare the model, with keys changed, and load it."""
    folder = made[0]
    monkeypatch.setenv("FAUNASHOT_BACKBONES", str(folder))

    def declared(**changed: Any) -> Any:
        (folder / "small.yaml").write_text(yaml.safe_dump(BLOCK | changed, sort_keys=False))
        return load("small")

    return declared


def reference(made: tuple[Path, Any, Any], windows: Any) -> Any:
    """What transformers makes of windows and texts together, padded to one length."""
    _, model, process = made
    fed = process.feature_extractor(list(windows), sampling_rate=RATE, return_tensors="pt")
    fed |= process.tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        return model(**fed)


def assert_close(ours: Any, theirs: Any) -> None:
    expected = theirs.numpy()
    assert ours.shape == expected.shape
    bound = RELATIVE * np.abs(expected).max()
    np.testing.assert_allclose(ours, expected, rtol=0, atol=bound)


def test_both_towers_and_their_logits_are_those_of_its_authors(made, declare) -> None:
    backbone, theirs = declare(), reference(made, ROWS)
    assert isinstance(backbone, HasText)
    audio, text = embed_windows(backbone, ROWS), backbone.embed_text(TEXTS)
    assert_close(unit(audio), theirs.audio_embeds)
    assert_close(unit(text), theirs.text_embeds)
    assert backbone.text_scale == pytest.approx(18.0)
    assert_close(backbone.text_scale * unit(audio) @ unit(text).T, theirs.logits_per_audio)
    likelihood = TextPrototypes("abc", text, scale=backbone.text_scale).probabilities(audio)
    assert_close(likelihood, torch.softmax(theirs.logits_per_audio, 1))


@pytest.mark.parametrize("samples", [RATE // 5, RATE * 3 // 10, RATE * 7 // 10, RATE])
def test_a_short_recording_is_repeated_as_its_authors_do(made, declare, samples: int) -> None:
    backbone, short = declare(), [row[:samples] for row in ROWS]
    theirs = reference(made, short).audio_embeds
    ours = np.concatenate([backbone.embed(backbone.front_end(row)) for row in short])
    assert_close(unit(ours), theirs)
    if samples < RATE // 2:
        zeros = declare(padding="zeros")
        padded = np.concatenate([zeros.embed(zeros.front_end(row)) for row in short])
        assert np.abs(unit(padded) - theirs.numpy()).max() > 100 * RELATIVE


def test_a_text_does_not_depend_on_those_beside_it(declare) -> None:
    backbone = declare()
    alone = np.concatenate([backbone.embed_text([text]) for text in TEXTS])
    np.testing.assert_array_equal(backbone.embed_text(TEXTS), alone)


def test_prompts_and_own_words_are_read(declare) -> None:
    backbone = declare()
    said = text_prototypes(backbone, ["owl", "sea_dog"], words={"owl": ["hoot", "a hoot"]})
    assert said.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(said, axis=1), 1, rtol=1e-6)


def test_the_text_tower_is_not_loaded_for_audio(declare, monkeypatch) -> None:
    backbone = declare()
    monkeypatch.setattr(
        transformers.AutoTokenizer, "from_pretrained", lambda *a, **k: pytest.fail("loaded")
    )
    assert embed_windows(backbone, ROWS).shape == (3, 16)


def test_features_are_the_same_with_and_without_text(declare) -> None:
    hashes = {declare(**changed).weights_hash for changed in ({}, {"text": None})}
    assert len(hashes) == 1


def test_the_check_tells_of_texts(made, declare) -> None:
    declare()
    found = check(made[0] / "small.yaml")
    assert found.facts["texts"] == "16 numbers a text, cosines times 18"
    assert found.facts["batch-invariant"] == "yes"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"name": "text_embed"},
            "text.name: unknown value 'text_embed'; did you mean 'text_embeds'",
        ),
        ({"name": "pooler_output"}, "text.name: unknown value"),
        ({"name": "last_hidden_state"}, r"text.name: last_hidden_state is \(1, 13, 16\) of a text"),
        ({"model_class": "ClapTextModelWithProjectio"}, "model_class: unknown value"),
        ({"model_class": "RobertaForMaskedLM"}, "net .*"),
    ],
)
def test_another_tower_is_refused_in_a_line(declare, changed, message: str) -> None:
    backbone = declare(text=TEXT | changed)
    with pytest.raises((ParameterError, WeightsError), match=message) as caught:
        backbone.embed_text(TEXTS)
    assert str(caught.value).startswith("small.yaml: ")
    assert "\n" not in str(caught.value)


def test_a_scale_is_a_number_or_a_weight(declare) -> None:
    assert declare(text=TEXT | {"scale": 10}).text_scale == 10
    with pytest.raises(WeightsError, match=r"small\.yaml: net holds no number logit_scale: "):
        _ = declare(text=TEXT | {"scale": "logit_scale"}).text_scale


def test_a_text_that_is_too_long_is_named(declare) -> None:
    with pytest.raises(ParameterError, match=rf"has 102 tokens, of which {LONGEST} are read"):
        declare().embed_text(["owl", "o" * 100])


def test_no_tokeniser_is_one_line(made, declare, tmp_path: Path, monkeypatch) -> None:
    backbone = declare()
    for part in made[1], made[2].feature_extractor:
        part.save_pretrained(tmp_path / "bare")
    monkeypatch.setattr(backbone, "_model", tmp_path / "bare")
    with pytest.raises(WeightsError, match=r"small\.yaml: bare holds none of") as caught:
        backbone.embed_text(TEXTS)
    assert "\n" not in str(caught.value)
