"""What the stages that embed share: not to where nothing is wanted, and what is logged of it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from faunashot.features.jobs import EmbedJob as Wish

if TYPE_CHECKING:
    from faunashot.backbones.base import Backbone
    from faunashot.tracking.runs import StageRun

__all__ = ["Wish", "embed_all", "is_wanted"]

NOT_WANTED = "not_wanted"


def is_wanted(file: Path, *, folder: Path, record: Path) -> bool:
    """Read what stage wanted wrote; where it is no, leave a folder that says so and no run."""
    if file.read_text() != "no\n":
        (folder / NOT_WANTED).unlink(missing_ok=True)
        return True
    shutil.rmtree(folder, ignore_errors=True)  # DVC leaves there what was
    folder.mkdir(parents=True)
    (folder / NOT_WANTED).touch()
    record.parent.mkdir(parents=True, exist_ok=True)
    record.write_text("{}\n")  # nothing was embedded, so there is no run
    return False


def embed_all(wishes: Sequence[Wish], backbone: Backbone, run: StageRun) -> None:
    """Store features, and log how it went; see `faunashot.features.jobs.embed_jobs`."""
    from faunashot.features.jobs import embed_jobs

    summary = embed_jobs(wishes, backbone)
    run.metrics(summary.metrics)
    for name, value in summary.tags.items():
        run.tag(name, value)
