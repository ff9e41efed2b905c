"""Stage train; see `faunashot.pipeline.train`."""

from faunashot.pipeline import run_stage

run_stage("train")
