"""A real DVC project with trivial stages that log as ours do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Dataset

from faunashot.errors import TrackingError
from faunashot.tracking import store
from faunashot.tracking.comparison import evaluated_table
from faunashot.tracking.experiments import PARENT, current_experiment, find_runs
from faunashot.tracking.lockfile import Lock, LockedStage
from faunashot.tracking.restored import _described
from faunashot.tracking.runs import stage_run
from faunashot.tracking.sync import _sync_stages, fill_experiment, sync, sync_new

SOURCE = Path(__file__).resolve().parents[2] / "src"

DVC_YAML = """
stages:
  embed:
    cmd: python stage.py embed features
    deps: [stage.py]
    params: [backbone]
    outs: [features, embed.mlflow.json]
  silent:
    cmd: python -c "open('silent.json', 'w').write('{}')"
    outs: [silent.json]
  train:
    cmd: python stage.py train metrics.json
    deps: [stage.py, features]
    params: [protocol.k]
    outs: [train.mlflow.json]
    metrics: [metrics.json]
"""

STAGE = """
import json, sys, yaml
from pathlib import Path
from faunashot.tracking.runs import stage_run

stage, output = sys.argv[1:]
params = yaml.safe_load(Path("params.yaml").read_text())
inputs = [Path("features")] if stage == "train" else []
record = Path(f"{stage}.mlflow.json")
with stage_run(stage, params=params, inputs=inputs, record=record) as run:
    k = params["protocol"]["k"]
    figures = {"macro_f1": k / 10, "k": k}
    Path(output).write_text(json.dumps(figures))
    run.metrics({"seconds": 0.25})
    if stage == "train":
        run.parent_metrics(figures)
"""

SYNC = """
import json
from pathlib import Path
from faunashot.tracking.sync import sync
print(json.dumps(sync(Path.cwd())))
"""

COMPARE = """
from pathlib import Path
from faunashot.tracking.comparison import compare
print(compare(Path.cwd()).to_json(orient="records"))
"""

PARAMS = "corpus: demo\nbackbone: birdnet\nprotocol:\n  name: few_shot\n  k: 1\n"


def call(folder: Path, *arguments: str) -> str:
    programs = str(Path(sys.executable).parent)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW", "GIT_"))}
    environment |= {
        "PATH": os.pathsep.join([programs, os.environ["PATH"]]),
        "PYTHONPATH": str(SOURCE),
        "DVC_NO_ANALYTICS": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **dict.fromkeys(("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"), "A"),
        **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "a@example.org"),
    }
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def write_pipeline(folder: Path) -> None:
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "stage.py").write_text(STAGE)
    ignored = "/mlruns/\n/features\n/*.json\n"
    (folder / ".gitignore").write_text(ignored)


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A committed project after `dvc repro`, in git and DVC."""
    folder = tmp_path_factory.mktemp("reproduced")
    write_pipeline(folder)
    call(folder, "git", "init", "-q", "-b", "main")
    call(folder, "dvc", "init", "-q")
    (folder / "raw").write_text("x")
    call(folder, "dvc", "add", "-q", "raw")
    call(folder, "git", "add", ".")
    call(folder, "git", "commit", "-qm", "start")
    call(folder, "dvc", "repro")
    call(folder, "git", "add", ".")
    call(folder, "git", "commit", "-qm", "reproduced")
    return folder


def actions(changes: list[dict[str, str]]) -> Counter[tuple[str, str, str]]:
    return Counter((each["action"], each["experiment"], each["stage"]) for each in changes)


def hashes(client: MlflowClient, run_id: str) -> set[str]:
    return {
        tag for tag in client.get_run(run_id).data.tags if tag.startswith(("dvc.in", "dvc.out"))
    }


def test_a_folder_without_dvc_is_one_line(project: Path) -> None:
    with pytest.raises(TrackingError, match="is no DVC repository"):
        sync(project)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_gaps_are_filled_once(reproduced: Path) -> None:
    name = "demo-birdnet-few_shot-k1"
    changes = sync(reproduced)
    assert actions(changes) == {("updated", name, "embed"): 1, ("updated", name, "train"): 1}
    assert sync(reproduced) == []
    client = store.connect(reproduced)
    (train,) = (each["run_id"] for each in changes if each["stage"] == "train")
    assert hashes(client, train) == {
        "dvc.in.stage.py",
        "dvc.in.features",
        "dvc.out.train.mlflow.json",
        "dvc.out.metrics.json",
    }

    call(reproduced, "dvc", "exp", "run", "-n", "more", "-S", "protocol.k=2")
    changes = sync(reproduced)
    assert actions(changes) == {("created", "more", "embed"): 1, ("updated", "more", "train"): 1}
    made = client.get_run(changes[0]["run_id"])
    assert made.data.tags["synced"] == "true"
    assert made.data.metrics == {"seconds": 0.25}, "those of the run that filled the cache"
    assert made.info.status == "FINISHED"
    assert sync(reproduced) == []

    call(reproduced, "dvc", "repro", "--force")  # now the workspace is more than `more`, applied
    assert {each["action"] for each in sync(reproduced)} == {"updated"}
    assert sync(reproduced) == []

    shutil.rmtree(reproduced / "mlruns")
    changes = json.loads(call(reproduced, "python", "-c", SYNC))
    names = ("more", "demo-birdnet-few_shot-k2")
    assert actions(changes) == {
        ("created", name, stage): 1 for name in names for stage in ("", "embed", "train")
    }
    assert json.loads(call(reproduced, "python", "-c", SYNC)) == []
    rows = json.loads(call(reproduced, "python", "-c", COMPARE))
    assert {(row["name"], row["macro_f1"], row["k"]) for row in rows} == {
        (name, 0.2, 2) for name in names
    }


@pytest.mark.slow
def test_a_project_without_git_and_one_that_was_changed(reproduced: Path, tmp_path: Path) -> None:
    write_pipeline(tmp_path)
    call(tmp_path, "dvc", "init", "-q", "--no-scm")
    shutil.copy(reproduced / "dvc.lock", tmp_path)
    (tmp_path / "metrics.json").write_text('{"macro_f1": 0.2}')
    (tmp_path / "params.yaml").write_text(PARAMS.replace("k: 1", "k: 7"))
    assert sync(tmp_path) == [], "its lock is of other parameters"
    locked = yaml.safe_load((tmp_path / "dvc.lock").read_text())["stages"]["train"]["params"]
    k = locked["params.yaml"]["protocol.k"]  # whichever the tests before this one have left
    (tmp_path / "params.yaml").write_text(PARAMS.replace("k: 1", f"k: {k}"))
    assert [each["stage"] for each in sync(tmp_path)] == [""], "no records without a cache"
    assert sync(tmp_path) == []


def test_parameters_are_described_as_the_stages_log_them(project: Path) -> None:
    from faunashot.params import load_params

    file = SOURCE.parent / "params.yaml"
    params = load_params(file)
    raw = yaml.safe_load(file.read_text())
    assert _described(raw) == (params.model_dump(mode="json"), params.run_name)
    assert _described({"corpus": "demo", "old": 1}) == ({"corpus": "demo", "old": 1}, "demo")


def test_what_a_server_missed_comes_from_the_outputs(client: MlflowClient, project: Path) -> None:
    """Its record names no run, and what was logged before the server went is dropped."""
    with stage_run("evaluate", params={"k": 1}, inputs=[], record=Path("e.json")) as run:
        run.text("half", "half.txt")
    client.set_terminated(run.run_id, "KILLED")
    record = json.loads(Path("e.json").read_text())
    Path("e.json").write_text(json.dumps(record | {"run_id": ""}))
    Path("predictions.csv").write_text("clip_id,label\na,owl\n")
    outs = {"e.json": "1", "predictions.csv": "2", "features": "3.dir", "gone.csv": "4"}
    stage = LockedStage("evaluate", deps={}, outs=outs, params={"seed": 1})
    lock = Lock({"evaluate": stage}, file=lambda path, md5: Path(path))
    experiment = current_experiment(project, params={"k": 1}, name="")
    (made,) = _sync_stages(client, experiment, lock, parent_id=run.parent_id)
    assert (made["action"], made["stage"]) == ("created", "evaluate")
    (only,) = find_runs(client, {PARENT: run.parent_id})
    assert only.info.run_id == made["run_id"]
    assert (only.data.params, only.data.tags["synced"]) == ({"seed": "1"}, "true")
    table = evaluated_table(client, client.get_run(run.parent_id), "predictions.csv")
    assert table.to_dict("list") == {"clip_id": ["a"], "label": ["owl"]}
    assert _sync_stages(client, experiment, lock, parent_id=run.parent_id) == []


def test_the_last_stage_logs_what_came_from_the_cache(client: MlflowClient, project: Path) -> None:
    with stage_run("train", params={"k": 1}, inputs=[], record=Path("t.json")) as source:
        source.metrics({"seconds": 2.5})
        source.dataset(Dataset("demo", "a.dir", "local", "{}"), "training")
    stages = {"train": {"cmd": "t", "outs": [{"path": "t.json", "md5": "1"}]}}
    stages["report"] = {"cmd": "r", "outs": [{"path": "r.json", "md5": "2"}]}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    params = {"k": 1, "report": "other"}  # only the report's, so that all else was cached
    for _ in range(2):
        with stage_run("report", params=params, inputs=[], record=Path("r.json")) as run:
            fill_experiment(run, params=params, name="", metrics={"macro_f1": 0.5})
    train, report = sorted(
        find_runs(client, {PARENT: run.parent_id}), key=lambda run: run.info.run_name != "train"
    )
    assert (train.data.metrics, train.data.tags["synced.from"]) == ({"seconds": 2.5}, source.run_id)
    assert [each.dataset.name for each in train.inputs.dataset_inputs] == ["demo"]
    assert report.info.run_id == run.run_id
    assert client.get_run(run.parent_id).data.metrics == {"macro_f1": 0.5}


@pytest.mark.slow
def test_compare_finds_what_came_from_the_cache_and_is_quick_the_next_time(
    reproduced: Path,
) -> None:
    before = len(compared(reproduced))
    for _ in range(2):  # the second time all comes from the cache of runs
        call(reproduced, "dvc", "exp", "run", "-S", "protocol.k=5")
    assert len(compared(reproduced)) > before
    start = time.perf_counter()
    sync_new(reproduced)
    assert time.perf_counter() - start < 0.5


def compared(folder: Path) -> list[dict[str, object]]:
    return json.loads(call(folder, "faunashot", "compare", "--json"))
