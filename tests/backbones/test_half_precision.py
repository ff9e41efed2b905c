"""Training in half precision, as on a GPU: what each network is built of, and that one learns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from made_up import LIKE, is_keras
from windowed import windowed

from faunashot.backbones._whisper.front_end import BANDS, FRAMES
from faunashot.backbones._whisper.model import Whisper, layer_widths
from faunashot.backbones._whisper.network import Size
from faunashot.backbones.base import BACKBONES, default_layer
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.windows.end_to_end import FineTuned
from faunashot.runtimes.keras_network import LayeredNetwork, with_classifier

pytestmark = pytest.mark.slow

HALF = "mixed_float16"


def half(kind: Any, n_targets: int, *, seed: int = 0) -> LayeredNetwork:
    """A network as `KerasBackbone.build` makes it on a GPU, with weights that are drawn."""
    encoder = kind.encoder(HALF)
    embedding = encoder.outputs[default_layer(kind)]
    marked = kind.front_end_class.marked
    made = {"seed": seed, "precision": HALF, "marked": marked}
    return with_classifier(encoder.inputs, embedding, encoder.blocks, n_targets, **made)


@pytest.mark.parametrize("name", [n for n in BACKBONES if is_keras(n) and n not in LIKE])
def test_layers_compute_in_half_precision_and_keep_their_weights_in_single(name: str) -> None:
    network = half(BACKBONES[name], 2)
    computing = {layer.compute_dtype for layer in network.body.layers if layer.weights}
    assert "float16" in computing
    assert {v.dtype for v in network.model.variables if v.dtype != "int32"} == {"float32"}
    assert network.model.output.dtype == "float32"


class Small(Whisper):
    """Of the same parts as the published ones."""

    size = Size(width=16, blocks=1, heads=2)
    layers = layer_widths(size)


class Backbone:
    def build(self, n_targets: int, *, seed: int) -> LayeredNetwork:
        return half(Small, n_targets, seed=seed)


def test_a_transformer_learns_in_half_precision() -> None:
    """Its marks of the recording, too, are read as they are."""
    rng = np.random.default_rng(0)
    X = rng.normal(0, 0.5, (4, FRAMES, BANDS + 1)).astype(np.float32)
    X[..., BANDS] = np.arange(FRAMES) < 500
    for row, bands in zip(X, [10, 50, 10, 50], strict=True):
        row[:500, bands : bands + 20] += 1
    learn = windowed(X.reshape(4, -1), ["hen", "owl"] * 2)
    plain = {"masks": 0, "start_share": 0.0, "C": 1e-4, "learning_rate": 1e-3, "layer_decay": 1.0}
    model = FineTuned(epochs=6, batch_size=2, accumulate=2, **plain)
    model.fit(learn, context=TrainingContext(Backbone))
    losses = [facts["loss"] for facts in model.history_[1:]]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert np.isfinite(model.predict(learn).windows).all()
