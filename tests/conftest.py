"""What all tests share: the real recordings and weights that lie beside the checkout."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data: FAUNASHOT_SHARED, or `shared` beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("FAUNASHOT_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data: {folder} is missing, set FAUNASHOT_SHARED")
    return folder


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of ten recordings a class whose pipeline has run undisturbed."""
    from pipeline_project import call, new_project, ten_a_class

    project = new_project(tmp_path_factory.mktemp("whole"), ten_a_class)
    done = call(project, "dvc", "repro")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return project


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of the whole project to do harm to."""
    return shutil.copytree(whole, tmp_path / "copy", symlinks=True)
