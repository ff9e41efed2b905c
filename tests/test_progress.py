"""A bar is drawn on a terminal alone, with what is counted and how fast."""

from __future__ import annotations

import sys

import pytest

from faunashot.progress import progress


def test_where_there_is_no_terminal_nothing_is_drawn(capfd) -> None:
    with progress("owls", total=3) as advance:
        advance()
        advance(2, was_done=True)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("unit", "was_done", "shown"),
    [("", False, "3/3"), ("h of audio", False, "3/3 h of audio"), ("h of audio", True, "3/3 h of")],
)
def test_a_terminal_shows_how_far_it_is(unit, was_done, shown, capfd, monkeypatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for name, value in {"TERM": "xterm", "COLUMNS": "120", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    with progress("owls", total=3, unit=unit) as advance:
        for _ in range(2):
            advance(1.5, was_done=was_done)
    out, drawn = capfd.readouterr()
    assert out == ""
    assert "owls" in drawn
    assert shown in drawn
