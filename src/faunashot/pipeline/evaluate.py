"""Stage evaluate: held-out scores to figures with intervals; the model registered with its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from faunashot.data.corpora.registry import create
from faunashot.evaluation import calibration_plots, plots
from faunashot.evaluation.rejection import rejection
from faunashot.evaluation.summary import DIGITS, Summary, summarise
from faunashot.params import Params
from faunashot.serving.requirements import example_audio, requirements
from faunashot.systems.card import model_card
from faunashot.systems.record import TrainedSystem
from faunashot.tracking.models import log_and_register, promote
from faunashot.tracking.runs import StageRun, stage_run


def run(params: Params) -> None:
    """Run the stage."""
    model = Path("models") / params.full_system
    tables = {n: Path(f"predictions/{n}.parquet") for n in ("held_out", "windows", "unknown")}
    with stage_run(
        "evaluate",
        params=params.model_dump(mode="json"),
        inputs=[*tables.values(), model],
        record=Path("reports/mlflow/evaluate.json"),
        name=params.run_name,
    ) as run:
        used = {"corpus", "backbone", "system", "seed", "evaluation"}
        run.params(params.model_dump(mode="json", include=used))
        record = TrainedSystem.read(model)
        held_out, windows, unknown = (pd.read_parquet(file) for file in tables.values())
        summary = summarise(
            held_out,
            record.classes,
            headline_k=record.k,
            windows=None if windows.empty else windows,
            level=params.evaluation.level,
            draws=params.evaluation.draws,
            seed=params.seed,
        )
        metrics = {**summary.metrics, "protocol": record.figures}
        if record.leak:
            metrics["leak"] = record.leak
        if record.temperature:
            metrics["temperature"] = round(record.temperature.value, DIGITS)
        if not unknown.empty:
            metrics["unknown"] = of_unknown(unknown, params)
            drawn = calibration_plots.rejection_figure(
                unknown["score"], unknown["known"], threshold=0.0, title=params.run_name
            )
            run.figure(drawn, "unknown")
        write(summary, metrics)
        title = params.run_name
        run.figure(plots.confusion_figure(summary.confusion, title=title), "confusion")
        run.figure(plots.per_class_figure(summary.per_class, title=title), "per_class")
        run.figure(plots.curve_figure(summary.curve, title=title), "curve")
        run.figure(
            calibration_plots.reliability_figure(*both(summary.calibration), title=title),
            "calibration",
        )
        run.table(summary.conditions, "conditions")
        run.table(summary.calibration, "calibration")
        run.table(summary.confusion.reset_index(), "confusion")
        run.table(summary.per_class, "per_class")
        run.table(summary.predictions, "predictions")
        run.table(summary.curve, "curve")
        for row in summary.curve.to_dict("records"):
            run.metrics({"curve": {"macro_f1": row["macro_f1"]}}, step=int(row["k"]))
        run.metrics(metrics)
        run.parent_metrics(metrics)
        register(run, params, record, metrics, model)


def both(calibration: pd.DataFrame) -> list[pd.DataFrame]:
    """The tables before and after temperature scaling."""
    return [calibration[calibration["temperature"] == name] for name in ("before", "after")]


def of_unknown(unknown: pd.DataFrame, params: Params) -> dict[str, Any]:
    """Figures of the detector of recordings of no class; scores are less its threshold."""
    found = rejection(
        unknown["score"],
        unknown["known"],
        groups=unknown["group"],
        threshold=0.0,
        correct=unknown["correct"],
        n_draws=params.evaluation.draws,
        level=params.evaluation.level,
        seed=params.seed,
    )
    return {
        name + suffix: None if value is None else round(float(value), DIGITS)
        for name, interval in found.items()
        for suffix, value in zip(("", "_low", "_high"), interval, strict=True)
    }


def write(summary: Summary, metrics: dict[str, Any]) -> None:
    """Write what DVC keeps."""
    Path("plots").mkdir(exist_ok=True)
    summary.predictions.to_csv("predictions.csv", index=False)
    summary.curve.to_csv("curve.csv", index=False)
    summary.conditions.to_csv("plots/conditions.csv", index=False)
    summary.calibration.to_csv("plots/calibration.csv", index=False)
    summary.per_class.to_csv("plots/per_class.csv", index=False)
    summary.confusion.to_csv("plots/confusion.csv")
    Path("metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")


def register(
    run: StageRun, params: Params, record: TrainedSystem, metrics: dict[str, Any], model: Path
) -> None:
    """Register the model under its alias, with the card."""
    block = params.corpora[params.corpus]
    corpus = create(params.corpus, reader=block.reader, classes=block.classes)
    card = model_card(
        record, metrics, corpus_licence=corpus.licence, corpus_citation=corpus.citation
    )
    (Path("reports") / "model_card.md").write_text(card)
    version = log_and_register(
        run,
        model,
        card=card,
        requirements=requirements(params.backbone_names),
        example_audio=example_audio(),
        tags={
            "corpus": params.corpus,
            "system": params.full_system,
            "protocol": params.protocol.name,
            "k": record.k,
        },
    )
    champion = promote(version, metrics["macro_f1"])
    alias = "models:/faunashot@champion" if champion else f"models:/faunashot/{version}"
    print(
        f"macro-F1 {metrics['macro_f1']} [{metrics['macro_f1_low']}, {metrics['macro_f1_high']}], "
        f"registered as {alias}"
    )
