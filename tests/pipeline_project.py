"""A clone of the project set to a folder of recordings, and how to run and read it."""

from __future__ import annotations

import csv
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import soundfile as sf
import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
RATE = 16_000
PITCH_HZ = {"frog": 500, "owl": 800, "wren": 1200}


def call(
    project: Path, *command: str, site: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in the project, with the project's own code, and packages of `site`."""
    env = environment(project, site=site)
    return subprocess.run(
        command, cwd=project, env=env, capture_output=True, text=True, timeout=400
    )


def environment(project: Path, *, site: Path | None = None) -> dict[str, str]:
    """The caller's, less what DVC and MLflow would take for theirs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "MLFLOW_"))}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = os.pathsep.join(map(str, filter(None, (project / "src", site))))
    own = {"PYTHONPATH": found, "FAUNASHOT_CACHE": str(project / ".cache")}
    return {**kept, **own, "PATH": programs, "PYTHONWARNINGS": ""}


def tone(label: str, number: int, *, seconds: float = 4.0, rate: int = RATE) -> np.ndarray:
    """A class' pitch, detuned and buried in noise, so that figures are below 1."""
    rng = np.random.default_rng([PITCH_HZ[label], number])
    t = np.arange(round(seconds * rate)) / rate
    pitch = PITCH_HZ[label] * (1 + 0.25 * rng.standard_normal())
    return (0.05 * np.sin(2 * np.pi * pitch * t) + 0.1 * rng.standard_normal(t.size)).clip(-1, 1)


def label_rows(root: Path, rows: list[tuple[str, str, int]]) -> None:
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "fold"), *rows])


def ten_a_class(root: Path) -> None:
    """Three classes of ten clips, dealt to five folds."""
    rows = []
    for label in PITCH_HZ:
        for number in range(10):
            rows.append((f"{label}-{number}.wav", label, 1 + number % 5))
            sf.write(root / rows[-1][0], tone(label, number), RATE)
    label_rows(root, rows)


def change(project: Path, **values: object) -> None:
    """Set values in params.yaml by dotted keys, dots written as two underscores."""
    file = project / "params.yaml"
    data = yaml.safe_load(file.read_text("utf-8"))
    for path, value in values.items():
        *above, key = path.split("__")
        block = data
        for name in above:
            block = block[name]
        block[key] = value
    file.write_text(yaml.safe_dump(data, sort_keys=False), "utf-8")


def copy_tracked(project: Path, *, without: tuple[str, ...] = ()) -> Path:
    """The tracked files as they are now, less those whose names start with one of `without`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if not name.startswith(without or ("\0",)):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, project / name, follow_symlinks=False)
    return project


def commit(project: Path) -> None:
    """Make the project a git repository."""
    for command in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "-m", "x"],
    ):
        subprocess.run(["git", *command], cwd=project, check=True, capture_output=True)


def new_project(project: Path, record: Callable[[Path], None]) -> Path:
    """A clone of the tracked files, set to a folder of recordings and the quick backbone."""
    copy_tracked(project, without=("data.dvc", "dvc.lock", "metrics.json", ".dvcstore/"))
    recordings = project / "data" / "recordings"
    recordings.mkdir(parents=True)
    record(recordings)
    change(project, corpus="folder", root="data/recordings", backbone="logmel_stats")
    change(project, protocols__few_shot__episodes=5)
    with (project / ".gitignore").open("a") as ignored:
        ignored.write("/.cache/\n")
    commit(project)
    return project


def runs_of(project: Path) -> list[dict[str, str]]:
    """Every MLflow run that is not deleted: its id, status, parent, stage and error."""
    with closing(sqlite3.connect(project / "mlruns" / "mlflow.db", timeout=30)) as database:
        rows = database.execute(
            "SELECT run_uuid, status FROM runs WHERE lifecycle_stage = 'active'"
        ).fetchall()
        tags = database.execute("SELECT run_uuid, key, value FROM tags").fetchall()
    found = {run: {"run_id": run, "status": status} for run, status in rows}
    for run, key, value in tags:
        if run in found:
            found[run][key] = value
    return list(found.values())


def params_of(project: Path, run_id: str) -> dict[str, str]:
    with closing(sqlite3.connect(project / "mlruns" / "mlflow.db")) as database:
        rows = database.execute("SELECT key, value FROM params WHERE run_uuid = ?", (run_id,))
        return dict(rows.fetchall())


def metrics_of(project: Path, run_id: str) -> dict[str, float]:
    with closing(sqlite3.connect(project / "mlruns" / "mlflow.db")) as database:
        rows = database.execute(
            "SELECT key, value FROM latest_metrics WHERE run_uuid = ?", (run_id,)
        )
        return dict(rows.fetchall())


def flat(values: dict, prefix: str = "") -> dict[str, float]:
    """Numbers by dotted key, as MLflow holds them; it holds no gaps."""
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        elif value is not None:
            found[prefix + key] = value
    return found


def own_line(stderr: str) -> str:
    """What faunashot said on standard error: one line, and no traceback beside it."""
    assert "Traceback" not in stderr
    (line,) = [line for line in stderr.splitlines() if line.startswith("faunashot: ")]
    return line.removeprefix("faunashot: ")


def embedded_now(stderr: str) -> dict[str, int]:
    """Windows that the stage embed had to embed, by what it names them."""
    jobs = "; ".join(re.findall(r"^embed +[\d.]+ s +(.*)$", stderr, re.M)).split("; ")
    each = [re.fullmatch(r"(.*): \d+ windows by .*, (\d+) of them embedded now", j) for j in jobs]
    return {found[1]: int(found[2]) for found in each if found}
