"""What `mlflow run` starts: an experiment that differs from params.yaml in what is given alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ({}, []),
        ({"k": 3}, ["-S", "protocol.k=3"]),
        (
            {"system": "mlp", "corpus": "my corpus", "protocol": "fine_tune"},
            ["-S", "corpus=my corpus", "-S", "system=mlp", "-S", "protocol.name=fine_tune"],
        ),
    ],
)
def test_only_what_is_given_differs_from_params(tmp_path, given, arguments):
    from mlflow.projects._project_spec import load_project

    command = load_project(str(ROOT)).get_entry_point("main").compute_command(given, None)
    dvc = tmp_path / "dvc"
    dvc.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    dvc.chmod(0o755)
    said = subprocess.run(
        ["/bin/sh", "-c", command],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.splitlines() == ["exp", "run", *arguments]
