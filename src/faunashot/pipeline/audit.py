"""Stage audit: duplicates joined into groups, conflicts and leaks taken out."""

from __future__ import annotations

import json

import pandas as pd

from faunashot.data import SOURCE, TARGET
from faunashot.data.audit import audit
from faunashot.data.shortcuts import shortcut_score
from faunashot.params import Params
from faunashot.pipeline.paths import AUDIT_REPORT, AUDITED, RUN_RECORDS, clips_of
from faunashot.tracking.runs import stage_run


def run(params: Params) -> str:
    """Run the stage."""
    files = [clips_of(name) for name in (params.corpus, params.source)]
    with stage_run(
        "audit",
        params=params.model_dump(mode="json"),
        inputs=files,
        record=RUN_RECORDS / "audit.json",
        name=params.run_name,
    ) as run:
        target, source = (pd.read_parquet(file) for file in files)
        roots = {TARGET: params.root, SOURCE: params.source_root}
        audited = audit(target, source, files=lambda role, path: roots[role] / path)
        audited.clips.to_parquet(AUDITED, index=False)
        own = audited.clips[audited.clips["role"] == TARGET]
        found = {**audited.report, "shortcuts": shortcut_score(own, seed=params.seed)}
        AUDIT_REPORT.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
        run.artifact(AUDIT_REPORT)
        counts = {k: len(v) if isinstance(v, list) else v for k, v in found.items()}
        run.metrics(counts)
        return (
            f"{params.corpus}: {counts['exact_duplicates']} groups of exact duplicates, "
            f"{counts['near_duplicates']} pairs of near ones, "
            f"{counts['crossing']} across folds, {counts['conflicts']} with several labels"
        )
