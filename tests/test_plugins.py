"""A package of someone else's, as docs/EXTENDING.md has it, is installed and used by a run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from long_running import LONG
from pipeline_project import (
    REPOSITORY,
    call,
    change,
    embedded_now,
    metrics_of,
    new_project,
    own_line,
    runs_of,
    ten_a_class,
)

PAGE = REPOSITORY / "docs" / "EXTENDING.md"
KINDS = {
    "faunashot.backbones.base:BACKBONES": ("nightjar", "backbone:Nightjar"),
    "faunashot.frontends.base:FRONT_ENDS": ("octaves", "octaves:Octaves"),
    "faunashot.estimators.heads:HEADS": ("nearest_median", "nearest_median:NearestMedian"),
    "faunashot.estimators.windows:WINDOWS": ("window_means", "window_means:WindowMeans"),
    "faunashot.estimators.networks:NETWORKS": ("mel_average", "mel_average:MelAverage"),
    "faunashot.data.corpora:CORPORA": ("named_files", "named_files:NamedFiles"),
    "faunashot.protocols:PROTOCOLS": ("one_fold", "one_fold:OneFold"),
    "faunashot.conditions.base:CONDITIONS": ("distant", "distant:Distant"),
    "faunashot.evaluation.metrics:METRICS": ("worst_f1", "worst_f1:WorstF1"),
    "faunashot.evaluation.plots:PLOTS": ("confidence", "confidence:Confidence"),
    "faunashot.annotations.formats:ANNOTATION_FORMATS": ("json_lines", "json_lines:JsonLines"),
    "faunashot.export.formats.base:MODEL_FORMATS": ("zipped", "zipped:Zipped"),
    "faunashot.search.strategies:STRATEGIES": ("surest", "surest:Surest"),
}
"""Registries, and what the page adds to each: its name and its class in the package."""

MADE_BY_A_RUN = {"dvc.lock", "metrics.json", "dvcplots/dvc.yaml"}
"""What git sees of a run beside the parameters that were set for it."""


def files_of_page() -> dict[str, str]:
    """Contents of the files on the page, by path; the first line of each names it."""
    found = re.findall(r"^```(?:python|toml)\n# (\S+)\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    return dict(found)


def install(source: Path, site: Path) -> Path:
    """Build the wheel of a package, and unpack it as pip does; needs no network."""
    build = "from setuptools.build_meta import build_wheel; print(build_wheel('dist'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=source, capture_output=True, text=True, check=True
    )
    shutil.unpack_archive(source / "dist" / done.stdout.split()[-1], site, "zip")
    return site


@pytest.fixture(scope="module")
def nightjar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page's package is installed in."""
    folder = tmp_path_factory.mktemp("nightjar")
    for name, text in files_of_page().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (folder / "nightjar" / "__init__.py").touch()
    return install(folder, folder / "site")


@pytest.fixture
def broken(nightjar: Path, tmp_path: Path) -> Path:
    """A copy of the installed package to do harm to."""
    return shutil.copytree(nightjar, tmp_path / "site")


def ask(site: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run code where the package is installed."""
    return call(REPOSITORY, sys.executable, "-c", code, site=site)


def test_every_kind_is_on_the_page() -> None:
    registries = re.compile(r"^([A-Z_]+): Registry\[", re.M)
    there = {
        f"{'.'.join(module.relative_to(REPOSITORY / 'src').with_suffix('').parts)}:{name}"
        for module in (REPOSITORY / "src").rglob("*.py")
        for name in registries.findall(module.read_text("utf-8"))
    }
    assert {name.replace(".__init__:", ":") for name in there} == set(KINDS)


def test_each_kind_takes_one_module() -> None:
    modules = {f"nightjar/{of.partition(':')[0]}.py" for _, of in KINDS.values()}
    assert files_of_page().keys() == {"pyproject.toml", *modules}
    assert len(modules) == len(KINDS)


def test_each_registry_finds_the_package_s_class(nightjar: Path) -> None:
    code = f"""
import importlib
for dotted, (name, _) in {KINDS}.items():
    module, _, registry = dotted.partition(":")
    found = getattr(importlib.import_module(module), registry)
    assert name in found.names()
    kind = found[name]
    print(kind.__module__ + ":" + kind.__name__, found.package_of(name))
"""
    done = ask(nightjar, code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"nightjar.{of} nightjar" for _, of in KINDS.values()]


def test_its_tables_are_written_and_known_by_their_content(nightjar: Path, tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.reading import read_events
from faunashot.annotations.table import as_table
table = as_table([dict(file="a.wav", start_s=0, end_s=2, label="frog, tree", score=0.5)])
ANNOTATION_FORMATS["json_lines"]().write(table, Path({str(tmp_path / "a.jsonl")!r}))
assert read_events(Path({str(tmp_path / "a.jsonl")!r})).equals(table)
"""
    done = ask(nightjar, code)
    assert done.returncode == 0, done.stderr


def test_its_strategy_chooses(nightjar: Path) -> None:
    code = """
import numpy as np
from faunashot.search.strategies import STRATEGIES
from faunashot.search.strategies.base import Pool
found = np.array([[0.5, 0.5], [0.9, 0.1], [0.8, 0.2]])
pool = Pool(found, np.zeros((3, 2)), np.array(list("abc")), np.zeros((0, 2)))
print(STRATEGIES["surest"]().choose(pool, 2, rng=np.random.default_rng(0)).tolist())
"""
    assert ask(nightjar, code).stdout.strip() == "[1, 2]"


def test_listing_imports_no_module_of_the_package(nightjar: Path) -> None:
    code = f"""
import importlib, sys
for dotted in {list(KINDS)}:
    module, _, registry = dotted.partition(":")
    getattr(importlib.import_module(module), registry).names()
print([name for name in sys.modules if name.startswith("nightjar")])
"""
    assert ask(nightjar, code).stdout.strip() == "[]"


def test_the_commands_list_them(nightjar: Path) -> None:
    backbones = call(REPOSITORY, "faunashot", "backbones", "--json", site=nightjar)
    (row,) = [row for row in json.loads(backbones.stdout) if row["name"] == "nightjar"]
    assert (row["licence"], row["layers"]) == ("CC0-1.0", {"embedding": 32})
    systems = json.loads(call(REPOSITORY, "faunashot", "systems", "--json", site=nightjar).stdout)
    heads = {row["name"]: (row["head"], row["settings"]) for row in systems}
    assert heads["nearest_median"] == ("nearest_median", {})
    assert heads["window_means"] == ("window_means", {})
    assert heads["mel_average"] == ("from_scratch", {"network": "mel_average"})
    corpora = json.loads(call(REPOSITORY, "faunashot", "corpora", "--json", site=nightjar).stdout)
    assert "named_files" in {row["corpus"] for row in corpora}


@pytest.fixture
def params(tmp_path: Path) -> Path:
    """A folder with the repository's parameters, to be changed."""
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    return tmp_path


def load_params(site: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    code = f"""
from pathlib import Path
from faunashot.errors import ends_in_one_line
from faunashot.params import load_params
with ends_in_one_line():
    print(load_params(Path({str(folder / "params.yaml")!r})).features)
"""
    return ask(site, code)


def test_options_of_a_wrong_type_are_named_with_their_key(nightjar: Path, params: Path) -> None:
    change(params, backbone="nightjar", backbones__nightjar={"hop_s": "often"})
    said = own_line(load_params(nightjar, params).stderr)
    assert "backbones.nightjar.hop_s" in said
    assert "'often'" in said
    change(params, backbones__nightjar={"hops": 0.5})
    said = own_line(load_params(nightjar, params).stderr)
    assert "'backbones.nightjar.hops'; did you mean 'backbones.nightjar.hop_s'" in said
    change(params, backbones__nightjar=None, conditions__distant={"metres": [0]})
    said = own_line(load_params(nightjar, params).stderr)
    assert "conditions.distant.metres.0" in said


def test_two_of_one_name_are_refused_in_one_line(
    broken: Path, params: Path, tmp_path: Path
) -> None:
    other = broken / "owlet-2.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: owlet\nVersion: 2\n")
    entries = other / "entry_points.txt"
    cases = {
        "backbones]\nnightjar = nightjar.backbone:Nightjar": ("nightjar", "nightjar"),
        "frontends]\nnightjar = nightjar.octaves:Octaves": ("nightjar", "a front end"),
        "backbones]\nbirdnet = nightjar.backbone:Nightjar": ("birdnet", "faunashot"),
    }
    for lines, (name, beside) in cases.items():
        entries.write_text(f"[faunashot.{lines}\n")
        change(params, backbone=name)
        said = own_line(load_params(broken, params).stderr)
        assert f"backbone {name!r} is given by" in said or f"backbone: {name!r} is" in said
        assert beside in said
        change(params, backbone="logmel_stats")
        fine = load_params(broken, params)
        assert (fine.returncode == 0) == (name != "birdnet"), fine.stderr  # which has a block there
    head = "nightjar.nearest_median:NearestMedian"
    cases = {
        f"heads]\nwindow_means = {head}": ("window_means", "head 'window_means' is given as"),
        f"heads]\ncnn1d = {head}": ("cnn1d", "system: 'cnn1d' is one of ours, and a head of"),
        f"heads]\nknn = {head}": ("knn", "head 'knn' is given by faunashot and by package owlet"),
    }
    for lines, (name, expected) in cases.items():
        entries.write_text(f"[faunashot.estimators.{lines}\n")
        change(params, system=name)
        assert expected in own_line(load_params(broken, params).stderr)


def test_one_that_does_not_import_is_named_and_the_others_go_on(broken: Path, params: Path) -> None:
    (broken / "nightjar" / "backbone.py").write_text("import a_package_that_is_not_here\n")
    done = call(REPOSITORY, "faunashot", "backbones", "--json", site=broken)
    assert {"birdnet", "yamnet"} <= {row["name"] for row in json.loads(done.stdout)}
    expected = "backbone 'nightjar' of nightjar cannot be imported: No module named"
    assert expected.replace("of ", "of package ") in own_line(done.stderr)
    change(params, backbone="nightjar")
    assert "a_package_that_is_not_here" in own_line(load_params(broken, params).stderr)


def test_classes_of_a_vocabulary_of_its_own_are_mapped_by_their_names() -> None:
    from faunashot.protocols.zero_shot import class_map

    mapped = class_map("dusk", ["Tawny owl", "Nightjar"], ["tawny_owl", "wren"])
    assert mapped == {"tawny_owl": ["Tawny owl"], "wren": None}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, nightjar: Path) -> Path:
    """A clone whose pipeline has run with five kinds of things that the package adds."""
    project = new_project(tmp_path_factory.mktemp("dusk"), ten_a_class)
    change(project, backbone="nightjar", system="nearest_median")
    change(project, protocols__few_shot__episodes=5, conditions__distant={"metres": [50]})
    done = call(project, "dvc", "repro", site=nightjar)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return project


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestRun:
    """One run with all that the page adds to it, and no file of the repository changed."""

    def test_nothing_of_the_repository_is_changed(self, project: Path) -> None:
        done = call(project, "git", "status", "--porcelain")
        assert {line[3:].strip('"').rstrip("/") for line in done.stdout.splitlines()} <= {
            *MADE_BY_A_RUN,
            "params.yaml",
        }
        for file in (REPOSITORY / "src").rglob("*.py"):
            copied = project / file.relative_to(REPOSITORY)
            assert not copied.exists() or copied.read_bytes() == file.read_bytes()

    def test_its_backbone_made_the_features_under_its_condition_too(self, project: Path) -> None:
        stores = {file.parent for file in (project / "features").rglob("meta.json")}
        folders = {str(folder.relative_to(project / "features")) for folder in stores}
        assert folders == {"main/folder/nightjar", "distant_50/folder/nightjar"}

    def test_the_model_names_backbone_and_head(self, project: Path) -> None:
        model = json.loads((project / "models/nightjar-nearest_median/model.json").read_text())
        (backbone,) = model["backbones"]
        assert (backbone["name"], backbone["licence"]) == ("nightjar", "CC0-1.0")
        assert (model["system"]["name"], model["system"]["head"]) == ("nearest_median",) * 2
        assert "The Nightjar Project" in (project / "reports/model_card.md").read_text()

    def test_its_metric_has_an_interval_and_is_in_mlflow(self, project: Path) -> None:
        metrics = json.loads((project / "reports/figures.json").read_text())
        assert 0.2 < metrics["macro_f1"] < 1
        low, value, high = (metrics[f"worst_f1{end}"] for end in ("_low", "", "_high"))
        assert 0 <= low <= value <= high <= 1
        assert value <= metrics["macro_f1"]
        (parent,) = [run for run in runs_of(project) if "mlflow.parentRunId" not in run]
        assert metrics_of(project, parent["run_id"])["worst_f1"] == value

    def test_its_condition_was_scored(self, project: Path) -> None:
        metrics = json.loads((project / "reports/figures.json").read_text())
        assert metrics["conditions"].keys() == {"distant_50"}
        distant = metrics["conditions"]["distant_50"]
        gap = metrics["macro_f1"] - distant["macro_f1"]
        assert distant["difference"] == pytest.approx(gap, abs=2e-4)
        assert "worst_f1" in distant

    def test_the_report_shows_metric_condition_and_plot(self, project: Path) -> None:
        page = (project / "reports/report.html").read_text("utf-8")
        metrics = json.loads((project / "reports/figures.json").read_text())
        assert f"<td>worst F1</td><td>{metrics['worst_f1']:.4f}</td>" in page
        assert "of macro-F1 goes 50 m away" in page
        assert "CC0-1.0" in page
        table = pd.read_csv(project / "plots/confidence.csv")
        assert len(table) == metrics["scored"]
        drawn = sorted(file.stem for file in (project / "plots").glob("*.csv"))
        assert "confidence" in drawn
        assert page.count("<img") == len(drawn)

    def test_the_saved_model_recognises_where_the_package_is(
        self, project: Path, nightjar: Path
    ) -> None:
        command = ["faunashot", "recognise", "data/recordings/frog-0.wav", "--json"]
        done = call(project, *command, site=nightjar)
        assert done.returncode == 0, done.stderr
        (row,) = json.loads(done.stdout)
        assert row["probabilities"].keys() == {"frog", "owl", "wren"}
        without = call(project, *command)
        assert without.returncode == 1
        own_line(without.stderr)

    def test_the_served_model_asks_for_the_package(self, project: Path) -> None:
        listed = {
            file.read_text() for file in project.rglob("requirements.txt") if "mlruns" in str(file)
        }
        assert listed
        assert all("nightjar==1" in text for text in listed)

    def test_what_does_not_import_is_named_and_the_run_goes_on(
        self, project: Path, broken: Path, tmp_path: Path
    ) -> None:
        copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
        for name in ("worst_f1", "confidence"):
            (broken / "nightjar" / f"{name}.py").write_text("raise RuntimeError('torn')\n")
        done = call(copy, "dvc", "repro", "-f", "-s", "evaluate", "report", site=broken)
        assert done.returncode == 0, done.stderr
        said = [line for line in done.stderr.splitlines() if line.startswith("faunashot: ")]
        assert "Traceback" not in done.stderr
        for kind in ("metric 'worst_f1'", "plot 'confidence'"):
            expected = f"faunashot: {kind} of package nightjar cannot be imported: torn"
            assert expected in said
        metrics = json.loads((copy / "metrics.json").read_text())
        assert "worst_f1" not in metrics
        assert metrics["macro_f1"] == json.loads((project / "metrics.json").read_text())["macro_f1"]

    def test_another_run_uses_the_others(
        self, project: Path, nightjar: Path, tmp_path: Path
    ) -> None:
        copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
        axes = ["corpus=named_files", "backbone=octaves", "system=window_means"]
        axes += ["protocol.name=one_fold", "+protocols.one_fold.fold=2"]
        axes += ["+frontends.octaves.hop_s=1.0"]
        set_by = [argument for axis in axes for argument in ("-S", axis)]
        done = call(copy, "dvc", "exp", "run", *set_by, site=nightjar)
        assert done.returncode == 0, done.stdout + done.stderr
        assert embedded_now(done.stderr) == {"named_files": 120, "named_files, distant_50": 120}
        scored = pd.read_csv(copy / "predictions.csv")
        assert sorted(scored["clip_id"]) == sorted(
            f"{label}-{number}.wav" for label in ("frog", "owl", "wren") for number in (1, 6)
        )
        metrics = json.loads((copy / "metrics.json").read_text())
        assert metrics["macro_f1"] > 0.3
        command = ["faunashot", "recognise", "data/recordings/frog-0.wav", "--json"]
        (row,) = json.loads(call(copy, *command, site=nightjar).stdout)
        assert row["probabilities"].keys() == {"frog", "owl", "wren"}

    @LONG
    def test_its_layers_can_be_trained(self, project: Path, nightjar: Path, tmp_path: Path) -> None:
        copy = shutil.copytree(project, tmp_path / "copy", symlinks=True)
        change(copy, system="end_to_end", protocol__name="fine_tune", conditions={})
        done = call(copy, "dvc", "repro", site=nightjar)
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads((copy / "metrics.json").read_text())["macro_f1"] > 0.3
