"""The classes of AudioSet's evaluation, in the order of classifiers trained on it."""

from __future__ import annotations

import csv
from functools import cache
from importlib.resources import files


@cache
def class_names() -> tuple[str, ...]:
    """Names of the 527 classes.

    From the ontology of J. F. Gemmeke et al. Audio Set: An ontology and human-labeled dataset for
    audio events. ICASSP 2017 (CC BY-SA 4.0), in the order of its ``class_labels_indices.csv``.
    """
    table = files("faunashot.backbones").joinpath("audioset.csv").read_text("utf-8")
    return tuple(row["name"] for row in csv.DictReader(table.splitlines()))
