"""What networks trained from scratch cost: time to convergence, waiting, latency, size.

    python benchmarks/networks.py --data DIR --corpus animals_sounds --features features/study

trains each on 256 clips, with the others to stop on, and prints JSON, a row a system: seconds and
epochs to convergence, the share of the time of its steps that was spent waiting for a batch, the
time that one clip takes from its decoded samples to its probabilities, parameters and
multiply-adds. Each is trained in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split

from faunashot.audio import melspec
from faunashot.audio.decode import decode
from faunashot.audio.resample import resample
from faunashot.data.corpora import create
from faunashot.data.ingest import ingest
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.windows.from_scratch import FromScratch
from faunashot.features import store
from faunashot.features.extract import embed_clips
from faunashot.features.extractors import extractor
from faunashot.native import quiet_native
from faunashot.protocols.support.table import WindowTable
from faunashot.systems.catalogue import system, systems

FRAMES = "logmel_frames"
LEARNED = 256
REPEATS = 50


def measured(name: str, asked: argparse.Namespace) -> dict[str, object]:
    """Train the system called `name` and time it."""
    with quiet_native():
        corpus = create(asked.corpus, classes=asked.classes)
        clips = ingest(corpus, asked.data).clips
        files = [asked.data / path for path in clips["path"]]
        if not (asked.features / store.META).exists():
            features = embed_clips(zip(clips["clip_id"], files, strict=True), extractor(FRAMES))
            store.save(features, asked.features)
        table = WindowTable(clips, store.load(asked.features))
        noise = embed_clips([(f.name, f) for f in corpus.noise(asked.data)], extractor(FRAMES))
    ids, labels = clips["clip_id"].tolist(), clips["label"].tolist()
    train, validation = train_test_split(
        ids, train_size=LEARNED, stratify=labels, random_state=asked.seed
    )

    model = FromScratch(**system(name).settings, seed=asked.seed)
    began = time.perf_counter()
    context = TrainingContext(noise=lambda: noise.windows)
    model.fit(table.examples(train), validation=table.examples(validation), context=context)
    took_s = time.perf_counter() - began
    steps_s = sum(facts["train_s"] for facts in model.history_)
    waited_s = sum(facts["train_s"] * facts["waited"] for facts in model.history_)
    audio = decode(sorted(files, key=lambda file: file.stat().st_size)[len(files) // 2])
    samples = resample(audio.mono(), audio.sample_rate, to_hz=melspec.SAMPLE_RATE)
    times_s = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        rows = melspec.spectrograms(samples, hop=melspec.WINDOW_SAMPLES)
        model.predict_proba(rows.reshape(len(rows), -1))
        times_s.append(time.perf_counter() - began)
    return {
        "system": name,
        **model.cost(),
        "convergence_s": round(took_s, 1),
        "epochs": len(model.history_),
        "waited_share": round(waited_s / steps_s, 3),
        "clip_s": round(len(samples) / melspec.SAMPLE_RATE, 2),
        "clip_ms": round(1000 * float(np.median(times_s)), 2),
    }


def main() -> None:
    """Measure every system in a process of its own, and print JSON."""
    asked = arguments()
    if asked.one:
        found = measured(asked.one, asked)
        status = Path("/proc/self/status").read_text()
        peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
        print(json.dumps({**found, "peak_mb": round(int(peak_kb) / 1024)}))
        return
    rows = []
    for name, each in systems().items():
        if each.head == "from_scratch":
            command = [sys.executable, *sys.argv, "--one", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows.append(json.loads(done.stdout))
            print(rows[-1], file=sys.stderr)
    print(json.dumps(rows, indent=1))


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--classes", default="all")
    parser.add_argument("--features", type=Path, required=True, help="folder that keeps them")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
