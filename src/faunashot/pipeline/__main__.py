"""``python -m faunashot.pipeline STAGE``: what each of ``stages/*.py`` does."""

from __future__ import annotations

import sys

from faunashot.pipeline import STAGES, run_stage

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in STAGES:
        sys.exit(f"usage: python -m faunashot.pipeline STAGE, one of {', '.join(STAGES)}")
    run_stage(sys.argv[1])
