"""Stage ingest; see `faunashot.pipeline.ingest`."""

from faunashot.pipeline import run_stage

run_stage("ingest")
