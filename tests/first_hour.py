"""docs/FIRST_HOUR.md: its commands, what they print, and how it is written anew.

`python tests/first_hour.py` runs every command in a fresh clone, with an empty home and no
variables, and puts what they print into the page; those that are given as arguments stay as they
are.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "FIRST_HOUR.md"
LONGEST = 40
BLOCK = re.compile(r"^```console\n\$ (.+)\n((?:.*\n)*?)```$", flags=re.MULTILINE)


def commands(page: str) -> dict[str, list[str]]:
    """The lines that each command of the page prints, by the command."""
    return {command: printed.splitlines() for command, printed in BLOCK.findall(page)}


def run(project: Path, command: str, env: dict[str, str]) -> list[str]:
    """Run a line of the page; it gives what a reader would see, at most `LONGEST` lines of it."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=project,
        env={**env, "COLUMNS": "160", "PATH": f"{project}/.venv/bin:{env['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}"
    lines = [line.rstrip() for line in done.stdout.replace(str(project), "~/faunashot").split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if len(lines) > LONGEST:
        lines[LONGEST // 4 : LONGEST // 4 - LONGEST] = ["..."]
    return lines


def shape(line: str) -> str:
    """A line without what differs from run to run: numbers, widths, names of experiments."""
    line = re.sub(r"\b[a-z]+-[a-z]+\b|\b[0-9a-f]{7,}\b", "name", line)
    return re.sub(r"[\s─━]+", " ", re.sub(r"\d[\d.,]*", "0", line)).strip()


def main() -> None:
    """Write the page anew."""
    kept = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
    with tempfile.TemporaryDirectory() as folder:
        project, home = Path(folder, "faunashot"), Path(folder, "home")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", ROOT, project], check=True)
        given = [Path(shutil.which("git")).parent, Path(sys._base_executable).parent, "/usr/bin"]
        env = {**kept, "HOME": str(home), "PATH": os.pathsep.join(map(str, [*given, "/bin"]))}
        page = PAGE.read_text("utf-8")
        for command in filter(lambda shown: shown not in sys.argv[1:], commands(page)):
            print(command, flush=True)
            printed = "".join(f"{line}\n" for line in run(project, command, env))
            page = BLOCK.sub(
                lambda block, command=command, printed=printed: (
                    f"```console\n$ {command}\n{printed}```" if block[1] == command else block[0]
                ),
                page,
            )
        PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
