"""The stages of the pipeline as functions, a module each: parameters in, files out."""

from __future__ import annotations

import gc
from importlib import import_module
from pathlib import Path

STAGES = ("check", "ingest", "audit", "embed", "train", "evaluate", "report")
"""In the order in which they run; each is a module here with a function `run`."""


def run_stage(name: str) -> None:
    """Run a stage on the parameters of the working directory; an error of ours ends the process.

    Parameters
    ----------
    name : str
        One of `STAGES`.
    """
    from faunashot.changed import print_changed
    from faunashot.errors import FaunashotError, ends_in_one_line
    from faunashot.params import load_params

    # What imports make is there to stay: to look through it again and again is a sixth of a stage.
    gc.set_threshold(100_000)
    with ends_in_one_line():
        try:
            import_module(f"{__name__}.{name}").run(load_params())
        except FaunashotError:
            print_changed(Path())
            raise
    if name == STAGES[-1]:
        print_changed(Path())
