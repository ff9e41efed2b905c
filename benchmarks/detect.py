"""Speed and peak memory of `faunashot detect` on a long recording, and where the time goes.

    python benchmarks/detect.py [--hours 4] [--sample-rate 48000] [--backbone yamnet ...]
        [--model FOLDER ...] [--system logistic] [--runtime onnx-int8] [--parts]

prints JSON. The recording is made here, as that of stream.py; so is the model where none is named:
a head that has learned the synthetic corpus' calls, a model a backbone, all of which go through the
recording together. The command is a process of its own, with its start. `--parts` times each step
by itself on one thread: of decoding, resampling, the front end, the network, the head and events.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from stream import write_recording

from faunashot.audio.reading import Reading
from faunashot.audio.resample import resample
from faunashot.audio.synth import CLASSES, synthesise
from faunashot.detection.events import EventFinder
from faunashot.detection.settings import DetectionSettings
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.features.extract import cores
from faunashot.features.extractors import extractor, feature_names
from faunashot.recogniser import Recogniser
from faunashot.recognition import WindowScores
from faunashot.systems.record import BackboneRecord, TrainedSystem

CALLS_A_CLASS, CALL_S, RATE = 4, 5.0, 48_000

PARTS, PART_S = 10, 60
"""How many stretches of a recording each step is timed on, and how long they are."""


def make_model(backbone: str, system: str, folder: Path, *, runtime: str | None = None) -> Path:
    """A head on a backbone that knows the synthetic calls."""
    chosen = {"runtime": runtime} if runtime else {}
    source = extractor(backbone, options=chosen)
    rng = np.random.default_rng(1)
    rows, labels = [], []
    for label in CLASSES:
        for _ in range(CALLS_A_CLASS):
            call = synthesise(label, rng, duration_s=CALL_S, sample_rate=RATE)
            samples = resample(call.astype(np.float32), RATE, to_hz=source.sample_rate)
            rows.append(source.network(source.front_end(samples)).mean(axis=0))
            labels.append(label)
    head = make_head(system).fit(Examples.of_rows(np.stack(rows), labels))
    made_with = BackboneRecord(
        name=source.name,
        layer=source.layer,
        options={"hop_s": source.hop_s, **chosen},
        weights_hash=source.weights_hash,
    )
    record = TrainedSystem(estimator="head", backbones=[made_with], classes=sorted(CLASSES))
    Recogniser(head, record).save(folder / backbone)
    return folder / backbone


def measured(file: Path, models: Sequence[Path], out: Path) -> dict[str, float]:
    """Wall time, processor time and peak memory of the command."""
    program = [sys.executable, Path(__file__).with_name("peak.py"), "detect", file, "--out", out]
    named = [option for model in models for option in ("--model", model)]
    before, began = os.times(), time.perf_counter()
    done = subprocess.run([*program, *named], check=True, stdout=subprocess.PIPE, text=True)
    wall_s, after = time.perf_counter() - began, os.times()
    used_s = after.children_user + after.children_system
    used_s -= before.children_user + before.children_system
    return {
        "wall_s": round(wall_s, 2),
        "processor_s": round(used_s, 2),
        **json.loads(done.stdout),
    }


def timed_parts(file: Path, model: Path) -> dict[str, float]:
    """Processor seconds an hour of audio of each step, one after the other on one thread."""
    recogniser = Recogniser.load(model)
    (source,) = recogniser.extractors
    settings = DetectionSettings()
    finder = EventFinder(recogniser.classes, np.full(len(recogniser.classes), 0.5), settings)
    spent: Counter[str] = Counter()
    began = time.process_time()

    def lap(name: str) -> None:
        nonlocal began
        spent[name] += time.process_time() - began
        began = time.process_time()

    for number in range(-1, PARTS):
        at_s = max(0, number) * PART_S
        audio = Reading().read(file, span_s=(at_s, at_s + PART_S))
        lap("decode")
        samples = resample(audio.samples[:, 0], audio.sample_rate, to_hz=source.sample_rate)
        lap("resample")
        inputs = source.front_end(samples)
        lap("front_end")
        size = source.batch_size
        windows = np.concatenate(
            [source.network(inputs[at : at + size]) for at in range(0, len(inputs), size)]
        )
        lap("network")
        start_s = at_s + np.arange(len(windows)) * source.hop_s
        examples = Examples.of_rows(windows, [""] * len(windows))
        scores = recogniser.estimator.predict(examples).windows
        lap("head")
        if number < 0:
            spent.clear()  # of what imports and loads took
        else:
            finder.add(WindowScores(start_s, start_s + source.window_s, scores))
            lap("events")
    finder.finish()
    lap("events")
    return {name: round(s * 3600 / (PARTS * PART_S), 2) for name, s in spent.items()}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--hours", type=float, default=4.0)
    parser.add_argument("--sample-rate", type=int, default=RATE)
    parser.add_argument("--backbone", choices=feature_names(), nargs="+", default=["yamnet"])
    parser.add_argument("--system", default="logistic", help="a head")
    parser.add_argument("--model", type=Path, nargs="+", help="folders, in place of those made")
    parser.add_argument("--runtime", help="option of the backbones: what runs their networks")
    parser.add_argument("--parts", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "night.wav"
        write_recording(file, minutes=asked.hours * 60, sample_rate=asked.sample_rate)
        models = asked.model or [
            make_model(backbone, asked.system, folder, runtime=asked.runtime)
            for backbone in asked.backbone
        ]
        load_before = os.getloadavg()[0]
        answer = {
            "hours": asked.hours,
            "sample_rate": asked.sample_rate,
            "models": [model.name for model in models],
            "runtime": asked.runtime,
            "cores": cores(),
            "load_before": round(load_before, 1),
            **measured(file, models, folder / "out"),
        }
        answer["times_real_time"] = round(asked.hours * 3600 / answer["wall_s"])
        answer["times_real_time_by_processor"] = round(
            asked.hours * 3600 / (answer["processor_s"] / cores())
        )
        if asked.parts:
            answer["processor_s_an_hour"] = {m.name: timed_parts(file, m) for m in models}
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
