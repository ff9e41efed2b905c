"""The locks, and how the Makefile makes the environment from them."""

import os
import re
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
RUN, TEST = ROOT / "requirements.lock", ROOT / "requirements-test.lock"


def pins(lock: Path) -> dict[str, Requirement]:
    """What a lock pins, by name; it fails where a name stands twice."""
    lines = re.findall(r"^([a-z0-9].*?) \\$", lock.read_text(), flags=re.MULTILINE)
    found = {canonicalize_name(Requirement(line).name): Requirement(line) for line in lines}
    assert len(found) == len(lines)
    return found


def declared() -> dict[str, list[Requirement]]:
    """What pyproject.toml asks for: `base`, and each extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = {"base": project["dependencies"], **project["optional-dependencies"]}
    return {name: [Requirement(line) for line in lines] for name, lines in groups.items()}


@pytest.mark.parametrize("lock", [RUN, TEST], ids=lambda lock: lock.name)
def test_every_pin_has_hashes_and_no_address(lock):
    blocks = re.split(r"^(?=[a-z0-9])", lock.read_text(), flags=re.MULTILINE)[1:]
    for block in blocks:
        assert re.match(r"\S+==\S+ ", block), block
        assert "--hash=sha256:" in block, block
    assert "://" not in lock.read_text()


def test_second_lock_holds_the_first():
    run, test = pins(RUN), pins(TEST)
    assert {name: test.get(name) for name in run} == run


@pytest.mark.parametrize(
    ("lock", "groups"),
    [(RUN, ["base", "birdnet", "uv"]), (TEST, ["base", "birdnet", "uv", "dev", "ray"])],
    ids=["run", "test"],
)
@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_lock_has_what_pyproject_asks_for(lock, groups, python):
    pinned = pins(lock)
    for wanted in [line for group in groups for line in declared()[group]]:
        pin = pinned[canonicalize_name(wanted.name)]
        assert pin.marker is None or pin.marker.evaluate({"python_full_version": f"{python}.9"})
        (version,) = pin.specifier
        assert wanted.specifier.contains(version.version), f"{pin} for {wanted}: make lock"


def test_run_needs_no_tools_of_developers():
    tools = {canonicalize_name(line.name) for line in declared()["dev"] + declared()["ray"]}
    tools.remove("flask-cors")  # MLflow's server needs it too
    assert not tools & pins(RUN).keys()


STUB = """#!/bin/sh
echo "$(basename "$0") $*" >> "$CALLS"
case "$*" in
    "pip install "*) [ -z "$UV_DEFAULT_INDEX" ] || echo "from $UV_DEFAULT_INDEX" >> "$CALLS" ;;
    "-m pip config list") echo "as $LOGNAME" >> "$CALLS"
        echo "global.extra-index-url='other'"; echo "$PIP_SETTING" ;;
    "-m venv "*) mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; cp "$UV" "$3/bin/uv" ;;
esac
case "$*" in *"${FAILS:-nothing fails}"*) exit 1 ;; esac
case "$*" in *"${HANGS:-nothing hangs}"*)
    trap 'exit 1' INT; touch .venv/torn; echo hangs >> "$CALLS"; sleep 60 ;;
esac
"""
TORN = Path(".venv", "torn")
PHASES = [
    "-m venv",
    "stdin",
    "--no-config",
    "--no-compile",
    "--editable",
    "plots_page",
    "-test.lock",
]
"""What only the calls of one phase of the installation hold."""


@pytest.fixture
def make(tmp_path):
    """`make` in a folder with stubs for Python and uv; it gives the exit status and the calls.

    Where `HANGS` is given, it is interrupted, as by Ctrl-C, once the call that holds that text
    hangs.
    """
    if shutil.which("make") is None:
        pytest.skip("no make on the path")
    for name in ("Makefile", "requirements.lock", "requirements-test.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    stubs = tmp_path / "stubs"
    stubs.mkdir()
    for name in ("python", "uv"):
        (stubs / name).write_text(STUB)
        (stubs / name).chmod(0o755)
    calls = tmp_path / "calls"
    outside = {
        name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "UV_"))
    }
    given = {"PYTHON": str(stubs / "python"), "UV": str(stubs / "uv"), "CALLS": str(calls)}

    def run(target: str, **variables: str) -> tuple[int, list[str]]:
        calls.write_text("")
        process = subprocess.Popen(
            ["make", *target.split()],
            cwd=tmp_path,
            env={**outside, **given, **variables},
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        while "HANGS" in variables and "hangs" not in calls.read_text():
            assert process.poll() is None, calls.read_text()
            time.sleep(0.01)
        if "HANGS" in variables:
            os.killpg(process.pid, signal.SIGINT)
        status = process.wait()
        return status, calls.read_text().splitlines()

    return run


def installs(calls: list[str], lock: str) -> list[str]:
    """Which programs were asked to install a lock, in order."""
    return [call.split()[0] for call in calls if call.endswith(f"-r {lock}")]


def test_folder_without_its_stamp_is_made_anew(make, tmp_path):
    torn = tmp_path / TORN
    torn.parent.mkdir()
    torn.touch()
    status, calls = make("setup")
    assert status == 0
    assert not torn.exists()
    assert installs(calls, "requirements.lock") == ["uv"]
    assert make("setup") == (0, [])  # there is nothing to do


def test_new_lock_is_installed_over_the_old_one(make, tmp_path):
    make("setup")
    own = tmp_path / ".venv" / "own"
    own.touch()
    os.utime(tmp_path / ".venv" / ".ready", (1, 1))
    status, calls = make("setup")
    assert status == 0
    assert own.exists()
    assert installs(calls, "requirements.lock") == ["uv"]


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("phase", PHASES)
def test_interrupted_install_is_made_anew(make, tmp_path, shell, phase):
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on the path")
    command = f"test SHELL={shutil.which(shell)}"
    uv_fails = "--no-config" if phase == "--no-compile" else ""  # then pip installs
    status, calls = make(command, HANGS=phase, FAILS=uv_fails)
    assert status != 0
    assert phase in calls[-2], f"went on after {phase}: {calls}"
    assert (tmp_path / TORN).exists()
    status, calls = make(command)
    assert status == 0
    assert not (tmp_path / TORN).exists()
    assert installs(calls, "requirements.lock") == ["uv"]
    assert installs(calls, "requirements-test.lock") == ["uv"]


def test_tools_that_cannot_be_installed_leave_the_environment(make, tmp_path):
    status, _ = make("test", FAILS="-r requirements-test.lock")
    assert status != 0
    assert make("setup") == (0, [])
    status, calls = make("test")
    assert (status, installs(calls, "requirements-test.lock")) == (0, ["uv"])


def test_failed_install_leaves_no_stamp(make, tmp_path):
    make("setup")
    os.utime(tmp_path / ".venv" / ".ready", (1, 1))
    status, _ = make("setup", FAILS="-r requirements.lock")
    assert status != 0
    assert not (tmp_path / ".venv" / ".ready").exists()


def test_pip_installs_what_uv_cannot(make):
    status, calls = make("setup", FAILS="--no-config")
    assert status == 0
    assert installs(calls, "requirements.lock") == ["uv", "python"]


def test_uv_is_told_the_index_of_pip(make):
    _, calls = make("setup", PIP_SETTING="global.index-url='http://mirror/simple'")
    assert "from http://mirror/simple" in calls
    _, calls = make("test")
    assert not [call for call in calls if call.startswith("from")]


def test_a_user_without_a_name_has_a_number(make, tmp_path):
    nameless = tmp_path / "stubs" / "id"
    nameless.write_text('#!/bin/sh\n[ "$1" = -u ] && echo 12345')
    nameless.chmod(0o755)
    programs = f"{nameless.parent}{os.pathsep}{os.environ['PATH']}"
    status, calls = make("setup", PATH=programs, LOGNAME="", USER="")
    assert status == 0
    assert "as 12345" in calls
    assert "as me" in make("test", PATH=programs, LOGNAME="", USER="me")[1]


def test_tools_are_installed_by_the_first_command_that_needs_them(make):
    status, calls = make("setup")
    assert (status, installs(calls, "requirements-test.lock")) == (0, [])
    status, calls = make("test")
    assert status == 0
    assert installs(calls, "requirements-test.lock") == ["uv"]
    assert calls[-1].startswith("python -m pytest")
    assert make("test") == (0, calls[-1:])
