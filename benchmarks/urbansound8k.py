"""Make a corpus of UrbanSound8K's layout out of ESC-10, to time the pipeline at that size.

    python benchmarks/urbansound8k.py /path/to/ESC-50 data/made-up [--clips 2985]

Recordings of one to five sounds are cut into slices of 4 s by 2 s, as UrbanSound8K's are, over four
folds: stereo at 44.1 kHz. Then, in a project with ``corpus: urbansound8k``:

    dvc repro -f -s audit && dvc repro -f -s train
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf

from faunashot.data.corpora.urbansound8k import UrbanSound8K

RATE, SLICE_S, HOP_S, FOLDS = 44_100, 4, 2, "1234"
COLUMNS = ["slice_file_name", "fsID", "start", "end", "salience", "fold", "classID", "class"]


def main(given: list[str] | None = None) -> None:
    """Write the corpus."""
    asked = arguments(given)
    rng = np.random.default_rng(asked.seed)
    sounds = esc10(asked.esc50)
    names = sorted({name for name, _ in sounds})
    rows: list[list[object]] = []
    recording = 0
    while len(rows) < asked.clips:
        recording += 1
        of, fold = int(rng.integers(10)), str(rng.choice([*FOLDS]))
        n_sounds = int(rng.choice([1, 2, 3, 5], p=[0.45, 0.3, 0.15, 0.1]))
        drawn = rng.integers(len(sounds[names[of], fold]), size=n_sounds)
        parts = [sounds[names[of], fold][at] * rng.uniform(0.3, 1) for at in drawn]
        audio = np.concatenate(parts)
        audio = audio + rng.standard_normal(len(audio)) * 10 ** rng.uniform(-4, -1.7)
        audio = audio / max(1, np.abs(audio).max())
        stereo = np.stack([audio, np.roll(audio, int(rng.integers(20))) * 0.8], axis=1)
        folder = asked.out / "audio" / f"fold{fold}"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1 + (len(audio) - SLICE_S * RATE) // (HOP_S * RATE)):
            name, start = f"{recording}-{of}-0-{number}.wav", number * HOP_S
            piece = stereo[start * RATE : (start + SLICE_S) * RATE]
            sf.write(folder / name, piece, RATE, subtype="PCM_16")
            label = UrbanSound8K.class_sets["urban"][of]
            rows.append([name, recording, start, start + SLICE_S, 1, fold, of, label])
    (asked.out / "metadata").mkdir(parents=True)
    with (asked.out / "metadata" / "UrbanSound8K.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    print(f"{len(rows)} clips of {recording} recordings")


def esc10(root: Path) -> dict[tuple[str, str], list[np.ndarray]]:
    """Recordings of ESC-10 by class and fold, mono at `RATE`."""
    found = defaultdict(list)
    with (root / "meta" / "esc50.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["esc10"] == "True" and row["fold"] in FOLDS:
                path = next((root / "audio").glob(f"{Path(row['filename']).stem}.*"))
                audio, _ = librosa.load(path, sr=RATE)
                found[row["category"], row["fold"]].append(audio)
    return dict(found)


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("esc50", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=int, default=2985)
    parser.add_argument("--seed", type=int, default=5)
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
