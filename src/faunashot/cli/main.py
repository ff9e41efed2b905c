"""The command line: ``faunashot COMMAND``."""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Annotated, NoReturn, cast

import typer

from faunashot.cli.output import JSON
from faunashot.progress import QUIET

COMMANDS = {
    "init": "Make a project for a folder of recordings.",
    "doctor": "What is here, what is missing, and what mends it.",
    "show": "The figures of the last run of the pipeline.",
    "compare": "All experiments in MLflow side by side.",
    "promote": "Make a model the champion where it is better on the same clips.",
    "ablate": "What each ingredient of a network trained from scratch is worth.",
    "recognise": "What a trained model hears in recordings.",
    "export": "Write a model as one file for a phone, a recorder or a browser.",
    "app": "A page to try a model on, and to review detections.",
    "detect": "Events in recordings of hours or weeks, as tables that Raven opens.",
    "serve": "Answer over HTTP what a trained model hears, with a page to try it.",
    "label": "A page to label recordings on: listen, look, press a key.",
    "score": "How good detections are, against annotations of the same recordings.",
    "embed": "Store the embeddings of recordings, of any number and length.",
    "search": "Windows that sound most like a recording or like words.",
    "suggest": "What to label next, and when to stop.",
    "pack": "Write a corpus as one HDF5 file that training reads at random.",
    "cache": "What is kept so that nothing is embedded twice, and how to have less of it.",
    "fetch": "Bring a corpus: download it, or say how to get it.",
    "audit": "Duplicates, leaks and faults in folders of recordings.",
    "corpora": "The corpora that can be read, and their licences.",
    "backbones": "The pretrained models, their licences and what they were trained on.",
    "study": "Run a grid of experiments, and write one table and one plot of it.",
    "systems": "The heads and networks, and their settings.",
    "validate": "Which scores can be trusted: detections checked by ear, before and after.",
    "synth": "Synthesise a corpus of any size, or soundscapes with ground truth.",
    "sync": "Log to MLflow what cached stages and restored experiments skipped.",
}


USAGE_ERROR = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""Any error in the arguments, to which typer gives no public name."""


def main() -> NoReturn:
    """Run the command that the arguments name; an error is one line, and JSON where that is asked.

    With `--json`, one document is on standard output whatever happens.
    """
    from faunashot.errors import FaunashotError, fail, line_of

    try:
        raise SystemExit(app(standalone_mode=False))
    except (FaunashotError, OSError) as error:
        _answer_with(line_of(error))
        fail(error)
    except USAGE_ERROR as error:
        error.show()
        _answer_with(error.format_message())
        raise SystemExit(error.exit_code) from None


def _answer_with(error: str) -> None:
    if JSON in sys.argv:
        print(json.dumps({"error": " ".join(error.split())}, ensure_ascii=False))


app = typer.Typer(
    help="How many labelled recordings does it take to recognise an animal?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def for_all(
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print answers and errors alone, without progress.")
    ] = False,
) -> None:
    """Options before the command's name."""
    if quiet:
        os.environ[QUIET] = "1"  # for the stages too, which are processes of their own


for _name, _help in COMMANDS.items():
    _module = importlib.import_module(f"faunashot.cli.{_name}")
    if isinstance(_own := getattr(_module, "app", None), typer.Typer):  # it has commands of its own
        app.add_typer(_own, name=_name, help=_help)
    else:
        _epilog = getattr(_module, "EPILOG", None)
        app.command(_name, help=_help, epilog=_epilog)(getattr(_module, _name))
