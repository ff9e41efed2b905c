"""A bar is drawn on a terminal alone, with what is counted and how fast."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from faunashot import progress as of_bars
from faunashot.progress import QUIET, progress, tracked

WORK = """
from time import sleep
from faunashot.progress import progress, tracked
for _ in tracked(range(3), "outer"):
    with progress("inner", total=4) as advance:
        for _ in range(4):
            sleep(0.2)
            advance()
    print("a line of its own")
for _ in tracked(range(3), "at once"):
    pass
"""


def on_terminal(code: str, **environ: str) -> str:
    """What a process draws on a terminal of 100 columns."""
    pty = pytest.importorskip("pty", reason="there are no terminals here")
    try:
        ours, its = pty.openpty()
    except OSError as error:
        pytest.skip(f"there are no terminals here: {error}")
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "100", **environ}
    with subprocess.Popen([sys.executable, "-c", code], stdout=its, stderr=its, env=env) as process:
        os.close(its)
        drawn = b""
        while part := _read(ours):
            drawn += part
    os.close(ours)
    assert process.returncode == 0, drawn.decode()
    return drawn.decode()


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # so Linux says that the other end is closed
        return b""


def test_a_terminal_shows_bars_within_bars() -> None:
    drawn = on_terminal(WORK)
    assert "outer" in drawn
    assert "inner" in drawn
    assert "left" in drawn
    assert drawn.count("a line of its own") == 3
    assert "at once" not in drawn  # it was over before it could be read


def test_who_wants_quiet_sees_none() -> None:
    assert on_terminal(WORK, **{QUIET: "1"}).split("\r\n") == [*["a line of its own"] * 3, ""]


def test_where_there_is_no_terminal_nothing_is_drawn(capfd) -> None:
    with progress("owls", total=3) as advance:
        advance()
        advance(2, was_done=True)
    assert list(tracked(iter("owl"), "owls", total=3)) == list("owl")
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard error as a terminal, and bars that are drawn at once."""
    monkeypatch.setattr(of_bars, "_is_terminal", lambda: True)
    monkeypatch.setattr(of_bars, "_FIRST_S", 0)
    monkeypatch.setattr(of_bars, "_EVERY_S", 0)
    for name, value in {"TERM": "xterm", "COLUMNS": "120", "FORCE_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_COLOR", QUIET):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("unit", "was_done", "shown"),
    [("", False, "3/3"), ("h of audio", False, "3/3 h of audio"), ("h of audio", True, "3/3 h of")],
)
@pytest.mark.usefixtures("at_once")
def test_a_terminal_shows_how_far_it_is(unit, was_done, shown, capfd) -> None:
    with progress("owls", total=3, unit=unit) as advance:
        for _ in range(2):
            advance(1.5, was_done=was_done)
        time.sleep(0.2)  # it is drawn ten times a second
    out, drawn = capfd.readouterr()
    assert out == ""
    assert "owls" in drawn
    assert shown in drawn


def test_counting_costs_next_to_nothing(at_once, monkeypatch, capfd) -> None:
    monkeypatch.setattr(of_bars, "_EVERY_S", 0.1)
    began = time.perf_counter()
    with progress("owls", total=100_000) as advance:
        for _ in range(100_000):
            advance()
    took_us = 1e6 * (time.perf_counter() - began) / 100_000
    assert took_us < 10, f"{took_us:.1f} us a call"
    assert "owls" in capfd.readouterr().err
