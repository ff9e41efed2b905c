"""The systems of a study side by side: what each experiment logged, the mean of their seeds."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from faunashot.cli import study as command
from faunashot.errors import CorpusError, FaunashotError
from faunashot.evaluation.metrics import scores
from faunashot.evaluation.summary import Summary, summarise
from faunashot.tracking import studies
from faunashot.tracking.runs import stage_run
from faunashot.tracking.study_tables import named, side_by_side

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ["None", "hen", "owl"]


def scored(right: float, *, seed: int, noisy: float | None = None) -> Summary:
    """A run that scores every clip once, a share of them right; less under noise."""
    rng = np.random.default_rng(seed)
    label = np.array(CLASSES)[np.arange(60) % 3]

    def probabilities(share: float) -> dict[str, np.ndarray]:
        guess = np.where(rng.random(60) < share, label, rng.choice(CLASSES, 60))
        return {f"p_{name}": np.where(guess == name, 0.8, 0.1) for name in CLASSES}

    clips = pd.DataFrame({"clip_id": [f"c{i}" for i in range(60)], "label": label})
    clips = clips.assign(group=[f"g{i // 6}-{i % 3}" for i in range(60)], k=0, episode=-1, fold="1")
    clips = clips.assign(start_s=0.0, end_s=1.0)
    parts = [clips.assign(condition="main", **probabilities(right))]
    if noisy is not None:
        parts.append(clips.assign(condition="snr_-5", **probabilities(noisy)))
    return summarise(pd.concat(parts), CLASSES, headline_k=0, n_bootstrap=50)


@pytest.fixture
def study(project: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[studies.Study, dict]:
    """Two systems of two seeds each, one of them under noise too, as evaluate logs them."""
    asked = studies.Study(name="s", grid=[{"system": ["good", "poor"], "seed": [1, 2]}])
    found = {}
    for experiment in studies.planned(asked):
        monkeypatch.setenv("DVC_EXP_NAME", experiment.name)
        good = experiment.axes["system"] == "good"
        summary = scored(
            0.9 if good else 0.3, seed=experiment.axes["seed"], noisy=0.5 if good else None
        )
        found[experiment.shown] = summary
        with stage_run(
            "evaluate", params=experiment.settings, inputs=[], record=Path("r.json")
        ) as run:
            run.parent_metrics(summary.figures)
            (project / "figures.json").write_text(json.dumps(summary.figures))
            run.artifact(project / "figures.json")
            for name in ("predictions", "curve", "per_class", "conditions"):
                run.table(getattr(summary, name), name)
    return asked, found


def test_figures_are_means_over_seeds_with_an_interval(study, project: Path) -> None:
    asked, found = study
    runs = studies.finished(project, studies.planned(asked))
    table = studies.table_of(project, asked, runs)
    assert named(asked, table, with_seeds=True).tolist() == list(found)
    tables = side_by_side(project, asked, table, runs)

    systems = tables["systems"].set_index("system")
    assert systems.index.tolist() == ["good", "poor"]
    for system in systems.index:
        each = [found[f"{system}, {seed}"].predictions for seed in (1, 2)]
        of_seeds = [scores(run["label"], run["predicted"], CLASSES) for run in each]
        for name in ("accuracy", "macro_f1"):
            mean = np.mean([of[name] for of in of_seeds])
            row = systems.loc[system]
            assert row[name] == pytest.approx(mean, abs=1e-4)
            assert row[f"{name}_low"] < mean < row[f"{name}_high"]

    classes = tables["classes"].set_index(["system", "label"])
    assert set(classes.index.get_level_values("label")) == set(CLASSES)
    f1 = [found[f"good, {seed}"].per_class.set_index("label").loc["None", "f1"] for seed in (1, 2)]
    assert classes.loc[("good", "None"), "f1"] == pytest.approx(np.mean(f1))

    noise = tables["noise"].set_index(["system", "snr_db"])
    assert noise.index.tolist() == [("good", np.inf), ("good", -5.0)]
    under = [found[f"good, {seed}"].conditions["accuracy"].iloc[0] for seed in (1, 2)]
    assert noise.loc[("good", -5.0), "accuracy"] == pytest.approx(np.mean(under))


def test_figures_of_windows_are_in_the_same_table(study, project: Path) -> None:
    asked, found = study
    runs = studies.finished(project, studies.planned(asked))
    table = studies.table_of(project, asked, runs)
    systems = side_by_side(project, asked, table, runs)["systems"].set_index("system")
    assert systems.loc["good", "axes"] == {"system": "good"}
    of_seeds = [found[f"good, {seed}"].figures for seed in (1, 2)]
    for row, of in ((table.iloc[0], of_seeds[:1]), (systems.loc["good"], of_seeds)):
        windows = np.mean([each["window"]["accuracy"] for each in of])
        assert row["window.accuracy"] == pytest.approx(windows)
    assert table.loc[0, "window.macro_f1_low"] == of_seeds[0]["window"]["macro_f1_low"]


def test_of_one_seed_the_figures_are_its_own(study, project: Path) -> None:
    asked, found = study
    alone = asked.model_copy(update={"grid": [{"system": ["good"], "seed": [1]}]})
    runs = studies.finished(project, studies.planned(alone))
    table = studies.table_of(project, alone, runs)
    row = side_by_side(project, alone, table, runs)["systems"].iloc[0]
    curve = found["good, 1"].curve.iloc[0]
    for name in ("macro_f1", "macro_f1_low", "macro_f1_high", "accuracy_low"):
        assert row[name] == pytest.approx(curve[name])


def test_every_plot_of_it_is_drawn(study, project: Path) -> None:
    asked, _ = study
    runs = studies.finished(project, studies.planned(asked))
    table = studies.table_of(project, asked, runs)
    files = command._draw(side_by_side(project, asked, table, runs), table, asked, project)
    assert [file.name for file in files] == [
        *("s.png", "s-averages.png", "s-classes.png", "s-noise.png"),
    ]
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_the_table_is_printed_with_the_reference_that_differs_from_nothing(
    study, project: Path, capsys
) -> None:
    (project / "study.yaml").write_text(
        "name: s\ngrid: {system: [good, poor], seed: [1, 2]}\nreference: {system: poor}\n"
    )
    command.study(project / "study.yaml", only_table=True, out=project / "out")
    lines = capsys.readouterr().out.splitlines()
    (good, _) = (line for line in lines if line.split()[:1] == ["good"])
    (poor, _) = (line for line in lines if line.split()[:1] == ["poor"])
    assert "+0." in good
    assert "+0." not in poor
    assert len(pd.read_csv(project / "out" / "s.csv")) == 4


PUBLISHED = """
name: s
grid: {system: [good, poor], seed: [1, 2]}
metrics: [accuracy, window.macro_f1]
published:
- {of: {system: good}, values: {accuracy: 0.93, window.accuracy: 0.5}, folds: official, source: a}
- {of: {system: poor}, values: {accuracy: 0.9}, folds: random, source: b, differs: other clips}
"""


def test_published_figures_stand_beside_ours(study, project: Path, capsys) -> None:
    _, found = study
    (project / "study.yaml").write_text(PUBLISHED)
    command.study(project / "study.yaml", only_table=True, out=project / "out")
    said = " ".join(capsys.readouterr().out.split())
    assert "accuracy of windows" in said
    assert "poor: published on random folds, which leak" in said
    assert "Not to be compared: other clips." in said

    beside = pd.read_csv(project / "out" / "s-published.csv")
    ours = np.mean([found[f"good, {seed}"].figures["accuracy"] for seed in (1, 2)])
    clips, windows, poor = (row for _, row in beside.iterrows())
    assert clips["difference"] == pytest.approx(ours - 0.93)
    assert clips["difference_low"] < clips["difference"] < clips["difference_high"]
    assert clips["within"] == (clips["ours_low"] <= 0.93 <= clips["ours_high"])
    assert windows["metric"] == "window.accuracy"
    assert pd.isna(poor["difference"])
    assert poor["leaks"]

    command.study(
        project / "study.yaml", only=["system=good"], only_table=True, out=project, as_json=True
    )
    rows = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in rows] == [1, 2]
    assert [each["metric"] for each in rows[0]["published"]] == ["accuracy", "window.accuracy"]


def test_a_corpus_that_is_absent_is_told_before_anything_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (project / "data/none").mkdir(parents=True)
    monkeypatch.setattr(command, "_dvc", lambda *_, **__: pytest.fail("something is run"))
    study = {"name": "s", "params": {"corpus": "urbansound8k"}, "grid": {"root": ["urban"]}}
    (project / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(CorpusError, match=r"urbansound8k is not here \(root: urban\): run `fauna"):
        command.study(project / "study.yaml")
    (project / "urban/audio").mkdir(parents=True)
    with pytest.raises(CorpusError, match=r"urban does not hold .* metadata/UrbanSound8K.csv or"):
        command.study(project / "study.yaml")


def test_an_experiment_that_cannot_be_run_is_named_before_anything_runs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    (project / "data/none").mkdir(parents=True)
    for name in (f"{label}/{label}{number}.wav" for label in ("hen", "owl") for number in range(6)):
        (project / "birds" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "birds" / name).touch()
    monkeypatch.setattr(command, "_dvc", lambda *_, **__: pytest.fail("something is run"))
    study = {
        "name": "s",
        "params": {"corpus": "folder", "root": "birds", "backbone": "logmel_stats"},
        "grid": {"protocol.name": ["fine_tune", "few_shot"], "protocol.k": [50]},
    }
    (project / "study.yaml").write_text(yaml.safe_dump(study))
    with pytest.raises(FaunashotError, match=r"^50, few_shot: .*k"):
        command.study(project / "study.yaml")
