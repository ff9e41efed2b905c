"""What native libraries print to standard error, hidden while one of their functions is called."""

from __future__ import annotations

import faulthandler
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

from faunashot.errors import DEBUG


@contextmanager
def quiet_native() -> Iterator[None]:
    """Hide what a library prints that cannot be told to be quiet, during one call of it.

    Such are libmpg123, LiteRT and the import of TensorFlow. They print to descriptor 2, which is
    the whole process's: put nothing but the call inside. What Python prints is shown, and calls of
    several threads may overlap. Where an exception is raised meanwhile, its traceback ends with
    what was hidden; where the process crashes, faulthandler says in which line. Nothing is hidden
    where the environment has FAUNASHOT_DEBUG.
    """
    if os.environ.get(DEBUG):
        yield
        return
    begin = _STANDARD_ERROR.hide()
    try:
        yield
    except Exception as error:
        if text := _STANDARD_ERROR.hidden(begin):
            error.add_note(f"printed by a native library meanwhile:\n{text}")
        raise
    finally:
        _STANDARD_ERROR.show()


class _StandardError:
    """Descriptor 2, which leads to a temporary file while it is hidden."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls = 0

    def hide(self) -> int:
        """Hide it until as many calls of `show`; gives where in the file the text begins."""
        with self._lock:
            if not self._calls:
                if not faulthandler.is_enabled():
                    faulthandler.enable(file=os.dup(2))  # it keeps the descriptor of today
                self._redirect()
            self._calls += 1
            return os.lseek(self._file.fileno(), 0, os.SEEK_END)

    def _redirect(self) -> None:
        sys.stderr.flush()
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        self._before = sys.stderr
        self._kept = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
        self._shown = _PassedOn(self._kept if _writes_to_2(self._before) else self._before)
        os.dup2(self._file.fileno(), 2)
        sys.stderr = cast("TextIO", self._shown)

    def hidden(self, begin: int) -> str:
        """What was printed since a place in the file."""
        with self._lock:
            self._file.seek(begin)  # it ends there again after reading
            return self._file.read().decode("utf-8", "backslashreplace").strip()

    def show(self) -> None:
        """Undo a call of `hide`."""
        with self._lock:
            self._calls -= 1
            if self._calls:
                return
            sys.stderr = self._shown.stream = self._before
            self._kept.flush()
            os.dup2(self._kept.fileno(), 2)
            self._kept.close()
            self._file.close()


_STANDARD_ERROR = _StandardError()


def _writes_to_2(stream: TextIO) -> bool:
    try:
        return stream.fileno() == 2
    except OSError:  # it is no file
        return False


class _PassedOn:
    """A stream that passes on to another: a logger made on it outlives the first one's end."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)
