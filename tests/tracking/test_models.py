import sys
import time
import types
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient

from faunashot.errors import TrackingError
from faunashot.tracking import comparison, models
from faunashot.tracking.runs import stage_run


class Recogniser:
    @classmethod
    def load(cls, folder: Path) -> "Recogniser":
        assert (folder / "model.json").is_file()
        return cls()

    def recognise(self, source: bytes) -> types.SimpleNamespace:
        return types.SimpleNamespace(
            label="dog", probabilities={"dog": 1.0}, windows=[], unknown_score=None
        )


@pytest.fixture(autouse=True)
def fake_system(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("recogniser")
    module.Recogniser = Recogniser  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "faunashot.recogniser", module)


def register(project: Path, *, k: int = 5, content: str = "{}", corpus: str = "demo") -> str:
    folder = project / "models" / "birdnet-logistic"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(content)
    params = {"corpus": corpus, "protocol": {"k": k}}
    with stage_run("train", params=params, inputs=[], record=project / "r.json") as run:
        return models.log_and_register(
            run,
            folder,
            card="# A card\n\nTrained on dogs.",
            requirements=["faunashot", "mlflow"],
            example_audio=b"RIFF",
            tags={"corpus": corpus, "protocol": "few_shot", "k": k},
        )


def champion(client: MlflowClient) -> str:
    return str(client.get_model_version_by_alias(models.MODEL, models.CHAMPION).version)


def test_a_version_carries_its_card_tags_and_signature(
    client: MlflowClient, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    start = time.perf_counter()
    version = register(project)
    assert time.perf_counter() - start < 10
    assert capfd.readouterr() == ("", "")
    known = client.get_model_version(models.MODEL, version)
    assert known.description.startswith("# A card")
    assert {key: known.tags[key] for key in ("corpus", "protocol", "k")} == {
        "corpus": "demo",
        "protocol": "few_shot",
        "k": "5",
    }
    loaded = mlflow.pyfunc.load_model(f"models:/{models.MODEL}/{version}")
    assert loaded.metadata.signature.inputs.input_names() == ["audio"]
    assert loaded.predict(pd.DataFrame({"audio": ["UklGRg=="]}))[0]["label"] == "dog"
    assert len(list(project.rglob("MODEL_CARD.md"))) == 1
    (requirements,) = project.rglob("requirements.txt")
    assert requirements.read_text().splitlines()[:2] == ["faunashot", "mlflow"]


def test_the_same_model_is_registered_once(client: MlflowClient, project: Path) -> None:
    assert register(project) == register(project)
    assert len(client.search_model_versions(f"name = '{models.MODEL}'")) == 1
    assert register(project, k=10) == "2"


def test_a_changed_model_of_the_same_run_takes_over(client: MlflowClient, project: Path) -> None:
    old = register(project)
    assert models.promote(old, 0.5)
    new = register(project, content='{"changed": 1}')
    assert new != old
    versions = client.search_model_versions(f"name = '{models.MODEL}'")
    assert [str(version.version) for version in versions] == [new]
    assert champion(client) == new


def test_the_champion_rule(client: MlflowClient, project: Path) -> None:
    first, better, worse = (register(project, k=k) for k in (1, 2, 3))
    assert models.promote(first, 0.5)
    assert champion(client) == first
    assert models.promote(better, 0.5), "as good is good enough"
    assert champion(client) == better
    assert not models.promote(worse, 0.4)
    assert not models.promote(worse, float("nan"))
    assert champion(client) == better
    assert client.get_model_version(models.MODEL, better).tags["macro_f1"] == "0.5"
    elsewhere = register(project, corpus="esc50")
    assert models.promote(elsewhere, 0.1), "another corpus is another contest"
    assert champion(client) == elsewhere


def test_a_champion_that_is_scored_anew_stays(client: MlflowClient, project: Path) -> None:
    version = register(project)
    assert models.promote(version, 0.5)
    assert models.promote(version, 0.25)
    assert champion(client) == version


def test_a_version_that_is_not_there_is_one_line(client: MlflowClient, project: Path) -> None:
    with pytest.raises(TrackingError, match="holds no version 7 of faunashot"):
        models.promote("7", 0.5)


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
