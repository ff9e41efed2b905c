"""A served model whose recogniser is a fake: no backbone, no weights."""

from __future__ import annotations

import sys

import fake_recogniser
import pytest


@pytest.fixture
def fake_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faunashot.recogniser", fake_recogniser)
