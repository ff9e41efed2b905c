"""Stage audit: duplicates joined into groups, conflicts and leaks taken out."""

import json
from pathlib import Path

import pandas as pd

from faunashot.cli.stage import run_stage
from faunashot.corpora.audit import audit
from faunashot.params import load_params
from faunashot.tracking.runs import stage_run


def main() -> None:
    params = load_params()
    files = [Path(f"clips/{name}.parquet") for name in (params.corpus, params.source)]
    with stage_run(
        "audit",
        params=params.model_dump(mode="json"),
        inputs=files,
        record=Path("reports/mlflow/audit.json"),
        name=params.run_name,
    ) as run:
        target, source = (pd.read_parquet(file) for file in files)
        audited = audit(target, source)
        audited.clips.to_parquet("clips/audited.parquet", index=False)
        report = Path("reports/audit.json")
        report.write_text(json.dumps(audited.report, indent=1, ensure_ascii=False) + "\n")
        run.artifact(report)
        counts = {k: len(v) if isinstance(v, list) else v for k, v in audited.report.items()}
        run.metrics(counts)
        print(
            f"{params.corpus}: {counts['exact_duplicates']} groups of exact duplicates, "
            f"{counts['crossing']} across folds, {counts['conflicts']} with several labels"
        )


if __name__ == "__main__":
    run_stage(main)
