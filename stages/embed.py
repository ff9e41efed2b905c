"""Stage embed; see `faunashot.pipeline.embed`."""

from faunashot.pipeline import run_stage

run_stage("embed")
