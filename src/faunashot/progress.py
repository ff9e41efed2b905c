"""How far a command is: bars on standard error, where that is a terminal."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress

QUIET = "FAUNASHOT_QUIET"
"""Environment variable; set to anything for errors and answers alone, without bars."""

_FIRST_S, _EVERY_S = 0.5, 0.1
"""After which time a bar appears, and how often it is given what is done."""

Item = TypeVar("Item")


def is_quiet() -> bool:
    """Whether errors and answers alone are wanted."""
    return bool(os.environ.get(QUIET))


def say(line: str) -> None:
    """Print a line about the work, which is no answer; above the bars, where there are any."""
    if not is_quiet():
        print(line, file=sys.stderr, flush=True)


def _is_terminal() -> bool:
    return sys.stderr.isatty()


class Advance(Protocol):
    """What is called as work is done."""

    def __call__(self, amount: float = 1, *, was_done: bool = False) -> None:
        """So much more is done; `was_done` before, so that it does not count for the speed."""
        ...


@contextmanager
def progress(title: str, *, total: float, unit: str = "") -> Iterator[Advance]:
    """Draw a bar with the time left, and with a unit the speed; gives what to call.

    Work of less than half a second shows none. Bars of work within work are drawn below each other.

    Parameters
    ----------
    title : str
        Of the work.
    total : float
        How much there is of it.
    unit : str
        What is counted, such as "h of audio"; none where things are.
    """
    if is_quiet() or not _is_terminal():
        yield lambda amount=1, *, was_done=False: None
        return
    bar = _Bar(title, total, unit)
    try:
        yield bar.advance
    finally:
        bar.close()


def tracked(items: Iterable[Item], title: str, *, total: int | None = None) -> Iterator[Item]:
    """Yield items, which are counted by a bar once they have been dealt with.

    Parameters
    ----------
    items : iterable
    title : str
        Of the work.
    total : int, optional
        How many there are, where `items` cannot tell.
    """
    if total is None:
        items = items if isinstance(items, Collection) else list(items)
        total = len(items)
    with progress(title, total=total) as advance:
        for item in items:
            yield item
            advance()


class _Bar:
    """One bar, which hands what is done to the display now and then: that costs a lock."""

    def __init__(self, title: str, total: float, unit: str) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._done = self._was_done = 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._shown: Progress | None = None
        self._is_closed = False
        self._appears = threading.Timer(_FIRST_S, self._appear)
        self._appears.daemon = True
        self._appears.start()

    def advance(self, amount: float = 1, *, was_done: bool = False) -> None:
        """As `Advance`."""
        with self._lock:
            self._done += amount
            self._was_done += amount * was_done
            if self._shown is not None and time.monotonic() >= self._next:
                self._draw(self._shown)
                self._next = time.monotonic() + _EVERY_S

    def _appear(self) -> None:
        with self._lock:
            if self._is_closed:
                return
            self._shown = _DISPLAY.open()
            self._task = self._shown.add_task(self._title, total=self._total, unit=self._unit)
            self._draw(self._shown)

    def _draw(self, shown: Progress) -> None:
        if self._was_done:  # an update would count for the speed
            shown.tasks[shown.task_ids.index(self._task)].completed += self._was_done
        shown.advance(self._task, self._done - self._was_done)
        self._done = self._was_done = 0.0

    def close(self) -> None:
        """Take the bar away."""
        self._appears.cancel()
        with self._lock:
            self._is_closed = True
            if self._shown is not None:
                self._shown.remove_task(self._task)
                _DISPLAY.close()


class _Display:
    """All bars: rich draws one display at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars = 0

    def open(self) -> Progress:
        """The display, drawn until as many calls of `close`."""
        with self._lock:
            if not self._bars:
                self._progress = _display()
                self._progress.start()
            self._bars += 1
            return self._progress

    def close(self) -> None:
        """Stop drawing, where no other bar is open."""
        with self._lock:
            self._bars -= 1
            if not self._bars:
                self._progress.stop()


_DISPLAY = _Display()


def _display() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text

    class Amount(ProgressColumn):
        def render(self, task: Task) -> Text:
            shown = f"{task.completed:.4g}/{task.total:.4g}"
            if unit := task.fields["unit"]:
                shown += f" {unit}" + (f", {60 * task.speed:.1f} a minute" if task.speed else "")
            return Text(shown)

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        Amount(),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=300,
    )
