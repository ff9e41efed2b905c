"""What stages take: time, memory and parameters, beside what they find."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from faunashot.files import write_atomically
from faunashot.pipeline.paths import REPORTS

COSTS = REPORTS / "costs"
"""A file a stage; what a stage finds does not depend on them."""

PEAK = "peak_memory_mb"


def write_costs(stage: str, costs: Mapping[str, Any]) -> dict[str, Any]:
    """Write what a stage took, with the peak of its memory if there is anything to tell.

    Returns
    -------
    dict
        What was written, for MLflow.
    """
    peak = peak_memory_mb()
    written = {**costs, **({PEAK: peak} if costs and peak else {})}
    write_atomically(COSTS / f"{stage}.json", json.dumps(written, indent=1) + "\n")
    return written


def read_costs(stage: str) -> dict[str, Any]:
    """What a stage took when it last ran."""
    found: dict[str, Any] = json.loads((COSTS / f"{stage}.json").read_text("utf-8"))
    return found


def peak_memory_mb() -> int | None:
    """Most memory that this process has had, in MB (10^6 bytes); None where no system tells."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak * (1 if sys.platform == "darwin" else 1024) / 1e6)


def summed_up(parameters: int | None) -> dict[str, Any]:
    """What embedding and training took, in one.

    Parameters
    ----------
    parameters : int, optional
        Of the backbones, where no network was trained.

    Returns
    -------
    dict
        ``windows_per_s`` of embedding by features, of those that were not all in the cache;
        ``training_s`` of all that the protocol learned and scored; ``peak_memory_mb`` by stage;
        ``parameters`` of the network that was trained, or else of the backbones.
    """
    embedding, training = read_costs("embed"), read_costs("train")
    peaks = {"embed": embedding.get(PEAK), "train": training.get(PEAK)}
    return {
        "windows_per_s": embedding.get("windows_per_s", {}),
        "training_s": training.get("training_s"),
        PEAK: {stage: peak for stage, peak in peaks.items() if peak is not None},
        "parameters": training.get("parameters", parameters),
    }
