"""How far a command is: a bar on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Advance(Protocol):
    """What is called as work is done."""

    def __call__(self, amount: float = 1, *, was_done: bool = False) -> None:
        """So much more is done; `was_done` before, so that it does not count for the speed."""
        ...


@contextmanager
def progress(title: str, *, total: float, unit: str = "") -> Iterator[Advance]:
    """Draw a bar with the time left, and with a unit the speed; gives what to call.

    Parameters
    ----------
    title : str
        Of the work.
    total : float
        How much there is of it.
    unit : str
        What is counted, such as "h of audio"; none where things are.
    """
    if not sys.stderr.isatty():
        yield lambda amount=1, *, was_done=False: None
        return
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
            if unit:
                shown += f" {unit}" + (f", {60 * task.speed:.1f} a minute" if task.speed else "")
            return Text(shown)

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        Amount(),
        TimeRemainingColumn(),
        TextColumn("left"),
        console=Console(stderr=True),
        transient=True,
        speed_estimate_period=300,
    )
    with bar:
        task = bar.add_task(title, total=total)

        def advance(amount: float = 1, *, was_done: bool = False) -> None:
            if was_done:
                bar.tasks[task].completed += amount  # an update would count for the speed
            else:
                bar.advance(task, amount)

        yield advance
