"""Stage evaluate: held-out scores to figures with intervals; the model registered with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from faunashot.data.corpora import create
from faunashot.estimators.kinds import packages_of, stored_class
from faunashot.evaluation.metrics import titles
from faunashot.evaluation.plots import plot_tables, plots_for
from faunashot.evaluation.summary import DIGITS, Summary, summarise
from faunashot.params import Params
from faunashot.pipeline.paths import (
    CURVE,
    METRICS,
    PREDICTIONS,
    REPORTS,
    RUN_RECORDS,
    model_of,
)
from faunashot.reporting.plot_files import write_dvc_list, write_tables
from faunashot.serving.requirements import example_audio, requirements
from faunashot.systems.card import model_card
from faunashot.systems.record import TrainedSystem
from faunashot.tracking.models import log_and_register, promote
from faunashot.tracking.runs import StageRun, stage_run

CARD = REPORTS / "model_card.md"


def run(params: Params) -> None:
    """Run the stage."""
    model = model_of(params.full_system)
    tables = {n: PREDICTIONS / f"{n}.parquet" for n in ("held_out", "windows", "unknown")}
    with stage_run(
        "evaluate",
        params=params.model_dump(mode="json"),
        inputs=[*tables.values(), model],
        record=RUN_RECORDS / "evaluate.json",
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
            unknown=None if unknown.empty else unknown,
            multi_label=record.multi_label,
            confidence_level=params.evaluation.confidence_level,
            n_bootstrap=params.evaluation.n_bootstrap,
            seed=params.seed,
        )
        metrics = {**summary.metrics, **_of_training(record)}
        write(summary, metrics)
        log(run, summary, metrics, title=params.run_name)
        register(run, params, record, metrics, model)


def write(summary: Summary, metrics: Mapping[str, Any]) -> None:
    """Write what DVC keeps."""
    METRICS.write_text(json.dumps(metrics, indent=1) + "\n")
    summary.predictions.to_csv("predictions.csv", index=False)
    summary.curve.to_csv(CURVE, index=False)
    write_tables({"conditions": summary.conditions, **plot_tables(summary)})
    write_dvc_list(multi_label=summary.multi_label)


def log(run: StageRun, summary: Summary, metrics: Mapping[str, Any], *, title: str) -> None:
    """Log figures, tables and plots to MLflow."""
    drawn, plots = plot_tables(summary), plots_for(multi_label=summary.multi_label)
    for name, table in drawn.items():
        run.figure(plots[name].figure(table, title=title), name)
    whole = {n: getattr(summary, n) for n in ("conditions", "predictions", "curve")}
    for name, table in {**drawn, **whole}.items():
        run.table(table, name)
    for row in summary.curve.to_dict("records"):
        at_k = {name: row[name] for name in titles(map(str, row))}
        run.metrics({"curve": at_k}, step=int(row["k"]))
    run.metrics(metrics)
    run.parent_metrics(metrics)


def register(
    run: StageRun, params: Params, record: TrainedSystem, metrics: Mapping[str, Any], model: Path
) -> None:
    """Register the model under its alias, with the card."""
    corpus = create(params.corpus, **params.corpora.get(params.corpus, {}))
    card = model_card(
        record,
        metrics,
        titles=titles(metrics),
        corpus_licence=corpus.licence,
        corpus_citation=corpus.citation,
    )
    CARD.write_text(card)
    version = log_and_register(
        run,
        model,
        card=card,
        requirements=requirements(params.backbone_names, more=_packages(record)),
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


def _packages(record: TrainedSystem) -> list[str]:
    """Python packages that the estimator needs when it is served."""
    named = packages_of(record.system["head"])
    return [*named, *stored_class(record.estimator).packages]


def _of_training(record: TrainedSystem) -> dict[str, Any]:
    """Figures that training left with the model."""
    figures: dict[str, Any] = {"protocol": record.figures}
    if record.leak:
        figures["leak"] = record.leak
    if record.temperature:
        figures["temperature"] = round(record.temperature.value, DIGITS)
    return figures
