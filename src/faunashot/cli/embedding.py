"""What the stages that embed share: not to where nothing is wanted, and what is told of it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from faunashot.errors import StoreError

if TYPE_CHECKING:
    from faunashot.audio.perturbation import Perturbation
    from faunashot.backbones.base import Backbone
    from faunashot.features.plan import Recording
    from faunashot.tracking.runs import StageRun

NOT_WANTED = "not_wanted"


@dataclass(frozen=True)
class Wish:
    """Recordings whose features are wanted in a folder; `name` is for messages."""

    name: str
    recordings: Sequence[Recording]
    folder: Path
    perturbation: Perturbation | None = None


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
    """Store features of recordings that could be read before; log and print how it went.

    Raises
    ------
    StoreError
        A recording cannot be embedded.
    """
    from faunashot.cli.progress import progress
    from faunashot.features.engine import local, store_features
    from faunashot.features.plan import plan

    windows, embedded, began = 0, 0, time.perf_counter()
    for wish in wishes:
        before = time.perf_counter()
        made = plan(wish.recordings, backbone, perturbation=wish.perturbation)
        with progress(f"{wish.name} by {backbone.name}", total_s=made.seconds) as on_done:
            outcome = store_features(
                made, wish.folder, local(backbone), replace=True, on_done=on_done
            )
        if outcome.bad:
            raise StoreError(
                f"{wish.name}: {len(outcome.bad)} recordings cannot be embedded, though they were "
                f"read before; the first is {outcome.bad[0]['clip_id']}: "
                f"{outcome.bad[0]['reason']}"
            )
        windows, embedded = windows + outcome.windows, embedded + outcome.embedded
        rate = outcome.embedded / (time.perf_counter() - before)
        print(
            f"{wish.name}: {outcome.windows} windows by {backbone.name} {backbone.version}, "
            f"{outcome.embedded} of them embedded now, {rate:.0f} a second; "
            f"licence of the weights: {backbone.licence}"
        )
    took_s = time.perf_counter() - began
    run.metrics({"windows": windows, "windows_per_s": embedded / took_s, "embed_s": took_s})
    run.tag("weights", backbone.weights_hash)
    run.tag("licence", backbone.licence)
