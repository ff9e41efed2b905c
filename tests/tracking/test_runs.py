import json
import time
from pathlib import Path

import matplotlib
import mlflow
import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from faunashot.errors import TrackingError
from faunashot.tracking import store
from faunashot.tracking.datasets import dataset_of
from faunashot.tracking.experiments import PARENT, find_runs, name_of
from faunashot.tracking.keys import hash_path
from faunashot.tracking.runs import stage_run

PARAMS = {"corpus": "demo", "backbone": "birdnet", "protocol": {"name": "few_shot", "k": 5}}
LOCK = """
schema: '2.0'
stages:
  embed@birdnet:
    cmd: embed
    outs:
    - {path: features/demo, hash: md5, md5: aaa.dir}
  train:
    cmd: train
    outs:
    - {path: models, hash: md5, md5: old.dir}
"""


def run_stage(stage: str = "train", params: dict = PARAMS, **figures: float) -> tuple[str, str]:
    with stage_run(stage, params=params, inputs=[], record=Path(f"{stage}.mlflow.json")) as run:
        run.metrics(figures)
    return run.run_id, run.parent_id


def all_runs(client: MlflowClient) -> list[Run]:
    return find_runs(client, {})


def test_stages_of_one_experiment_share_a_parent(client: MlflowClient) -> None:
    _, first = run_stage("train")
    _, second = run_stage("evaluate")
    assert first == second
    parent = client.get_run(first)
    assert parent.info.run_name == "demo-birdnet-few_shot-k5"
    assert parent.info.status == "FINISHED"
    assert parent.data.params["protocol.k"] == "5"
    assert parent.data.tags["dvc.exp"] == "workspace"
    assert len(find_runs(client, {PARENT: first})) == 2


def test_other_parameters_are_another_experiment(client: MlflowClient) -> None:
    _, first = run_stage()
    _, second = run_stage(params=PARAMS | {"backbone": "yamnet"})
    _, again = run_stage()
    assert first == again != second


def test_a_dvc_experiment_is_found_by_name_and_baseline(client: MlflowClient, monkeypatch) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "fast-cat")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "abc")
    _, first = run_stage("train")
    _, same = run_stage("evaluate")
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "def")
    _, other = run_stage("train")
    assert first == same != other
    tags = client.get_run(first).data.tags
    assert (tags["dvc.exp"], tags["dvc.baseline"]) == ("fast-cat", "abc")
    assert client.get_run(first).info.run_name == "demo-birdnet-few_shot-k5 (fast-cat)"
    assert name_of(client.get_run(first)) == "fast-cat"


def test_an_overwritten_dvc_experiment_replaces_the_old_one(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", "fast-cat")
    run_stage()
    run_id, parent = run_stage(params=PARAMS | {"backbone": "yamnet"})
    assert {run.info.run_id for run in all_runs(client)} == {run_id, parent}


def test_a_forced_rerun_logs_into_its_run(client: MlflowClient) -> None:
    first, _ = run_stage(accuracy=0.5)
    record = Path("train.mlflow.json").read_bytes()
    again, _ = run_stage(accuracy=0.75)
    assert first == again
    assert len(all_runs(client)) == 2
    assert client.get_run(first).data.metrics == {"accuracy": 0.75}
    assert Path("train.mlflow.json").read_bytes() == record


def test_other_inputs_are_another_run(client: MlflowClient, project: Path) -> None:
    ids = []
    for text in "ab":
        (project / "clips").write_text(text)
        with stage_run("s", params=PARAMS, inputs=[Path("clips")], record=Path("r")) as run:
            ids.append(run.run_id)
    assert ids[0] != ids[1]


def test_an_input_is_the_same_by_any_path(client: MlflowClient, project: Path) -> None:
    (project / "clips").write_text("a")
    found = set()
    for path in (Path("clips"), project / "clips"):
        with stage_run("s", params=PARAMS, inputs=[path], record=Path("r")) as run:
            found.add(run.run_id)
    assert len(found) == 1


def test_a_failed_run_is_told_and_then_replaced(client: MlflowClient, project: Path) -> None:
    record = project / "r.json"
    with (
        pytest.raises(ValueError, match="no clips"),
        stage_run("train", params=PARAMS, inputs=[], record=record) as failed,
    ):
        raise ValueError("no clips\nsecond line")
    run = client.get_run(failed.run_id)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "ValueError: no clips"
    assert client.get_run(failed.parent_id).info.status == "FAILED"
    assert not record.exists()
    assert mlflow.active_run() is None

    run_id, parent = run_stage()
    assert run_id != failed.run_id
    assert parent == failed.parent_id
    assert {run.info.status for run in all_runs(client)} == {"FINISHED"}
    assert len(all_runs(client)) == 2


def test_record_points_to_the_run(client: MlflowClient, project: Path) -> None:
    with stage_run("train", params=PARAMS, inputs=[], record=project / "new" / "r.json") as run:
        assert not (project / "new").exists()
    assert json.loads((project / "new" / "r.json").read_text()) == {
        "stage": "train",
        "run_id": run.run_id,
        "parent_run_id": run.parent_id,
        "experiment_id": store.experiment_id(client),
        "key": run.key,
    }
    assert [path.name for path in (project / "new").iterdir()] == ["r.json"]


def test_dvc_names_the_stage_and_what_it_read(client: MlflowClient, project: Path, monkeypatch):
    (project / "dvc.lock").write_text(LOCK)
    (project / "features" / "demo").mkdir(parents=True)
    windows = project / "features" / "demo" / "windows.npy"
    windows.write_text("x")
    monkeypatch.setenv("DVC_STAGE", "train")
    with stage_run("any", params=PARAMS, inputs=[windows], record=Path("r")) as run:
        pass
    tags = client.get_run(run.run_id).data.tags
    assert tags["dvc.stage"] == "train"
    assert {key: tags[key] for key in tags if key.startswith(("dvc.in", "dvc.out"))} == {
        "dvc.in.features/demo": "aaa.dir"
    }


def test_the_outer_run_is_kept_as_a_tag(client: MlflowClient, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    run_id, parent = run_stage()
    assert client.get_run(run_id).data.tags["mlflow_run.id"] == "f" * 32
    assert client.get_run(parent).data.tags["mlflow_run.id"] == "f" * 32


def test_everything_that_can_be_logged(client: MlflowClient, project: Path) -> None:
    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    (project / "folder").mkdir()
    (project / "folder" / "file.txt").write_text("x")
    with stage_run("train", params=PARAMS, inputs=[], record=Path("r")) as run:
        run.params({f"p{index}": {"x": index} for index in range(250)})
        run.metrics({"macro_f1": {"mean": 0.5, "low": None}, "note": "text"})
        run.metrics({"loss": 2.0}, step=0)
        run.metrics({"loss": 1.0}, step=1)
        run.parent_metrics({"macro_f1": 0.5})
        run.figure(Figure(), "confusion")
        run.table(pd.DataFrame({"a": [1]}), "predictions")
        run.text("# hello", "report.md")
        run.artifact(project / "folder")
        run.artifact(project / "folder" / "file.txt")
        run.tag("colour", "green")
        mlflow.log_metric("by_callback", 1.0)
    logged = client.get_run(run.run_id)
    assert logged.data.params["p249.x"] == "249"
    assert logged.data.metrics == {"macro_f1.mean": 0.5, "loss": 1.0, "by_callback": 1.0}
    assert client.get_run(run.parent_id).data.metrics == {"macro_f1": 0.5}
    assert logged.data.tags["colour"] == "green"
    names = {item.path for item in client.list_artifacts(run.run_id)}
    assert names == {"confusion.png", "predictions.csv", "report.md", "folder", "file.txt"}


def test_a_corpus_is_a_dataset_of_the_run_and_of_its_experiment(
    client: MlflowClient, project: Path
) -> None:
    stages = {"ingest": {"cmd": "i", "deps": [{"path": "data/demo", "md5": f"{'a' * 32}.dir"}]}}
    (project / "dvc.lock").write_text(yaml.safe_dump({"stages": stages}))
    (project / "clips").write_text("x")
    demo = dataset_of("demo", root=Path("data/demo"), clips=Path("clips"))
    other = dataset_of("other", root=Path("/elsewhere"), clips=Path("clips"))
    assert demo.digest == f"{'a' * 32}.dir"
    assert other.digest == hash_path(project / "clips")[:36]
    for stage, context in {"train": "training", "evaluate": "evaluation"}.items():
        with stage_run(stage, params=PARAMS, inputs=[], record=Path("r")) as run:
            run.dataset(demo, context)
        (logged,) = client.get_run(run.run_id).inputs.dataset_inputs
        assert (logged.dataset.name, logged.dataset.digest) == ("demo", demo.digest)
        assert [(tag.key, tag.value) for tag in logged.tags] == [("mlflow.data.context", context)]
    assert len(client.get_run(run.parent_id).inputs.dataset_inputs) == 1


def test_what_a_long_stage_takes_of_the_machine_is_logged(
    client: MlflowClient, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    with stage_run("train", params=PARAMS, inputs=[], record=Path("r")) as run:
        time.sleep(1)
    assert "system/cpu_utilization_percentage" in client.get_run(run.run_id).data.metrics


def test_an_experiment_tells_what_it_is(client: MlflowClient) -> None:
    params = {**PARAMS, "system": "rectified"}
    _, parent = run_stage(params=params)
    tags = client.get_run(parent).data.tags
    told = ("birdnet-rectified", "few_shot", "5")
    assert (tags["system"], tags["protocol"], tags["k"]) == told
    assert tags["mlflow.note.content"].endswith(
        "corpus demo, system birdnet-rectified, protocol few_shot, k 5."
    )
    _, parent = run_stage(params=params | {"protocol": {"name": "zero_shot"}})
    assert client.get_run(parent).data.tags["system"] == "birdnet", "no head is used"


def test_a_parameter_that_changed_becomes_a_tag(client: MlflowClient) -> None:
    for value in (1, 2):
        with stage_run("train", params=PARAMS, inputs=[], record=Path("r")) as run:
            run.params({"clips": value, "same": 1})
    logged = client.get_run(run.run_id)
    assert logged.data.params == {"clips": "1", "same": "1"}
    assert logged.data.tags["param.clips"] == "2"
    assert "param.same" not in logged.data.tags


def test_what_the_store_refuses_is_one_line(client: MlflowClient) -> None:
    with (
        pytest.raises(TrackingError, match=r"sqlite:///.*: MlflowException: ") as caught,
        stage_run("train", params=PARAMS, inputs=[], record=Path("r")) as run,
    ):
        run.text("x", "../outside.txt")
    assert "\n" not in str(caught.value)
    assert client.get_run(run.run_id).info.status == "FAILED"
