"""Stage ingest: every clip decoded once; the bad listed in reports/ingest.json."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from faunashot.audio.decode import quiet_native
from faunashot.data.corpora.registry import create
from faunashot.data.ingest import Ingested, ingest
from faunashot.errors import CorpusError
from faunashot.params import Params
from faunashot.tracking.runs import stage_run

REPORT = Path("reports/ingest.json")


def run(params: Params) -> None:
    """Run the stage."""
    names = [params.corpus, params.source]
    located = {n: pd.read_parquet(f"clips/located/{n}.parquet") for n in names}
    if located[params.corpus].empty:
        raise CorpusError(
            f"corpus {params.corpus} is not here: run `faunashot fetch {params.corpus}`, "
            f"or set corpora.{params.corpus}.root to the folder where it lies"
        )
    with (
        quiet_native(),
        stage_run(
            "ingest",
            params=params.model_dump(mode="json"),
            inputs=[Path(f"clips/located/{n}.parquet") for n in names],
            record=Path("reports/mlflow/ingest.json"),
            name=params.run_name,
        ) as run,
    ):
        run.params(params.model_dump(mode="json", include={"corpus", "source", "ingest"}))
        done = {name: ingested(name, located[name], params) for name in names}
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        report = {n: found.report() for n, found in done.items() if not located[n].empty}
        REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        run.artifact(REPORT)
        for name, found in done.items():
            for bad in found.bad:
                print(f"bad: {name}: {bad['path']}: {bad['reason']}")
            found.refuse_if_too_many(params.ingest.max_bad_share, name=name)
            found.clips.to_parquet(f"clips/{name}.parquet", index=False)
        target = done[params.corpus]
        if target.clips.empty:
            raise CorpusError(f"{params.corpus}: no clip is good; reports/ingest.json says why")
        counts = {
            "clips": len(target.clips),
            "bad": len(target.bad),
            "flagged": len(target.flagged),
        }
        run.metrics({**counts, "duration_s": float(target.clips["duration_s"].sum())})
        print(
            f"{params.corpus}: {counts['clips']} clips good, {counts['bad']} bad, "
            f"{counts['flagged']} flagged"
        )


def ingested(name: str, located: pd.DataFrame, params: Params) -> Ingested:
    """One corpus ingested, with what its reader knows to be wrong with it."""
    block = params.corpora[name]
    faults = create(name, reader=block.reader, classes=block.classes).known_faults
    return ingest(located, block.root, known_faults=faults)
