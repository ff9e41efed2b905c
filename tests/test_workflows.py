"""What the workflows of GitHub ask for is there: they cannot be run here, but read."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
KINDS = {"ubuntu-latest", "macos-latest", "windows-latest"}


def parsed(file: Path) -> Any:
    """With every value as the text that stands there, so that `on` is no truth value."""
    return yaml.load(file.read_text("utf-8"), yaml.BaseLoader)


def steps(workflow: Any) -> Iterator[dict[str, Any]]:
    for job in workflow["jobs"].values():
        assert int(job["timeout-minutes"]) <= 90
        yield from job["steps"]


def scripts() -> list[str]:
    return [step["run"] for file in WORKFLOWS for step in steps(parsed(file)) if "run" in step]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_a_workflow_has_what_github_needs(file):
    workflow = parsed(file)
    assert workflow.keys() >= {"name", "on", "permissions", "jobs"}
    for step in steps(workflow):
        assert ("run" in step) != ("uses" in step), step
        assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "a/b@v1"))


def test_every_python_and_system_is_tried():
    matrix = parsed(ROOT / ".github/workflows/ci.yml")["jobs"]["quick"]["strategy"]["matrix"]
    assert set(matrix["os"]) == KINDS
    supported = SpecifierSet(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    minors = [f"3.{minor}" for minor in range(30) if supported.contains(f"3.{minor}.99")]
    assert matrix["python"] == minors


def test_the_commands_are_there():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
    asked = "\n".join(scripts())
    made = re.findall(r"\bmake ([a-z]+)", asked)
    assert made
    assert set(made) <= set(targets)
    files = re.findall(r"(?:bash|-r) (\S+)", asked) + re.findall(r"requirements\S*\.lock", asked)
    assert files
    assert [file for file in files if not (ROOT / file).is_file()] == []
    for module in re.findall(r"-m (faunashot[\w.]*)", asked):
        assert (ROOT / "src" / module.replace(".", "/")).with_suffix(".py").is_file()


def test_dvc_has_the_commands():
    from dvc.cli import parse_args

    asked = re.findall(r"^\s*dvc (.+)$", "\n".join(scripts()), flags=re.MULTILINE)
    assert asked
    for line in asked:
        parse_args(line.replace('"', "").split())  # it ends pytest with what is wrong


def test_dependabot_looks_at_the_actions():
    settings = parsed(ROOT / ".github" / "dependabot.yml")
    assert [each["package-ecosystem"] for each in settings["updates"]] == ["github-actions"]
