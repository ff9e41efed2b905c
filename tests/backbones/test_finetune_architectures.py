"""Fine-tuning of each architecture on the demo corpus: the loss falls, and a cut run goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up import made_up_file
from windowed import windowed

from faunashot.audio.synth import CLASSES, recordings
from faunashot.backbones.base import BACKBONES, load
from faunashot.backbones.yamnet.network import yamnet_network
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.examples import Examples
from faunashot.estimators.windows.end_to_end import FineTuned
from faunashot.runtimes.keras_network import LayeredNetwork
from faunashot.systems.catalogue import system

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SYSTEMS = {
    "yamnet": "end_to_end",
    "panns_mobilenet_v1": "end_to_end",  # the smallest of its kind
    "openl3_mel128": "end_to_end",
    "whisper_tiny": "whisper-finetune",
    "resnet50_mel": "resnet50-finetune",
    "esresnext_fbsp": "esresnext-finetune",
    "audioclip": "audioclip-finetune",
}
"""The system that trains a network of each architecture."""

LONG = "FAUNASHOT_LONG" in os.environ
NOT_TRIED = {
    "audioclip": "it is esresnext_fbsp with a layer more",
    "resnet50_mel": "its layers are Keras' own",
    "esresnext_fbsp": "tests/backbones/test_esresnext_layers.py trains every part of it",
}
NOT_RESUMED = ("whisper_tiny", "resnet50_mel", "esresnext_fbsp", "audioclip")
IN_PART = ("esresnext_fbsp",)
"""What is tried with FAUNASHOT_LONG=1 alone, and what trains its last two parts without it: CI has
few processor seconds."""

HERE = {"epochs": 2, "stop_at": 2, "batch_size": 1, "accumulate": 2}
HERE |= {"without_gpu": "same", "start": "probe", "head_epochs": 0}
"""In place of the system's: a step an epoch, at which all clips count."""
STILL = {"masks": 0, "label_smoothing": 0.0, "start_share": 0.0, "C": 1e-4}
"""So that the loss of each epoch is of the same windows, and not the least to begin with."""
RATES = {"learning_rate": 1e-5, "body_learning_rate": 1e-5}


class Yamnet:
    """Its network with weights that are drawn."""

    def build(self, n_targets: int, *, seed: int) -> LayeredNetwork:
        network = yamnet_network(n_targets, seed=seed, precision="float32")
        for name, variable in network.variables.items():
            if name.endswith("/depthwise_kernel"):  # drawn as if each summed over all channels
                variable.assign(variable * variable.shape[2] ** 0.5)
        return network


@dataclass(frozen=True)
class Trained:
    """A network that was trained undisturbed, and its checkpoint after the first epoch."""

    name: str
    learn: Examples
    backbone: Any
    model: FineTuned
    checkpoint: Path

    def fit(self) -> FineTuned:
        """Train from the checkpoint on."""
        context = TrainingContext(lambda: self.backbone, self.checkpoint)
        return estimator(self.name).fit(self.learn, context=context)


def estimator(name: str) -> Any:
    part = {"trained": 2} if name in IN_PART and not LONG else {}
    return system(SYSTEMS[name]).estimator(seed=0, **HERE, **STILL, **RATES, **part)


def clips(name: str) -> Examples:
    """The first window of a recording of each of two animals."""
    kind = BACKBONES[name].front_end_class
    front_end = kind(hop_s=kind.window_s)
    found = recordings(20, background_share=0, sample_rate=kind.sample_rate)
    audio = {one.label: one.audio for one in found if one.label in CLASSES[:2]}
    return windowed(np.stack([front_end(audio[n])[0].ravel() for n in audio]), [*audio])


@pytest.fixture(scope="module", params=SYSTEMS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    name = request.param
    if name in NOT_TRIED and not LONG:
        pytest.skip(f"{name} is trained with FAUNASHOT_LONG=1 alone: {NOT_TRIED[name]}")
    folder = tmp_path_factory.mktemp(name)
    whole, cut = folder / "whole.npz", folder / "cut.npz"

    def keep_the_first(facts: Mapping[str, Any]) -> None:
        if facts["epoch"] == 1:
            shutil.copy(whole, cut)

    own = name == "yamnet"
    backbone = Yamnet() if own else load(name, weights=str(made_up_file(name, folder)))
    context = TrainingContext(lambda: backbone, whole, keep_the_first)
    learn = clips(name)
    model = estimator(name).fit(learn, context=context)
    return Trained(name, learn, backbone, model, cut)


def test_the_loss_of_what_is_learned_from_falls(trained: Trained) -> None:
    first, second = (facts["loss"] for facts in trained.model.history_[1:])
    assert np.isfinite(first)
    assert second < first


def test_what_was_cut_after_an_epoch_ends_as_if_it_had_not_been(trained: Trained) -> None:
    if trained.name in NOT_RESUMED and not LONG:
        pytest.skip(f"{trained.name} is resumed with FAUNASHOT_LONG=1 alone: it takes long")
    resumed, whole = trained.fit(), trained.model
    assert [f.get("loss") for f in resumed.history_] == [f.get("loss") for f in whole.history_]
    expected = whole.network_.arrays()
    for name, array in resumed.network_.arrays().items():
        np.testing.assert_array_equal(array, expected[name], err_msg=name)
