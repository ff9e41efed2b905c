"""Stage evaluate: held-out scores to figures with intervals; the model registered with its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from faunashot.data.corpora import create
from faunashot.evaluation.metrics import HEADLINE, titles
from faunashot.evaluation.plots import plot_tables
from faunashot.evaluation.summary import DIGITS, Summary, headline_figures, summarise
from faunashot.params import Params
from faunashot.pipeline.paths import (
    CURVE,
    FIGURES,
    METRICS,
    PREDICTIONS,
    REPORTS,
    RUN_RECORDS,
    clips_of,
    model_of,
)
from faunashot.reporting.plot_files import pictures, write_dvc_list, write_plots
from faunashot.serving.requirements import example_audio, requirements
from faunashot.systems.card import model_card
from faunashot.systems.record import TrainedSystem
from faunashot.tracking.champions import contest
from faunashot.tracking.datasets import Dataset, dataset_of
from faunashot.tracking.models import Registration, log_and_register, registered_name
from faunashot.tracking.runs import StageRun, stage_run
from faunashot.tracking.store import root
from faunashot.wording import decimals, interval

CARD = REPORTS / "model_card.md"


def run(params: Params) -> str:
    """Run the stage."""
    model = model_of(params)
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
        figures = {**summary.figures, **_of_training(record)}
        write(summary, figures, title=params.run_name)
        card = card_of(params, record, figures)
        CARD.write_text(card)
        shown = headline_figures(figures)
        # before the figures are logged, each of which MLflow would read again for the model
        version = run.outage.attempt(
            register, run, params, record, metrics=shown, model=model, card=card
        )
        run.dataset(scored_on(params), "evaluation")
        log(run, summary, figures)
    headline = f"macro-F1 {decimals(figures[HEADLINE])} ({interval(figures, HEADLINE)})"
    return f"{headline}, {contested(params, version)}"


def write(summary: Summary, figures: Mapping[str, Any], *, title: str) -> None:
    """Write what DVC keeps; `title` stands in every picture."""
    METRICS.write_text(json.dumps(headline_figures(figures), indent=1) + "\n")
    REPORTS.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    summary.predictions.to_csv("predictions.csv", index=False)
    summary.curve.to_csv(CURVE, index=False)
    write_plots({**tables_of(summary), **plot_tables(summary)}, title=title)
    write_dvc_list(multi_label=summary.multi_label)


def tables_of(summary: Summary) -> dict[str, pd.DataFrame]:
    """Tables that are kept whether a plot draws them or not."""
    salience = {} if summary.salience.empty else {"salience": summary.salience}
    return {"conditions": summary.conditions, **salience}


def log(run: StageRun, summary: Summary, figures: Mapping[str, Any]) -> None:
    """Log figures, tables and plots to MLflow; what is not of a dozen figures, as files alone."""
    run.artifact(FIGURES)
    for _, file in pictures():
        run.parent_artifact(file)
    whole = {"predictions": summary.predictions, "curve": summary.curve}
    for name, table in {**plot_tables(summary), **tables_of(summary), **whole}.items():
        run.table(table, name)
    for row in summary.curve.to_dict("records"):
        at_k = {name: row[name] for name in titles(map(str, row))}
        run.metrics({"curve": at_k}, step=int(row["k"]))
    headline = headline_figures(figures)
    run.metrics(headline)
    run.parent_metrics(headline)


def card_of(params: Params, record: TrainedSystem, figures: Mapping[str, Any]) -> str:
    """The model card, in Markdown."""
    corpus = create(params.corpus, **params.corpora.get(params.corpus, {}))
    return model_card(
        record,
        figures,
        system=params.scored_system,
        titles=titles(figures),
        corpus_licence=corpus.licence,
        corpus_citation=corpus.citation,
    )


def register(
    run: StageRun,
    params: Params,
    record: TrainedSystem,
    *,
    metrics: Mapping[str, Any],
    model: Path,
    card: str,
) -> str:
    """Register the model with its card; gives its version."""
    told = f"protocol {params.protocol.name}, k = {record.k} labelled clips a class"
    return log_and_register(
        run,
        model,
        Registration(
            name=registered_name(params.corpus, params.root),
            title=params.run_name,
            sentence=f"{params.scored_system} on the corpus {params.corpus}, {told}: macro-F1 "
            f"{decimals(metrics[HEADLINE])}.",
            card=card,
            tags={
                "corpus": params.corpus,
                "system": params.scored_system,
                "protocol": params.protocol.name,
                "k": record.k,
                HEADLINE: metrics[HEADLINE],
            },
            metrics=metrics,
            dataset=scored_on(params),
        ),
        requirements=requirements(params.backbone_names, more=record.packages),
        example_audio=example_audio(),
    )


def scored_on(params: Params) -> Dataset:
    """The corpus, as MLflow's dataset."""
    return dataset_of(params.corpus, root=params.root, clips=clips_of(params.corpus))


def contested(params: Params, version: str | None) -> str:
    """What has become of the version, now that its run has ended and can be compared."""
    if version is None:
        return "not registered: dvc repro --force --single-item evaluate, once MLflow answers"
    verdict = contest(root(), registered_name(params.corpus, params.root), version)
    return f"registered as {verdict.uri}" + ("" if verdict.promoted else f"\n{verdict}")


def _of_training(record: TrainedSystem) -> dict[str, Any]:
    """Figures that training left with the model."""
    figures: dict[str, Any] = {"protocol": record.figures}
    if record.leak:
        figures["leak"] = record.leak
    if record.temperature:
        figures["temperature"] = round(record.temperature.value, DIGITS)
    return figures
