"""The command line as a user meets it, in an empty folder."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from faunashot.cli.main import main


class Answer(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


@pytest.fixture
def faunashot(tmp_path, monkeypatch, capfd) -> Callable[..., Answer]:
    """Run a command in an empty folder; it never shows a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FAUNASHOT_DEBUG", raising=False)

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["faunashot", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        answer = Answer(int(ended.value.code or 0), *capfd.readouterr())
        assert "Traceback" not in answer.err + answer.out
        return answer

    return run
