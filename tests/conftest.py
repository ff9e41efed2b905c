"""What all tests share: the real recordings and weights that lie beside the checkout."""

from __future__ import annotations

import os
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
