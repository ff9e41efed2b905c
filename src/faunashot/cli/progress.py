"""How far a command is: hours of audio a minute, or how many of how many, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faunashot.features.engine import Done


@contextmanager
def count(name: str, *, total: int) -> Iterator[Callable[[], None]]:
    """Draw a bar of so many on standard error, where that is a terminal; gives what to call."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task(name, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def progress(name: str, *, total_s: float) -> Iterator[Callable[[Done], None]]:
    """Draw a bar on standard error, where that is a terminal; gives what to tell of each step.

    What was there already counts as done, but not for the speed and the time left.
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
        speed_estimate_period=300,
    )
    with bar:
        task = bar.add_task(name, total=total_s, rate="")
        began, heard_s = time.perf_counter(), 0.0

        def on_done(done: Done) -> None:
            nonlocal heard_s
            if not done.embedded:
                bar.tasks[task].completed += done.seconds  # an update would count for the speed
                return
            heard_s += done.seconds
            minutes = (time.perf_counter() - began) / 60
            rate = f"{heard_s / 3600 / minutes:.1f} h of audio a minute"
            bar.update(task, advance=done.seconds, rate=rate)

        yield on_done
