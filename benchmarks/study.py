"""Systems side by side over folds and seeds: figures, per-class figures, and under noise.

    python benchmarks/study.py --data DIR --corpus animals_sounds --features features/study \
        --out docs/figures/study --folds grouped --snr 20 10 5 0

prints JSON, a row a system: figures with their intervals, and accuracy less that of the first. It
draws them, the figures of each class, macro against weighted F1, the confusion matrices and the
accuracy under noise into --out. What is trained is kept in --features, so that it goes on after it
was killed. Systems are named BACKBONE:SYSTEM.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from heads import embedded, read

from faunashot.audio.decode import quiet_native
from faunashot.audio.noise import Noise, NoiseMixer
from faunashot.backbones import registry
from faunashot.data.audit import TARGET
from faunashot.data.corpora import create
from faunashot.data.ingest import hashed
from faunashot.evaluation import systems_plots
from faunashot.evaluation.labels import confusion
from faunashot.evaluation.plots.confusion import confusion_figure
from faunashot.evaluation.repeated import repeated_intervals, repeated_per_class
from faunashot.evaluation.summary import MAIN, flat
from faunashot.features import store
from faunashot.features.extract import embed_clips
from faunashot.features.join import BY
from faunashot.protocols.support import grid
from faunashot.protocols.support.grid import Cell, Stores
from faunashot.storage import Storage
from faunashot.systems.catalogue import system

FIVE = ("cnn1d", "cnn1d-wind", "alexnet-mel", "transformer-mel", "cnn1d-enhanced")
SYSTEMS = (
    *(f"logmel_frames:{name}" for name in FIVE),
    *("logmel:logistic", "yamnet:logistic", "birdnet:logistic", "yamnet+birdnet:logistic"),
)
PUBLISHED = dict(zip(FIVE, (0.45, 0.47, 0.55, 0.61, 0.74), strict=True))
"""Accuracies of the published study, on 12 classes with five test clips each."""


def main() -> None:
    """Train what is not trained yet, print and draw."""
    asked = arguments()
    with quiet_native():
        data = stores(asked)
    cells = [
        Cell(name, system(name.split(":")[1]), name.split(":")[0], seed, asked.folds == "official")
        for name in asked.systems
        for seed in range(asked.seed, asked.seed + asked.seeds)
    ]
    found: dict[str, dict[int, pd.DataFrame]] = {name: {} for name in asked.systems}
    place = Storage(asked.features / "cells")
    for cell, table in grid.score(cells, data, place=place, workers=asked.workers):
        found[cell.name][cell.seed] = table
        right = (table["label"] == table["predicted"])[table["condition"] == MAIN].mean()
        print(f"{cell.name} seed {cell.seed}: {right:.3f}", file=sys.stderr)
    runs = {shown(name): [of[seed] for seed in sorted(of)] for name, of in found.items()}
    report(runs, sorted(set(data.clips["label"])), asked)


def report(runs: dict[str, list[pd.DataFrame]], classes: list[str], asked: Any) -> None:
    """Print figures and draw them."""

    def under(name: str, condition: str) -> list[pd.DataFrame]:
        return [table[table["condition"] == condition] for table in runs[name]]

    first = next(iter(runs))
    rows, robust, per_class = [], [], []
    for name in runs:
        plain = under(name, MAIN)
        row: dict[str, Any] = {"system": name, **flat(repeated_intervals(plain, classes))}
        less = repeated_intervals(plain, classes, less=under(first, MAIN))["accuracy"]
        row |= flat({"over_first": less})
        row["seeds"] = [round(float((t["label"] == t["predicted"]).mean()), 4) for t in plain]
        rows.append(row | {"published": PUBLISHED.get(name)})
        per_class.append(repeated_per_class(plain, classes).assign(system=name))
        for condition, snr_db in [(MAIN, np.inf), *((f"snr_{db:g}", db) for db in asked.snr)]:
            accuracy = repeated_intervals(under(name, condition), classes)["accuracy"]
            robust.append({"system": name, "snr_db": snr_db, **flat({"accuracy": accuracy})})
    table, robustness = pd.DataFrame(rows), pd.DataFrame(robust)
    asked.out.mkdir(parents=True, exist_ok=True)
    drawn = {
        "accuracy": systems_plots.scores_figure(table),
        "macro-weighted": systems_plots.macro_weighted_figure(table),
        "per-class": systems_plots.per_class_systems_figure(pd.concat(per_class)),
    }
    if asked.snr:
        drawn["noise"] = systems_plots.robustness_figure(robustness)
    for name in runs:
        every = pd.concat(under(name, MAIN))
        counts = confusion(every["label"], every["predicted"], classes)
        drawn[f"confusion-{name}"] = confusion_figure(counts, title=name)
    for name, figure in drawn.items():
        figure.savefig(asked.out / f"{asked.folds}-{name}.png")
    found = {
        "command": " ".join(["python", *sys.argv]),
        "systems": rows,
        "per_class": pd.concat(per_class).round(4).to_dict("records"),
        "noise": robustness.replace(np.inf, "clean").to_dict("records"),
    }
    print(json.dumps(found, indent=1))


def stores(asked: argparse.Namespace) -> Stores:
    """Features of all clips, as they are and under noise, embedded where they are not stored."""
    corpora = read(asked)
    corpus, root = create(asked.corpus, classes=asked.classes), asked.data
    noises = hashed(sorted(corpus.noise(root)), root)
    backbones = {part for name in asked.systems for part in name.split(":")[0].split(BY)}
    mixed = tuple(Noise(root / row.path, row.sha256) for row in noises.itertuples())
    treatments = {MAIN: None, **{f"snr_{db:g}": NoiseMixer(db, mixed) for db in asked.snr}}
    folders: dict[str, dict[str, Path]] = {condition: {} for condition in treatments}
    for condition, perturbation in treatments.items():
        for backbone in sorted(backbones):
            folder = folders[condition][backbone] = asked.features / backbone / condition
            embedded(corpora, TARGET, backbone, folder=folder, perturbation=perturbation)
    noise = asked.features / "noise"
    if not (noise / store.META).exists():
        files = [(row.path, root / row.path) for row in noises.itertuples()]
        store.save(embed_clips(files, registry.load("logmel_frames")), noise)
    clips = corpora.clips[corpora.clips["role"] == TARGET].reset_index(drop=True)
    return Stores(clips, folders, noise)


def shown(name: str) -> str:
    """A system as figures name it."""
    backbone, of = name.split(":")
    return of if backbone == "logmel_frames" else f"{backbone}-{of}"


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--classes", default="all")
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--folds", choices=["official", "grouped"], default="grouped")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--snr", type=float, nargs="*", default=[])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.set_defaults(source=None)
    return parser.parse_args()


if __name__ == "__main__":
    main()
