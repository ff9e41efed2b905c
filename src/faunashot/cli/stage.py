"""What every stage script and command shares: one line for an error, no traceback."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from faunashot.errors import FaunashotError

DEBUG = "FAUNASHOT_DEBUG"
"""Set to anything to see the traceback of an error."""


def run_stage(stage: Callable[..., None], *args: str) -> None:
    """Run the body of a stage script; an error of ours ends it with its one line, exit code 1."""
    try:
        stage(*args)
    except (FaunashotError, OSError) as error:
        fail(error)


def fail(error: Exception) -> NoReturn:
    """End the program with one line on standard error."""
    if os.environ.get(DEBUG):
        raise error
    message = str(error)
    if isinstance(error, OSError):
        reason = error.strerror or error
        if error.errno == errno.ENOSPC:
            reason = "no disk space left; what was being written has been dropped"
        message = f"{error.filename or 'input/output'}: {reason}"
    print(f"faunashot: {message}", file=sys.stderr)
    raise SystemExit(1)
