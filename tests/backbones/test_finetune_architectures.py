"""Fine-tuning of each architecture on the demo corpus: the loss falls, and a cut run goes on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from windowed import windowed

from faunashot.audio.synth import CLASSES, recordings
from faunashot.backbones.base import BACKBONES, load
from faunashot.backbones.yamnet.network import yamnet_network
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.examples import Examples
from faunashot.estimators.windows.end_to_end import FineTuned
from faunashot.frontends.base import FrontEnd
from faunashot.runtimes.keras_network import LayeredNetwork

from made_up import made_up_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KINDS = {
    "yamnet": {},
    "panns_mobilenet_v1": {},
    "openl3_mel128": {},
    "resnet50_mel": {},
    "whisper_tiny": {},
    "esresnext_fbsp": {},
    "audioclip": {},
}


class Yamnet:
    def build(self, n_targets: int, *, seed: int) -> LayeredNetwork:
        network = yamnet_network(n_targets, seed=seed, precision="float32")
        for name, variable in network.variables.items():
            if name.endswith("/depthwise_kernel"):  # drawn as if each summed over all channels
                variable.assign(variable * variable.shape[2] ** 0.5)
        return network


@cache
def clips(front_end: FrontEnd) -> Examples:
    """The first window of two recordings of each of two animals."""
    found = recordings(40, background_share=0, sample_rate=front_end.sample_rate)
    of = [one for one in islice(found, 40) if one.label in CLASSES[:2]][:4]
    X = np.stack([front_end(one.audio)[0].ravel() for one in of])
    return windowed(X, [one.label for one in of])


def backbone(name: str, folder: Path) -> Any:
    if name == "yamnet":
        return Yamnet()
    return load(name, weights=str(made_up_file(name, folder)))


@pytest.mark.parametrize("name", KINDS)
def test_the_loss_falls_and_a_cut_run_goes_on(name: str, tmp_path: Path) -> None:
    import time
    t0 = time.process_time()
    made = backbone(name, tmp_path)
    fe = BACKBONES[name].front_end_class
    learn = clips(fe(hop_s=fe.window_s))
    print(name, "made", time.process_time() - t0)
    settings = {"epochs": 2, "batch_size": 2, "accumulate": 2, "C": 1e-4, "start_share": 0,
      "masks": 0, "learning_rate": float(os.environ.get("LR", "1e-5")), "warm_up": 0.1, **KINDS[name]}
    kept, cut = tmp_path / "whole.npz", tmp_path / "cut.npz"

    def keep_the_first(facts: Mapping[str, Any]) -> None:
        if facts["epoch"] == 1:
            shutil.copy(kept, cut)

    whole = FineTuned(**settings).fit(learn, context=TrainingContext(lambda: made, kept, keep_the_first))
    print([f.get("loss") for f in whole.history_], time.process_time() - t0)
    resumed = FineTuned(**settings).fit(learn, context=TrainingContext(lambda: made, cut))
    print([f.get("loss") for f in resumed.history_], time.process_time() - t0)
    same = all(np.array_equal(a, resumed.network_.arrays()[n]) for n, a in whole.network_.arrays().items())
    print("SAME", same)
