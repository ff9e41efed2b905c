"""Stage check; see `faunashot.pipeline.check`."""

from faunashot.pipeline import run_stage

run_stage("check")
