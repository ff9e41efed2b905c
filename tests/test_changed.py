"""Which parameters an experiment left changed, and how to go back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from faunashot.changed import changed_parameters, print_changed

COMMITTED = "corpus: demo  # what is scored\nprotocol:\n  k: 5\n  name: few_shot\nempty: {}\n"


def git(root: Path, *command: str) -> None:
    who = ["-c", "user.name=x", "-c", "user.email=x@x"]
    subprocess.run(["git", *who, *command], cwd=root, check=True, capture_output=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A committed params.yaml, below the root of its repository."""
    file = tmp_path / "project" / "params.yaml"
    file.parent.mkdir()
    file.write_text(COMMITTED)
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        git(tmp_path, *command)
    return file


def test_what_differs_is_named_with_both_values_and_the_way_back_is_one(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert changed_parameters(file.parent) == {}
    print_changed(file.parent)
    assert capsys.readouterr().out == ""
    file.write_text("protocol: {k: 3, kk: 1}\ncorpus: demo\nempty: {}\n")
    git(file.parent, "add", "params.yaml")
    assert changed_parameters(file.parent) == {
        "protocol.k": (5, 3),
        "protocol.name": ("few_shot", None),
        "protocol.kk": (None, 1),
    }
    print_changed(file.parent)
    said = capsys.readouterr().out
    assert said.startswith("params.yaml differs from the last commit: protocol.k = 3 (was 5), ")
    git(file.parent, *said.split("to go back: git ")[1].split())
    assert file.read_text() == COMMITTED


@pytest.mark.parametrize("harm", ["no git", "no repository", "no commit", "torn", "gone"])
def test_where_it_cannot_be_known_nothing_is_said(
    harm: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = file.parent
    file.write_text("corpus: folder\n" if harm != "torn" else "corpus: [")
    if harm == "gone":
        file.unlink()
    elif harm == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    elif harm == "no repository":
        (tmp_path / ".git").rename(tmp_path / "git")
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    elif harm == "no commit":
        git(root, "init", "-q")
    assert changed_parameters(root) == {}
