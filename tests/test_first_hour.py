"""The transcript of the first hour shows commands that are there, and what they print."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from first_hour import PAGE, ROOT, commands, run, shape
from long_running import LONG as TAKES_LONG
from pipeline_project import commit, copy_tracked, environment

SHOWN = commands(PAGE.read_text("utf-8"))
LONG = {"make setup", "make test"}


def test_the_commands_are_there():
    from dvc.cli import parse_args

    readme = (ROOT / "README.md").read_text("utf-8")
    for command in ("make run", "make test", "dvc exp run -S protocol.k=10", "faunashot compare"):
        assert any(command in shown for shown in SHOWN), command
        assert command in readme
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    for shown in SHOWN:
        for command in shown.split(" && "):
            program, *arguments = command.split()
            if program == "make":
                assert arguments[0] in targets
            elif program == "dvc":
                parse_args(arguments)
            elif program == "faunashot":
                assert (ROOT / "src/faunashot/cli" / f"{arguments[0]}.py").is_file()
            else:
                assert program in {"git", "source"}


@TAKES_LONG
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_they_print_what_the_page_shows(tmp_path: Path) -> None:
    project = copy_tracked(tmp_path / "faunashot")
    commit(project)
    (project / ".venv").symlink_to(ROOT / ".venv")
    env = {**environment(project), "GIT_CONFIG_GLOBAL": os.devnull}  # nobody is known to git yet
    for command, shown in SHOWN.items():
        if command in LONG:
            continue
        # the environment is here, and not to be made
        printed = run(project, command.replace("make ", "make -o .venv/.ready "), env)
        missing = {shape(line) for line in shown} - {shape(line) for line in printed} - {"..."}
        assert not missing, f"{command}: {os.linesep.join(printed)}"
