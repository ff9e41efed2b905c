"""Stage audit; see `faunashot.pipeline.audit`."""

from faunashot.pipeline import run_stage

run_stage("audit")
