"""Our own declarations of transformers, each on a model of its class with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_transformers import clap, spectrogram, speech, speech_of_wav2vec2, write_tokeniser

from faunashot.backbones._audioset import class_names
from faunashot.backbones._declared.check import Checked, check
from faunashot.backbones._declared.declaration import read_declaration
from faunashot.backbones._declared.sources import OURS
from faunashot.backbones.base import load
from faunashot.estimators.text_prototypes import unit
from faunashot.features.extractors import of_layer

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

pytestmark = pytest.mark.slow

BASE = {"hidden_size": 768, "num_hidden_layers": 10, "num_attention_heads": 12}
"""As published, but for two blocks of twelve and the width inside a block."""


def ast() -> tuple[Any, Any]:
    far = {"frequency_stride": 64, "time_stride": 64}  # a tenth of the patches
    return spectrogram(classes=class_names(), bands=128, max_length=1024, **far, **BASE)


def of_clap() -> tuple[Any, Any]:
    return clap(dim=512, mel={"frequency_min": 50}, spec_size=256, window_size=8)


MADE: dict[str, Callable[[], tuple[Any, Any]]] = {
    "ast": ast,
    "clap_general": of_clap,
    "clap_unfused": of_clap,
    "hubert_base": lambda: speech(**BASE),
    "wav2vec2_base": lambda: speech_of_wav2vec2(**BASE),
}
TRANSFORMERS = [f for f in sorted(OURS.glob("*.yaml")) if "runtime: transformers" in f.read_text()]


@pytest.fixture(scope="module", params=TRANSFORMERS, ids=lambda file: file.stem)
def ours(request, tmp_path_factory) -> tuple[Path, Any, Any]:
    """A declaration of ours, and the model that lies where it looks for the published one."""
    file = request.param
    folder = tmp_path_factory.mktemp("weights")
    at = folder / read_declaration(file).weights.handle
    model, extract = MADE[file.stem]()
    for part in (model, extract):
        part.save_pretrained(at)
    write_tokeniser(at)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAUNASHOT_WEIGHTS", str(folder))
        yield file, model.eval(), extract


@pytest.fixture(scope="module")
def checked(ours) -> Checked:
    return check(ours[0])


def test_it_is_what_is_declared(ours, checked) -> None:
    declared = read_declaration(ours[0])
    assert checked.remarks == []
    assert checked.facts["deterministic"] == checked.facts["batch-invariant"] == "yes"
    for layer, output in declared.layers.items():
        assert checked.facts[f"layer {layer}"] == f"{output.dim} numbers a window"
    assert ("texts" in checked.facts) == (declared.text is not None)
    assert ("classes" in checked.facts) == (declared.classes is not None)


def test_its_layers_are_those_of_the_model(ours) -> None:
    file, model, extract = ours
    declared, backbone = read_declaration(file), load(file.stem)
    noise = np.random.default_rng(0).normal(0, 0.1, declared.window_samples).astype(np.float32)
    fed = extract([noise], sampling_rate=declared.sample_rate, return_tensors="pt")
    with torch.inference_mode():
        if declared.text is not None:
            made = {"audio_embeds": model.get_audio_features(**fed).pooler_output}
        else:
            made = {**model(**fed), **model.base_model(**fed, output_hidden_states=True)}
    for layer, output in declared.layers.items():
        of = of_layer(backbone, layer)
        found = of.network(of.front_end(noise))
        name, _, at = output.name.partition(".")
        theirs = (made[name][int(at)] if at else made[name]).numpy()
        if output.pooling == "mean":
            theirs = theirs.mean(axis=1)
        if name == "audio_embeds":  # which transformers gives of length 1
            found = unit(found)
        np.testing.assert_allclose(found, theirs, rtol=0, atol=2e-5 * np.abs(theirs).max())
