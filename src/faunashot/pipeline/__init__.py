"""The stages of the pipeline as functions, a module each: parameters in, files out."""

from __future__ import annotations

import gc
import os
import time
from importlib import import_module
from pathlib import Path

STAGES = ("check", "ingest", "audit", "embed", "train", "evaluate", "report")
"""In the order in which they run; each is a module here with a function `run`,
which gives the line that is printed of it."""

EXPERIMENT = "DVC_EXP_NAME"
"""Variable by which DVC names an experiment to its stages."""

NEXT = "Next: `faunashot show` for its figures, `faunashot compare` for those of all"
"""What an experiment ends with."""

VERSION_FILE = "faunashot.version"
"""In a project outside this repository: the version that its stages depend on."""


def refuse_other_version() -> None:
    """Refuse to run where a project's results are of another version than the installed one.

    Raises
    ------
    ParameterError
        `VERSION_FILE` is here and names another.
    """
    from faunashot import __version__ as here
    from faunashot.errors import ParameterError

    file = Path(VERSION_FILE)
    if file.exists() and (named := file.read_text("utf-8").strip()) != here:
        raise ParameterError(
            f"{file} says {named}, and faunashot {here} is installed: install {named}, or write "
            f"{here} into the file to run everything anew"
        )


def run_stage(name: str) -> None:
    """Run a stage on the parameters of the working directory, and say how it went.

    An error of ours ends the process.

    Parameters
    ----------
    name : str
        One of `STAGES`.
    """
    from faunashot.changed import print_changed
    from faunashot.errors import FaunashotError, ends_in_one_line
    from faunashot.params import load_params
    from faunashot.progress import say

    began = time.perf_counter()
    # What imports make is there to stay: to look through it again and again is a sixth of a stage.
    gc.set_threshold(100_000)
    with ends_in_one_line():
        try:
            refuse_other_version()
            made = import_module(f"{__name__}.{name}").run(load_params())
        except FaunashotError:
            print_changed(Path())
            raise
        say(f"{name:<9}{time.perf_counter() - began:6.1f} s   {made}")
    if name == STAGES[-1]:
        print_changed(Path())
        if os.environ.get(EXPERIMENT):
            say(NEXT)
