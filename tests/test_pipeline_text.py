"""A backbone that hears and reads, of another package, through the pipeline to served models."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from pipeline_project import call, change, new_project, ten_a_class

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

PACKAGE = '''
"""Two towers into one space: the mean spectrum of a patch, and the pitch of an animal."""

import hashlib

import numpy as np

from faunashot import options
from faunashot.backbones.base import Backbone, Card
from faunashot.frontends.mel_patches import FMAX_HZ, FMIN_HZ, MelPatches

PITCH_HZ = {"frog": 500, "owl": 800, "hoot": 800, "wren": 1200}


class Duet(Backbone):
    """Both towers give 64 bands."""

    class Options(options.Options):
        """Step between windows in seconds."""

        hop_s: float = 0.96

    card = Card("duet", "1", "CC0-1.0", "Nobody. 2026.", "https://example.org", "nothing")
    layers = {"embedding": 64}
    front_end_class = MelPatches
    text_scale = 20.0

    def __init__(self, *, hop_s):
        self.front_end = MelPatches(hop_s=hop_s)
        self.weights_hash = hashlib.sha256(b"duet").hexdigest()

    def embed(self, inputs, *, layer):
        bands = np.asarray(inputs).mean(axis=1)
        return (bands - bands.mean(axis=1, keepdims=True)).astype(np.float32)

    def embed_text(self, prompts):
        return np.stack([self._band(prompt) for prompt in prompts])

    def _band(self, prompt):
        low, high, *at = (np.log1p(hz / 700) for hz in (FMIN_HZ, FMAX_HZ, *(
            hz for name, hz in PITCH_HZ.items() if name in prompt)))
        bump = np.zeros(64)
        for one in at:
            bump += np.exp(-0.5 * ((np.arange(64) - 64 * (one - low) / (high - low)) / 2) ** 2)
        return (bump - bump.mean()).astype(np.float32)
'''
METADATA = "Metadata-Version: 2.1\nName: duet\nVersion: 1\n"
ENTRIES = "[faunashot.backbones]\nduet = duet:Duet\n"

SERVED = """
import base64, json, pathlib
import pandas as pd
from faunashot.recogniser import Recogniser
from faunashot.tracking import store
from faunashot.tracking.models import registered_name

root = pathlib.Path.cwd()
store.connect(root)
name = registered_name("folder", pathlib.Path("data/recordings"))
served = store.mlflow.pyfunc.load_model(f"models:/{name}@champion")
names = [f"{label}-{n}" for label in ("frog", "owl", "wren") for n in (0, 5)]
files = [root / f"data/recordings/{name}.wav" for name in names]
table = pd.DataFrame({"audio": [base64.b64encode(file.read_bytes()).decode() for file in files]})
here = Recogniser.load(root / "models" / MODEL)
answers = zip(files, served.predict(table), (here.recognise(file) for file in files))
print(json.dumps([[f.stem, row["probabilities"], one.probabilities] for f, row, one in answers]))
"""

RIGHT = """
import json, pathlib
from faunashot.recogniser import Recogniser

here = Recogniser.load(pathlib.Path("models") / MODEL)
files = sorted(pathlib.Path("data/recordings").glob("*.wav"))
print(json.dumps([here.recognise(file).label == file.stem.split("-")[0] for file in files]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed in."""
    folder = tmp_path_factory.mktemp("site")
    about = folder / "duet-1.dist-info"
    about.mkdir()
    (folder / "duet.py").write_text(PACKAGE)
    (about / "METADATA").write_text(METADATA)
    (about / "entry_points.txt").write_text(ENTRIES)
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Path:
    """A project whose pipeline has run with what the package reads, and no label learned."""
    project = new_project(tmp_path_factory.mktemp("text"), ten_a_class)
    change(project, backbone="duet", protocol__name="zero_shot", evaluation__n_bootstrap=200)
    change(project, protocols__zero_shot__mode="text")
    change(project, protocols__zero_shot__words={"owl": ["hoot"]})
    done = call(project, "dvc", "repro", "evaluate", site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return project


def figures(project: Path) -> dict[str, float]:
    return json.loads((project / "metrics.json").read_text())


def printed(project: Path, site: Path, script: str, model: str) -> list:
    """What a script prints of a model of the project, where the package is installed."""
    done = call(project, sys.executable, "-c", script.replace("MODEL", repr(model)), site=site)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_text_then_labelled_clips_beside_it(project: Path, site: Path) -> None:
    """One test, as the second run needs what the first has embedded."""
    by_text = figures(project)
    assert by_text["accuracy"] > 0.5  # chance is a third
    assert by_text["clips"] == 30
    facts = json.loads((project / "models/duet-rectified/model.json").read_text())["facts"]
    assert (facts["mode"], facts["words"]) == ("text", {"owl": ["hoot"]})
    scored = pd.read_parquet(project / "predictions/held_out.parquet").set_index("clip_id")
    for name, served, here in printed(project, site, SERVED, "duet-rectified"):
        as_scored = scored.loc[f"{name}.wav", [f"p_{label}" for label in served]]
        assert served == pytest.approx(here, abs=1e-6)
        assert list(served.values()) == pytest.approx(as_scored.tolist(), abs=1e-5)

    change(project, protocol__name="few_shot", protocol__k=2, system="muka-adapter")
    change(project, backbone="duet+logmel_stats")
    change(project, protocols__few_shot={"k_values": [2], "episodes": 5, "source_clips": 10})
    done = call(project, "dvc", "repro", "evaluate", site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    (embedded,) = re.findall(r" windows by duet \S+, (\d+) of them embedded now", done.stderr)
    assert int(embedded) == 0
    assert figures(project)["accuracy"] > by_text["accuracy"] - 0.1
    model = project / "models/duet+logmel_stats-muka-adapter"
    assert json.loads((model / "model.json").read_text())["system"]["settings"]["recipe"] == "muka"
    right = printed(project, site, RIGHT, model.name)
    assert sum(right) > 15  # of thirty; chance is ten
