"""A metric and a plot of another package: declared once, and seen wherever figures are shown."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from faunashot.cli import show
from faunashot.evaluation import metrics, plots
from faunashot.evaluation.summary import Summary, summarise
from faunashot.pipeline import evaluate
from faunashot.registry import Registry
from faunashot.reporting.page import report_page
from faunashot.reporting.plot_files import DVC_LIST, pictures
from faunashot.systems.card import model_card
from faunashot.systems.record import TrainedSystem

CLASSES = ["frog", "owl"]
METRIC = """
from faunashot.evaluation.metrics.base import Metric


class Misses(Metric):
    title = "missed share"
    of = "labels"

    def values(self, clips):
        return 1 - clips.counts.hits.sum(axis=-1) / clips.counts.support.sum(axis=-1)
"""
PLOT = """
from matplotlib.figure import Figure

from faunashot.evaluation.plots.base import DvcPlot, Plot


class Sure(Plot):
    title = "Confidence of each clip"
    dvc = DvcPlot(template="scatter", x="clip_id", y="confidence", y_label="how sure")

    def table(self, summary):
        columns = [name for name in summary.predictions if name.startswith("p_")]
        confidence = summary.predictions[columns].max(axis=1)
        return summary.predictions[["clip_id"]].assign(confidence=confidence)

    def figure(self, table, *, title=""):
        figure = Figure()
        figure.subplots().plot(table["confidence"], label="of the meadow")
        return figure
"""


def write_package(site: Path) -> None:
    """A package as pip leaves it, with an entry point of each kind."""
    (site / "meadow").mkdir()
    (site / "meadow" / "__init__.py").touch()
    (site / "meadow" / "misses.py").write_text(METRIC)
    (site / "meadow" / "sure.py").write_text(PLOT)
    info = site / "meadow-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: meadow\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[faunashot.evaluation.metrics]\nmisses = meadow.misses:Misses\n"
        "[faunashot.evaluation.plots]\nsure = meadow.sure:Sure\n"
    )


def forget() -> None:
    """What is known of installed packages is looked up again."""
    metrics._in_order.cache_clear()
    plots.all_plots.cache_clear()


@pytest.fixture
def meadow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another package is installed, and the project is the current folder."""
    site = tmp_path / "site"
    site.mkdir()
    write_package(site)
    monkeypatch.syspath_prepend(site)
    for name in [name for name in sys.modules if name.split(".")[0] == "meadow"]:
        monkeypatch.delitem(sys.modules, name)
    for module, registry in ((metrics, "METRICS"), (plots, "PLOTS")):
        old = getattr(module, registry)
        new = Registry(old.kind, old.package, contract=old.contract)
        monkeypatch.setattr(module, registry, new)
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    forget()
    yield
    forget()


class Tracked:
    """What a stage's run was told to log."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.tables: dict[str, pd.DataFrame] = {}
        self.steps: dict[int | None, dict] = {}

    def artifact(self, path: Path) -> None:
        self.files.append(path)

    def parent_artifact(self, path: Path) -> None:
        self.files.append(path)

    def table(self, table: pd.DataFrame, name: str) -> None:
        self.tables[name] = table

    def metrics(self, values: dict, step: int | None = None) -> None:
        self.steps[step] = values

    def parent_metrics(self, values: dict) -> None:
        self.final = values


def scored(*, multi_label: bool = False, episodes: int = 0) -> Summary:
    """Clips that are scored once, or in each of some episodes with other scores."""
    rng = np.random.default_rng(0)
    n = 40
    parts = []
    for k, episode in product((1, 5), range(episodes) if episodes else [-1]):
        label = np.array(CLASSES)[np.arange(n) % 2]
        owl = np.where(label == "owl", 0.6, 0.4) + rng.uniform(-0.3, 0.3, n)
        table = pd.DataFrame({"k": k, "episode": episode, "fold": "1", "label": label})
        parts.append(
            table.assign(
                clip_id=[f"c{i}" for i in range(n)],
                group=[f"g{i // 2}" for i in range(n)],
                start_s=0.0,
                end_s=1.0,
                p_frog=1 - owl,
                p_owl=owl,
            )
        )
    clips = pd.concat(parts)
    equalised = clips.assign(condition="equalised", p_frog=0.9, p_owl=0.1)
    return summarise(
        pd.concat([clips, equalised]),
        CLASSES,
        headline_k=5,
        n_bootstrap=50,
        multi_label=multi_label,
    )


def page(summary: Summary) -> str:
    return report_page(
        title="a",
        lead="b",
        figures=summary.figures,
        curve=pd.read_csv("curve.csv"),
        pictures=pictures(),
        sentences=[],
        findings=[],
        licence="c",
    )


def card_of(figures: dict) -> str:
    record = TrainedSystem(estimator="head", backbones=[], classes=CLASSES, system={"name": "s"})
    named = metrics.titles(figures)
    licensed = {"corpus_licence": "", "corpus_citation": ""}
    return model_card(record, figures, system="s", titles=named, **licensed)


@pytest.mark.parametrize("episodes", [0, 6])
def test_both_intervals_are_the_same_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, episodes: int
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = scored(episodes=episodes)
    evaluate.write(summary, summary.figures, title="t")
    figures = summary.figures
    kinds = ["macro_f1", "macro_f1_draws"] if episodes else ["macro_f1"]
    ends = [f"{kind}_{end}" for kind in kinds for end in ("low", "high")]
    shown = [f"{figures[f'{kind}_low']:.4f} to {figures[f'{kind}_high']:.4f}" for kind in kinds]
    if episodes:
        low, draws_low, value, draws_high, high = (
            figures[f"macro_f1{end}"] for end in ("_low", "_draws_low", "", "_draws_high", "_high")
        )
        assert low < draws_low < value < draws_high < high

    run = Tracked()
    evaluate.log(run, summary, figures)
    curve = pd.read_csv("curve.csv").set_index("k").loc[5]
    for written in (json.loads(Path("metrics.json").read_text()), run.final, curve):
        assert {name: written[name] for name in ends} == {name: figures[name] for name in ends}
        assert ("macro_f1_draws_low" in written) == bool(episodes)
    cells = "".join(f"<td>{each}</td>" for each in shown)
    value = f"{figures['macro_f1']:.4f}"
    assert f"<td>macro-F1</td><td>{value}</td>{cells}" in page(summary)
    assert f"<td>5</td><td>{value}</td>{cells}" in page(summary)
    card = card_of(figures)
    assert f"| macro-F1 | {value} | {' | '.join(shown)} |" in card
    show.show()
    row = next(line for line in capsys.readouterr().out.splitlines() if "5 *" in line)
    assert value in row
    assert [each for each in shown if each not in row] == []
    for text in (page(summary), card):
        assert ("draws alone" in text) == bool(episodes)


@pytest.mark.usefixtures("meadow")
def test_another_package_s_metric_is_in_every_table() -> None:
    summary = scored()
    wrong = (summary.predictions["label"] != summary.predictions["predicted"]).mean()
    value = summary.figures["misses"]
    assert value == round(wrong, 4)
    assert 0 < summary.figures["misses_low"] < value < summary.figures["misses_high"]
    assert summary.figures["window"]["misses"] == value
    assert summary.figures["conditions"]["equalised"]["misses"] == 0.5

    evaluate.write(summary, summary.figures, title="t")
    curve = pd.read_csv("curve.csv").set_index("k")
    assert curve.loc[5, ["misses", "misses_low"]].tolist() == [value, summary.figures["misses_low"]]
    assert json.loads(Path("metrics.json").read_text())["misses"] == value
    assert json.loads(Path("reports/figures.json").read_text()) == summary.figures

    run = Tracked()
    evaluate.log(run, summary, summary.figures)
    assert run.final["misses"] == value
    assert run.steps[5]["curve"]["misses"] == value

    assert f"<td>missed share</td><td>{value:.4f}</td>" in page(summary)
    assert "<th>missed share</th>" in page(summary)


@pytest.mark.usefixtures("meadow")
def test_another_package_s_metric_is_printed_and_on_the_card(capsys) -> None:
    summary = scored()
    evaluate.write(summary, summary.figures, title="t")
    show.show()
    out = capsys.readouterr().out
    assert f"{summary.figures['misses']:.4f}" in out
    card = card_of(summary.figures)
    assert f"| missed share | {summary.figures['misses']:.4f} |" in card


@pytest.mark.usefixtures("meadow")
def test_another_package_s_plot_is_drawn_everywhere() -> None:
    summary = scored()
    evaluate.write(summary, summary.figures, title="t")
    table = pd.read_csv("plots/sure.csv")
    assert len(table) == 40
    assert (
        table["confidence"].tolist()
        == summary.predictions[["p_frog", "p_owl"]].max(axis=1).tolist()
    )

    run = Tracked()
    evaluate.log(run, summary, summary.figures)
    assert len(run.tables["sure"]) == 40
    picture = Path("plots/sure.png")
    assert picture in run.files

    shown = page(summary)
    assert run.files.pop(0) == Path("reports/figures.json")
    assert shown.count("<img") == len(run.files) == 6
    assert "<img alt='Confidence of each clip'" in shown
    assert base64.b64encode(picture.read_bytes()).decode() in shown

    listed = yaml.safe_load(DVC_LIST.read_text())["plots"]
    (drawn,) = [each for each in listed if "Confidence of each clip" in each]
    assert drawn["Confidence of each clip"] == {
        "template": "scatter",
        "x": "clip_id",
        "y": {"../plots/sure.csv": "confidence"},
        "x_label": "clip_id",
        "y_label": "how sure",
    }


@pytest.mark.usefixtures("meadow")
def test_one_that_lacks_a_title_is_named_and_the_others_go_on(tmp_path, capsys) -> None:
    for name in ("misses", "sure"):
        file = tmp_path / "site" / "meadow" / f"{name}.py"
        text = file.read_text()
        file.write_text(text.replace("    title = ", "    heading = "))
    summary = scored()
    assert "misses" not in summary.figures
    assert "macro_f1" in summary.figures
    evaluate.write(summary, summary.figures, title="t")
    assert not Path("plots/sure.csv").exists()
    of_metric, of_plot = capsys.readouterr().err.splitlines()
    assert "metric 'misses' of package meadow" in of_metric
    assert of_metric.endswith("Misses declares no title")
    assert "plot 'sure' of package meadow" in of_plot


@pytest.mark.usefixtures("meadow")
def test_a_metric_of_a_name_that_is_taken_is_refused(tmp_path) -> None:
    entries = tmp_path / "site" / "meadow-1.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text().replace("misses =", "window ="))
    with pytest.raises(ValueError, match="metric 'window': another figure has that name"):
        scored()


def test_what_is_not_installed_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = scored()
    assert "misses" not in summary.figures
    Path("plots").mkdir()
    Path("plots/sure.csv").write_text("clip_id,confidence\n")
    evaluate.write(summary, summary.figures, title="t")
    assert not Path("plots/sure.csv").exists()  # of an earlier run
    # one that was installed when the figures were made goes by its name
    assert metrics.titles(["misses", "misses_low"]) == {"misses": "misses"}


def test_several_labels_a_clip_leave_out_what_needs_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = scored(multi_label=True)
    evaluate.write(summary, summary.figures, title="t")
    assert {file.stem for file in Path("plots").glob("*.csv")} == {
        *("conditions", "curve", "per_class", "class_effect")
    }
    titles = {title for each in yaml.safe_load(DVC_LIST.read_text())["plots"] for title in each}
    ranked = "Average precision by clips of the class"
    assert titles == {"Macro-F1 against k", "F1 by class", ranked}
    shown = page(summary)
    assert "Calibration error" not in shown
    assert "<td>mAUC</td>" in shown
    assert f"<td>owl</td><td>{summary.figures['per_class']['owl']['precision']:.4f}</td>" in shown


@pytest.mark.usefixtures("meadow")
def test_a_metric_that_gives_no_number_a_weighting_is_named(monkeypatch) -> None:
    found = metrics.metrics_for()["misses"]
    monkeypatch.setattr(type(found), "values", lambda self, clips: clips.counts.hits)
    with pytest.raises(ValueError, match=r"metric 'misses': shape \(.*\) for .* weightings"):
        scored()


def test_the_list_for_dvc_is_what_the_plots_declare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = scored()
    evaluate.write(summary, summary.figures, title="t")
    committed = Path(__file__).resolve().parents[2] / DVC_LIST
    assert committed.read_text("utf-8") == DVC_LIST.read_text("utf-8")
