"""Stage evaluate: held-out scores to figures with intervals; the model registered with its card."""

import json
from pathlib import Path

import pandas as pd

from faunashot.cli.stage import run_stage
from faunashot.corpora.registry import create
from faunashot.evaluation import plots
from faunashot.evaluation.summary import Summary, summarise
from faunashot.params import Params, load_params
from faunashot.serving.requirements import example_audio, requirements
from faunashot.systems.card import model_card
from faunashot.tracking.models import log_and_register, promote
from faunashot.tracking.runs import StageRun, stage_run


def main() -> None:
    params = load_params()
    model = Path("models") / params.full_system
    held_out = Path("predictions/held_out.parquet")
    with stage_run(
        "evaluate",
        params=params.model_dump(mode="json"),
        inputs=[held_out, model],
        record=Path("reports/mlflow/evaluate.json"),
        name=params.run_name,
    ) as run:
        used = {"corpus", "backbone", "system", "seed", "evaluation"}
        run.params(params.model_dump(mode="json", include=used))
        facts = json.loads((model / "model.json").read_text("utf-8"))
        summary = summarise(
            pd.read_parquet(held_out),
            facts["classes"],
            headline_k=facts["k"],
            level=params.evaluation.level,
            draws=params.evaluation.draws,
            seed=params.seed,
        )
        numbers = {k: v for k, v in facts["facts"].items() if isinstance(v, int | float)}
        metrics = {**summary.metrics, "protocol": numbers}
        write(summary, metrics)
        title = params.run_name
        run.figure(plots.confusion_figure(summary.confusion, title=title), "confusion")
        run.figure(plots.per_class_figure(summary.per_class, title=title), "per_class")
        run.figure(plots.curve_figure(summary.curve, title=title), "curve")
        run.table(summary.confusion.reset_index(), "confusion")
        run.table(summary.per_class, "per_class")
        run.table(summary.predictions, "predictions")
        run.table(summary.curve, "curve")
        for row in summary.curve.to_dict("records"):
            run.metrics({"curve": {"macro_f1": row["macro_f1"]}}, step=int(row["k"]))
        run.metrics(metrics)
        run.parent_metrics(metrics)
        register(run, params, facts, metrics, model)


def write(summary: Summary, metrics: dict) -> None:
    """Write what DVC keeps."""
    Path("plots").mkdir(exist_ok=True)
    summary.predictions.to_csv("predictions.csv", index=False)
    summary.curve.to_csv("curve.csv", index=False)
    summary.per_class.to_csv("plots/per_class.csv", index=False)
    summary.confusion.to_csv("plots/confusion.csv")
    Path("metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")


def register(run: StageRun, params: Params, facts: dict, metrics: dict, model: Path) -> None:
    """Register the model under its alias, with the card."""
    block = params.corpora[params.corpus]
    corpus = create(params.corpus, reader=block.reader, classes=block.classes)
    card = model_card(
        facts, metrics, corpus_licence=corpus.licence, corpus_citation=corpus.citation
    )
    (Path("reports") / "model_card.md").write_text(card)
    version = log_and_register(
        run,
        model,
        card=card,
        requirements=requirements(params.backbone),
        example_audio=example_audio(),
        tags={
            "corpus": params.corpus,
            "system": params.full_system,
            "protocol": params.protocol.name,
            "k": facts["k"],
        },
    )
    champion = promote(version, metrics["macro_f1"])
    alias = "models:/faunashot@champion" if champion else f"models:/faunashot/{version}"
    print(
        f"macro-F1 {metrics['macro_f1']} [{metrics['macro_f1_low']}, {metrics['macro_f1_high']}], "
        f"registered as {alias}"
    )


if __name__ == "__main__":
    run_stage(main)
