"""Stage report: one page that a person reads."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from faunashot.evaluation import calibration_plots, plots
from faunashot.features.extractors import licence_of
from faunashot.params import Params
from faunashot.reporting.page import report_page
from faunashot.tracking.runs import stage_run

INPUTS = [
    *(Path(f) for f in ("metrics.json", "curve.csv")),
    *(Path(f"plots/{n}.csv") for n in ("per_class", "confusion", "calibration")),
]


def run(params: Params) -> None:
    """Run the stage."""
    with stage_run(
        "report",
        params=params.model_dump(mode="json"),
        inputs=INPUTS,
        record=Path("reports/mlflow/report.json"),
        name=params.run_name,
    ) as run:
        metrics = json.loads(Path("metrics.json").read_text())
        curve = pd.read_csv("curve.csv")
        confusion = pd.read_csv("plots/confusion.csv", index_col="true").rename_axis(
            columns="predicted"
        )
        calibration = pd.read_csv("plots/calibration.csv")
        page = Path("reports/report.html")
        page.write_text(
            report_page(
                title=f"{params.full_system} on {params.corpus}",
                lead=f"protocol {params.protocol.name}, k = {metrics['k']} labelled clips a class",
                metrics=metrics,
                curve=curve,
                figures=[
                    *([plots.curve_figure(curve)] if len(curve) > 1 else []),
                    plots.confusion_figure(confusion),
                    plots.per_class_figure(pd.read_csv("plots/per_class.csv")),
                    calibration_plots.reliability_figure(
                        *(calibration[calibration["temperature"] == n] for n in ("before", "after"))
                    ),
                ],
                findings=findings(),
                licence="; ".join(licence_of(n) for n in params.backbone_names),
            )
        )
        run.artifact(page)
        print(f"{page}: open it in a browser")


def findings() -> list[str]:
    """What ingest and audit found, a line each."""
    lines = []
    for name, found in json.loads(Path("reports/ingest.json").read_text()).items():
        counts = found["clips_a_class"].values()
        share = f"{min(counts)} to {max(counts)}" if len(set(counts)) > 1 else f"{max(counts)}"
        lines.append(
            f"{name}: {found['clips']} clips good, {share} a class, "
            f"{found['duration_s'] / 60:.1f} minutes; {len(found['bad'])} bad, "
            f"{len(found['flagged'])} clipping"
        )
        lines += [f"bad: {b['path']}: {b['reason']}" for b in found["bad"][:20]]
    audit = json.loads(Path("reports/audit.json").read_text())
    lines.append(
        f"{len(audit['exact_duplicates'])} groups of exact duplicates and "
        f"{len(audit['near_duplicates'])} near pairs joined, {len(audit['crossing'])} sets of them "
        f"across folds, {len(audit['conflicts'])} left out for having several labels; "
        f"{len(audit['across_corpora'])} in source and target at once"
    )
    shortcuts = audit["shortcuts"]
    if "skipped" in shortcuts:
        lines.append(f"shortcuts not scored: {shortcuts['skipped']}")
    else:
        lines.append(
            f"shortcuts: the label is told from format, length, level, noise floor and bandwidth "
            f"alone with macro-F1 {shortcuts['macro_f1']} (chance "
            f"{shortcuts['chance_macro_f1']}), from the file header alone with "
            f"{shortcuts['header']['macro_f1']}"
        )
    return lines
