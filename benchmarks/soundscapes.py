"""How well animals are detected in soundscapes, by signal-to-noise ratio.

    python benchmarks/soundscapes.py --animals ANIMALS --esc50 ESC50 [--out FOLDER]
        [--snr 20 10 5 0] [--backbones yamnet birdnet] [--files 10] [--minutes 4] [--per-minute 5]
        [--plot FILE.png]

prints JSON: for each backbone and ratio what `faunashot score` says of `faunashot detect`.

A model learns the clips of Animal-Sound-Dataset's part `Training`, each animal as a class that is
there or not, and rain and sea waves of ESC-50's folds 1 to 3 as none of them. Soundscapes are made
of clips of the part `Testing`, which it has not heard (but for files that are the same, byte by
byte, as one of `Training`: these are left out), in wind, rain and sea waves of folds 4 and 5.
Clips, times and background are the same at each ratio. A detection is right where it overlaps an
annotation of its class (`--overlap any --least 0.01`), as windows are longer than many calls;
intervals are over the recordings.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from faunashot.data.corpora import create
from faunashot.errors import AudioError
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.features.extract import embed_recording
from faunashot.features.extractors import extractor
from faunashot.files import sha256_of
from faunashot.progress import tracked
from faunashot.recogniser import Recogniser
from faunashot.systems.record import BackboneRecord, TrainedSystem

NEITHER = ("rain", "sea_waves", "wind")
LEARNED, KEPT = ("1", "2", "3"), ("4", "5")
TEST = "test"
LEAST = 0.01


def train(backbone: str, clips: list[tuple[Path, str]], out: Path) -> None:
    """A logistic head on mean features; a label of nothing is a clip of no class."""
    source = extractor(backbone)
    rows, labels = [], []
    for path, label in tracked(clips, f"embedding by {backbone}"):
        try:
            windows = embed_recording(path, source).windows
        except AudioError as error:
            print(f"{path}: {error}", file=sys.stderr)
            continue
        if len(windows):
            rows.append(windows.mean(axis=0))
            labels.append(label)
    learned = Examples.of_rows(np.array(rows), labels, multi_label=True)
    head = make_head("logistic").fit(learned)
    made_with = BackboneRecord(
        name=backbone,
        layer=getattr(source, "layer", ""),
        options={},
        weights_hash=source.weights_hash,
    )
    record = TrainedSystem(
        estimator=head.KIND,
        backbones=[made_with],
        classes=list(learned.classes),
        multi_label=True,
        learned_from=[str(path) for path, _ in clips],
    )
    Recogniser(head, record).save(out)


def faunashot(*arguments: object) -> str:
    """What a command prints."""
    program = "from faunashot.cli.main import main; main()"
    command = [sys.executable, "-c", program, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode not in (0, 2):
        raise SystemExit(f"{' '.join(map(str, arguments))}: {done.stderr}")
    return done.stdout


def learned_clips(animals: Path, esc50: Path) -> list[tuple[Path, str]]:
    """Animals to learn, and what is none."""
    known = [
        (animals / clip.path, clip.label)
        for clip in create("animals_sounds").clips(animals)
        if clip.fold != TEST
    ]
    return known + [(path, "") for path in background_clips(esc50, LEARNED)]


def background_clips(esc50: Path, folds: tuple[str, ...]) -> list[Path]:
    """Wind, rain and sea waves of some folds."""
    corpus = create("esc50", classes=list(NEITHER))
    return [esc50 / clip.path for clip in corpus.clips(esc50) if clip.fold in folds]


def held_out(animals: Path, learned: list[tuple[Path, str]], out: Path) -> int:
    """A folder of the clips to mix in; gives how many are left out, being copies."""
    copies = {sha256_of(path) for path, _ in learned}
    left_out = 0
    for clip in create("animals_sounds").clips(animals):
        if clip.fold == TEST:
            if sha256_of(animals / clip.path) in copies:
                left_out += 1
                continue
            (out / clip.label).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(animals / clip.path, out / clip.label / Path(clip.path).name)
    return left_out


def draw(rows: list[dict[str, Any]]) -> Any:
    """Precision and recall of all events against the ratio, with intervals over recordings."""
    from faunashot.evaluation.plot_style import (
        COLOURS,
        LEGEND,
        MARKERS,
        head_line,
        one_panel,
    )

    figure, axes = one_panel(7.2, 4.6)
    names = list(dict.fromkeys(row["backbone"] for row in rows))
    for at, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        of_backbone = [row for row in rows if row["backbone"] == name]
        snr_db = np.array([row["snr_db"] for row in of_backbone])
        events = [row["score"]["rows"][0] for row in of_backbone]
        for part, style, marker in zip(("recall", "precision"), "-:", MARKERS, strict=False):
            value, low, high = (
                np.array([of[part + end] for of in events], dtype=float)
                for end in ("", "_low", "_high")
            )
            axes.errorbar(
                snr_db + 0.2 * at,  # beside each other, so that no interval hides another
                value,
                yerr=[value - low, high - value],
                color=colour,
                linestyle=style,
                marker=marker,
                markersize=5,
                capsize=2,
                label=f"{part}, {name}",
            )
    axes.set_xticks(sorted({row["snr_db"] for row in rows}))
    axes.set_ylim(0, 1)
    axes.set_xlabel("signal-to-noise ratio, dB")
    axes.set_ylabel("precision and recall of all events")
    head_line(axes, "What is detected, by ratio", "with 95 % intervals over the recordings")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), **LEGEND)
    return figure


def main() -> None:
    """Train, make soundscapes, detect and score."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--animals", type=Path, required=True)
    parser.add_argument("--esc50", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="kept, with all that is made")
    parser.add_argument("--snr", type=float, nargs="+", default=[20, 10, 5, 0])
    parser.add_argument("--backbones", nargs="+", default=["yamnet", "birdnet"])
    parser.add_argument("--files", type=int, default=10)
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--per-minute", type=float, default=5)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--plot", type=Path, help="picture of precision and recall by ratio")
    given = parser.parse_args()
    out = given.out or Path(tempfile.mkdtemp())
    out.mkdir(parents=True, exist_ok=True)
    learned = learned_clips(given.animals, given.esc50)
    copies = 0
    if not (out / "events").exists():
        copies = held_out(given.animals, learned, out / "events")
    background = background_clips(given.esc50, KEPT)
    for backbone in given.backbones:
        if not (out / backbone).exists():
            train(backbone, learned, out / backbone)
    rows: list[dict[str, Any]] = []
    for snr in given.snr:
        made = out / f"soundscapes-{snr:g}"
        if not made.exists():
            faunashot(
                *("synth", made, "--soundscape", "--events", out / "events", "--snr", snr),
                *("--files", given.files, "--minutes", given.minutes),
                *("--per-minute", given.per_minute),
                *(part for path in background for part in ("--background", path)),
            )
        models = [part for name in given.backbones for part in ("--model", f"{name}={out / name}")]
        found = out / f"detections-{snr:g}"
        faunashot("detect", made / "audio", *models, "--out", found, "--threshold", given.threshold)
        for backbone in given.backbones:
            scored = faunashot(
                *("score", found, made / "annotations.csv", "--model", backbone),
                *("--overlap", "any", "--least", LEAST, "--audio", made, "--all", "--json"),
            )
            rows.append({"backbone": backbone, "snr_db": snr, "score": json.loads(scored)})
    settings = {name: getattr(given, name) for name in ("files", "minutes", "per_minute")}
    if given.plot:
        draw(rows).savefig(given.plot)
    settings |= {"threshold": given.threshold, "learned": len(learned), "copies": copies}
    print(json.dumps({"settings": settings, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
