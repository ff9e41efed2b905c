"""Stage ingest: every clip hashed and decoded once; the bad listed in reports/ingest.json."""

from __future__ import annotations

import json

from faunashot.data.ingest import hashed, ingest
from faunashot.errors import CorpusError
from faunashot.params import ABSENT, Params
from faunashot.pipeline.check import corpus_of
from faunashot.pipeline.paths import INGEST_REPORT, NOISE_CLIPS, RUN_RECORDS, clips_of
from faunashot.progress import say
from faunashot.tracking.runs import stage_run

SHOWN = 10
"""Bad recordings that get a line each."""


def run(params: Params) -> str:
    """Run the stage."""
    names = [params.corpus, params.source]
    corpora = {name: corpus_of(params, name) for name in names}
    roots = {name: params.root_of(name) for name in names}
    root = roots[params.corpus]
    with stage_run(
        "ingest",
        params=params.model_dump(mode="json"),
        inputs=[root for root in roots.values() if root != ABSENT],
        record=RUN_RECORDS / "ingest.json",
        name=params.run_name,
    ) as run:
        run.params(params.model_dump(mode="json", include={"corpus", "source", "ingest"}))
        done = {
            name: ingest(corpus, roots[name], channel=params.audio.channel)
            for name, corpus in corpora.items()
        }
        for folder in (INGEST_REPORT.parent, NOISE_CLIPS.parent):
            folder.mkdir(parents=True, exist_ok=True)
        report = {n: found.report() for n, found in done.items() if roots[n] != ABSENT}
        INGEST_REPORT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n")
        run.artifact(INGEST_REPORT)
        for name, found in done.items():
            for bad in found.bad[:SHOWN]:
                say(f"bad: {name}: {bad['path']}: {bad['reason']}")
            if len(found.bad) > SHOWN:
                say(f"bad: {name}: {len(found.bad) - SHOWN} more: {INGEST_REPORT} lists all")
            if lack := found.lacking():
                say(f"note: {name}: {lack}")
            found.refuse_if_too_many(params.ingest.max_bad_share, name=name)
            found.clips.to_parquet(clips_of(name), index=False)
        target = done[params.corpus]
        if target.clips.empty:
            raise CorpusError(f"{params.corpus}: no clip is good; reports/ingest.json says why")
        hashed(corpora[params.corpus].noise(root), root).to_parquet(NOISE_CLIPS, index=False)
        counts = {
            "clips": len(target.clips),
            "bad": len(target.bad),
            "flagged": len(target.flagged),
            "missing": len(target.missing),
        }
        run.metrics({**counts, "duration_s": float(target.clips["duration_s"].sum())})
        for line in target.not_heard():
            say(f"{params.corpus}: {line}")
        return (
            f"{params.corpus}: {counts['clips']} clips good, {counts['bad']} bad, "
            f"{counts['flagged']} flagged"
        )
