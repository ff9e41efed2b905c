"""Stage evaluate; see `faunashot.pipeline.evaluate`."""

from faunashot.pipeline import run_stage

run_stage("evaluate")
