"""Stage report; see `faunashot.pipeline.report`."""

from faunashot.pipeline import run_stage

run_stage("report")
