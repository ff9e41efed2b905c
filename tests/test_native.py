"""What native libraries print is hidden for one call, and never the end of the process."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr

import pytest

from faunashot.errors import DEBUG
from faunashot.native import quiet_native


@pytest.fixture(autouse=True)
def _not_debugged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(DEBUG, raising=False)


def ended(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """A process of its own that has run some lines of Python."""
    code = f"import ctypes, faulthandler, os\nfrom faunashot.native import quiet_native\n{code}"
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environ}
    )


@pytest.mark.parametrize("crash", ["faulthandler._sigsegv()", "ctypes.CDLL(None).abort()"])
def test_a_crash_meanwhile_is_seen(crash: str) -> None:
    done = ended(f"with quiet_native():\n    {crash}")
    assert done.returncode < 0
    assert "Fatal Python error" in done.stderr
    assert 'File "<string>", line 4' in done.stderr


def test_a_crash_afterwards_is_seen() -> None:
    done = ended("with quiet_native():\n    pass\nfaulthandler._sigsegv()")
    assert "Segmentation fault" in done.stderr


def test_nothing_is_hidden_while_debugging() -> None:
    done = ended("with quiet_native():\n    os.write(2, b'of C')", **{DEBUG: "1"})
    assert done.stderr == "of C"


def test_the_traceback_of_an_error_ends_with_what_was_hidden() -> None:
    def call() -> None:
        with quiet_native():
            os.write(2, b"the reason, of a C library\n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as met:
        call()
    assert traceback.format_exception(met.value)[-1] == "the reason, of a C library\n"


def test_calls_of_threads_may_overlap(stderr) -> None:
    entered, leave = threading.Event(), threading.Event()

    def call() -> None:
        with quiet_native():
            entered.set()
            leave.wait(10)
            os.write(2, b"of a C library\n")

    thread = threading.Thread(target=call)
    with quiet_native():
        thread.start()
        entered.wait(10)
    print("of Python", file=sys.stderr)
    leave.set()
    thread.join()
    os.write(2, b"afterwards\n")
    assert stderr() == "of Python\nafterwards\n"


@pytest.fixture
def stderr(capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable]:
    """Standard error on descriptor 2, as it is outside of tests; gives what was written."""
    with open(2, "w", buffering=1, closefd=False) as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        yield lambda: capfd.readouterr().err
        monkeypatch.undo()


def test_quiet_native_drops_what_c_prints_and_keeps_ours(stderr) -> None:
    with quiet_native():
        os.write(2, b"of a C library\n")
        print("of Python", file=sys.stderr)
    os.write(2, b"afterwards\n")
    assert stderr() == "of Python\nafterwards\n"


def test_quiet_native_leaves_a_stream_that_is_no_file_alone(stderr) -> None:
    with redirect_stderr(io.StringIO()) as stream, quiet_native():
        os.write(2, b"of a C library\n")
        print("of Python", file=sys.stderr)
    assert (stream.getvalue(), stderr()) == ("of Python\n", "")


def test_a_logger_made_meanwhile_is_heard_afterwards(stderr) -> None:
    """As TensorFlow's, whose handler takes hold of standard error when it is imported."""
    with quiet_native():
        with quiet_native():
            handler = logging.StreamHandler(sys.stderr)
            handler.emit(logging.makeLogRecord({"msg": "within"}))
        handler.emit(logging.makeLogRecord({"msg": "between"}))
        os.write(2, b"of a C library\n")
    handler.emit(logging.makeLogRecord({"msg": "afterwards"}))
    assert stderr() == "within\nbetween\nafterwards\n"


def test_quiet_native_ends_with_an_error(stderr) -> None:
    before = sys.stderr
    with pytest.raises(ZeroDivisionError), quiet_native():
        _ = 1 / 0
    os.write(2, b"heard again\n")
    assert sys.stderr is before
    assert stderr() == "heard again\n"
