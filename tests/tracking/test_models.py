import json
import shlex
import shutil
import subprocess
import sys
import time
import types
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.entities import Dataset
from mlflow.models.cli import commands
from test_comparison import scored

from faunashot.errors import TrackingError
from faunashot.tracking import comparison, models, store, stored_models
from faunashot.tracking.champions import contest, find_version
from faunashot.tracking.runs import stage_run


class Recogniser:
    @classmethod
    def load(cls, folder: Path) -> "Recogniser":
        assert (folder / "model.json").is_file()
        return cls()

    def share_threads(self) -> None:
        pass

    def recognise(self, source: bytes, **how: object) -> types.SimpleNamespace:
        return types.SimpleNamespace(
            label="dog",
            probabilities={"dog": 1.0},
            windows=[],
            unknown_score=None,
            notes=(),
            embedding=None,
        )


@pytest.fixture(autouse=True)
def fake_system(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("recogniser")
    module.Recogniser = Recogniser  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faunashot.recogniser", module)


MODEL = "faunashot-demo"
ROOT = Path(__file__).resolve().parents[2]


def register(
    project: Path,
    *,
    k: int = 5,
    content: str = "{}",
    corpus: str = "demo",
    right: float | None = None,
    clips: int = 30,
) -> str:
    """Register a model, with predictions of which a share is right."""
    folder = project / "models" / "birdnet-logistic"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(content)
    params = {"corpus": corpus, "protocol": {"k": k}}
    with stage_run("evaluate", params=params, inputs=[], record=project / "r.json") as run:
        if right is not None:
            run.table(scored(right, episodes=0, n=clips), "predictions")
            run.parent_metrics({"macro_f1": right, "k": 5})
        return models.log_and_register(
            run,
            folder,
            models.Registration(
                name=models.registered_name(corpus, Path("data")),
                title="demo-birdnet-logistic-few_shot-k5",
                sentence="It tells dogs from owls.",
                card="# A card\n\nTrained on dogs.",
                tags={"corpus": corpus, "protocol": "few_shot", "k": k},
                metrics={"macro_f1": 0.5 + k / 100},
                dataset=Dataset("demo", "a.dir", "local", "{}"),
            ),
            requirements=["faunashot", "mlflow"],
            example_audio=b"RIFF",
        )


def champion(client: MlflowClient, name: str = MODEL) -> str:
    return str(client.get_model_version_by_alias(name, models.CHAMPION).version)


def test_a_version_carries_its_card_tags_and_signature(
    client: MlflowClient, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    version = register(project)
    assert time.perf_counter() - start < 10
    assert capfd.readouterr() == ("", "")
    known = client.get_model_version(MODEL, version)
    assert known.description.startswith("It tells dogs from owls.\n\n# A card")
    assert {key: known.tags[key] for key in ("corpus", "protocol", "k")} == {
        "corpus": "demo",
        "protocol": "few_shot",
        "k": "5",
    }
    loaded = mlflow.pyfunc.load_model(f"models:/{MODEL}/{version}")
    assert loaded.metadata.signature.inputs.input_names() == ["audio"]
    assert loaded.predict(pd.DataFrame({"audio": ["UklGRg=="]}))[0]["label"] == "dog"
    assert len(list(project.rglob("MODEL_CARD.md"))) == 1
    (requirements,) = project.rglob("requirements.txt")
    assert requirements.read_text().splitlines()[:2] == ["faunashot", "mlflow"]


def test_mlflow_s_pages_lead_from_the_experiment_to_the_registered_model(
    client: MlflowClient, project: Path
) -> None:
    version = register(project)
    known = client.get_model_version(MODEL, version)
    child = client.get_run(known.run_id)
    parent = client.get_run(child.data.tags["mlflow.parentRunId"])
    model_id = known.source.removeprefix("models:/")
    assert [each.model_id for each in parent.outputs.model_outputs] == [model_id]
    logged = client.get_logged_model(model_id)
    assert logged.name == "demo-birdnet-logistic-few_shot-k5"
    shown = [{"name": MODEL, "version": version}]
    assert json.loads(logged.tags["mlflow.modelVersions"]) == shown
    assert logged.tags["mlflow.note.content"] == "It tells dogs from owls."
    assert "learned from the corpus demo" in client.get_registered_model(MODEL).description
    assert parent.data.tags["corpus"] == "demo"
    assert "corpus demo" in parent.data.tags["mlflow.note.content"]


def test_logged_models_are_ranked_by_their_metrics(client: MlflowClient, project: Path) -> None:
    for k in (1, 9, 5):
        register(project, k=k, content=str(k))
    order = {"field_name": "metrics.macro_f1", "ascending": False}
    found = client.search_logged_models([store.experiment_id(client)], order_by=[order])
    assert [model.params["k"] for model in found] == ["9", "5", "1"]
    (metric,) = found[0].metrics
    assert (metric.value, metric.dataset_name, metric.dataset_digest) == (0.59, "demo", "a.dir")


def test_the_same_model_is_registered_once(client: MlflowClient, project: Path) -> None:
    assert register(project) == register(project)
    assert len(client.search_model_versions(f"name = '{MODEL}'")) == 1
    assert register(project, k=10) == "2"


def test_a_changed_model_of_the_same_run_takes_over(client: MlflowClient, project: Path) -> None:
    old = register(project)
    assert contest(project, MODEL, old).promoted
    new = register(project, content='{"changed": 1}')
    assert new != old
    versions = client.search_model_versions(f"name = '{MODEL}'")
    assert [str(version.version) for version in versions] == [new]
    assert champion(client) == new


def test_the_champion_is_the_best_on_the_same_clips(client: MlflowClient, project: Path) -> None:
    """A corpus between, and more clips, hand nothing over."""
    good = register(project, k=1, right=0.7)
    assert contest(project, MODEL, good).reason == "it is the first champion"
    elsewhere = register(project, corpus="folder", right=0.1)
    other = models.registered_name("folder", Path("data"))
    assert contest(project, other, elsewhere).uri == f"models:/{other}@champion"
    worse = register(project, k=2, right=0.2)
    verdict = contest(project, MODEL, worse)
    assert (verdict.promoted, verdict.uri) == (False, f"models:/{MODEL}@challenger")
    assert verdict.difference < 0
    assert str(verdict).startswith(f"models:/{MODEL}@champion stays version {good}: macro-F1 -0.")
    unlike = contest(project, MODEL, register(project, k=3, right=1.0, clips=60))
    assert not unlike.promoted
    assert "cannot be paired: clip c30 is in demo-k3 alone" in str(unlike)
    assert champion(client) == good
    best = register(project, k=4, right=1.0)
    assert contest(project, MODEL, best).difference_low > 0
    assert champion(client) == best
    assert "challenger" not in client.get_registered_model(MODEL).aliases
    assert champion(client, other) == elsewhere


def test_promote_names_finds_and_overrules(client: MlflowClient, project: Path) -> None:
    with pytest.raises(TrackingError, match="no model is a challenger"):
        find_version(project, "")
    first = register(project, k=1)
    assert contest(project, MODEL, first).promoted
    assert contest(project, MODEL, first).reason == "it was the champion before"
    second = register(project, k=2)
    for text in ("", MODEL, f"models:/{MODEL}@challenger", f"{MODEL}/{second}", "demo-k2"):
        assert find_version(project, text) == (MODEL, second)
    with pytest.raises(TrackingError, match="no experiment 'demo-k3' has registered a model"):
        find_version(project, "demo-k3")
    verdict = contest(project, MODEL, second)
    assert "has no predictions" in verdict.reason
    assert str(verdict).endswith(f"faunashot promote {MODEL}/{second} --force")
    assert champion(client) == first
    assert contest(project, MODEL, second, force=True).promoted
    assert champion(client) == second


def test_a_version_that_is_not_there_is_one_line(client: MlflowClient, project: Path) -> None:
    with pytest.raises(TrackingError, match="holds no version 7 of faunashot-demo"):
        contest(project, MODEL, "7")


def test_a_moved_project_serves_its_model(
    client: MlflowClient, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert contest(project, MODEL, register(project)).promoted
    moved = tmp_path_factory.mktemp("moved") / "here"
    shutil.copytree(project, moved)
    shutil.rmtree(project / "mlruns")
    store.connect(moved)
    loaded = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    assert loaded.predict(pd.DataFrame({"audio": ["UklGRg=="]}))[0]["label"] == "dog"


def test_a_dockerfile_serves_the_champion(
    client: MlflowClient, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """README's commands: what the daemon is handed, which installs faunashot from its wheel."""
    assert contest(project, MODEL, register(project)).promoted
    monkeypatch.chdir(project)
    readme = (ROOT / "README.md").read_text("utf-8")
    block = next(part for part in readme.split("```") if "generate-dockerfile" in part)
    generate, _, add, build = block.strip().splitlines()
    done = CliRunner().invoke(commands, shlex.split(generate)[2:], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    subprocess.run(["/bin/sh", "-c", add], check=True)
    assert build.split()[-1] == "image"
    text = Path("image/Dockerfile").read_text()
    assert "COPY model_dir /opt/ml/model" in text
    assert "ENTRYPOINT" in text
    kept = Path("image/model_dir")
    needed = (kept / "requirements.txt").read_text().splitlines()
    assert needed[:2] == ["faunashot", "mlflow"]
    assert needed[-1] == "--find-links wheels"
    assert (kept / "MLmodel").is_file()
    assert len(list(kept.rglob("model.json"))) == 1


ASK_DVC = """
import json, sys
from dvc.repo import Repo
with Repo(sys.argv[1]) as repo:
    (artifact,) = repo.artifacts.read()["dvc.yaml"].values()
    outs = [out.def_path for stage in repo.index.stages for out in stage.outs]
print(json.dumps([vars(artifact), outs]))
"""


def test_dvc_s_registry_has_the_model_that_is_trained() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    # in a process of its own: DVC closes what handlers of logs write to, as this one's
    done = subprocess.run(
        [sys.executable, "-c", ASK_DVC, ROOT], capture_output=True, check=True, text=True
    )
    artifact, outs = json.loads(done.stdout)
    assert artifact["path"] == f"models/{params['backbone']}-{params['system']}"
    assert artifact["path"] in outs
    assert artifact["type"] == "model"
    assert artifact["desc"]
    assert artifact["labels"]


def test_experiments_stand_side_by_side(client: MlflowClient, project: Path) -> None:
    assert comparison.compare(project).empty
    for k in (1, 10):
        params = {"corpus": "demo", "backbone": "birdnet", "system": "logistic"}
        params |= {"protocol": {"name": "few_shot", "k": k}}
        with stage_run("evaluate", params=params, inputs=[], record=project / "r.json") as run:
            figures = {"macro_f1": 0.5, "macro_f1_low": 0.4, "accuracy": k / 20}
            run.parent_metrics({"k": k, **figures})
    table = comparison.compare(project)
    ends = ("", "_low", "_high", "_draws_low", "_draws_high")
    figures = [*(f"macro_f1{end}" for end in ends), "accuracy", "status"]
    assert list(table.columns) == ["name", *comparison.PARAMS, "k", *figures, "run_id"]
    assert table["k"].tolist() == [10, 1]
    assert table["accuracy"].tolist() == [0.5, 0.05]
    assert table["name"].tolist() == ["demo-birdnet-few_shot-k10", "demo-birdnet-few_shot-k1"]
    assert table["macro_f1_high"].isna().all()


def test_a_model_is_found_by_version_alias_and_run(client: MlflowClient, project: Path) -> None:
    version = register(project, content='{"a": 1}')
    client.set_registered_model_alias(MODEL, models.CHAMPION, version)
    stage = client.get_model_version(MODEL, version).run_id
    above = client.get_run(stage).data.tags.get("mlflow.parentRunId", stage)
    for name in (
        *(f"models:/{MODEL}/{version}", f"models:/{MODEL}@{models.CHAMPION}"),
        *(stage, f"runs:/{stage}", above),
    ):
        with stored_models.model_from_mlflow(name) as folder:
            assert (folder / "model.json").read_text() == '{"a": 1}'
        assert not folder.exists()


@pytest.mark.parametrize(
    "name", ["models:/faunashot@none", "models:/faunashot/9", "models:/no/1", "0" * 32, "runs:/x/y"]
)
def test_a_model_that_is_not_there_is_one_line(project: Path, client, name: str) -> None:
    with pytest.raises(TrackingError) as caught, stored_models.model_from_mlflow(name):
        pass
    assert str(caught.value).startswith(f"{name}: MLflow gives no such model (")
    assert "\n" not in str(caught.value)
