"""Stage report: one page that a person reads."""

from __future__ import annotations

import json

from faunashot.backbones.base import BACKBONES
from faunashot.conditions.base import asked_for
from faunashot.data.labels import read_csv
from faunashot.evaluation.summary import headline_figures
from faunashot.features.extractors import licence_of
from faunashot.params import Params
from faunashot.pipeline.costs import summed_up
from faunashot.pipeline.paths import (
    AUDIT_REPORT,
    CURVE,
    FIGURES,
    INGEST_REPORT,
    REPORTS,
    RUN_RECORDS,
)
from faunashot.reporting.findings import of_data, of_figures
from faunashot.reporting.page import report_page
from faunashot.reporting.plot_files import FOLDER, pictures
from faunashot.tracking.runs import stage_run
from faunashot.tracking.sync import fill_experiment

PAGE = REPORTS / "report.html"
THROUGHPUT = REPORTS / "throughput.json"


def run(params: Params) -> str:
    """Run the stage."""
    with stage_run(
        "report",
        params=params.model_dump(mode="json"),
        inputs=[FIGURES, CURVE, FOLDER],
        record=RUN_RECORDS / "report.json",
        name=params.run_name,
    ) as run:
        figures = json.loads(FIGURES.read_text())
        ingested, audited = (json.loads(file.read_text()) for file in (INGEST_REPORT, AUDIT_REPORT))
        costs = summed_up(of_backbones(params))
        THROUGHPUT.write_text(json.dumps(costs, indent=1) + "\n")
        run.metrics({"throughput": costs})
        PAGE.write_text(
            report_page(
                title=f"{params.scored_system} on {params.corpus}",
                lead=f"protocol {params.protocol.name}, k = {figures['k']} labelled clips a class",
                figures=figures,
                curve=read_csv(CURVE),
                pictures=pictures(),
                sentences=of_figures(figures, asked_for(params.conditions)),
                findings=of_data(ingested, audited),
                throughput=costs,
                licence="; ".join(licence_of(n) for n in params.backbone_names),
            ),
            "utf-8",
        )
        run.parent_artifact(PAGE)
        fill_experiment(
            run,
            params=params.model_dump(mode="json"),
            name=params.run_name,
            metrics=headline_figures(figures),
        )
        return f"{PAGE}: open it in a browser"


def of_backbones(params: Params) -> int | None:
    """Parameters of all backbones in use; None where one is not known."""
    counts = [BACKBONES[n].cost.parameters for n in params.backbone_names if n in BACKBONES]
    return sum(n for n in counts if n) if counts and all(counts) else None
