"""How fast recordings become a store of features, beside what it could be and what it was.

    python benchmarks/embed.py --backbone yamnet --data DIR [--repeats 5] [--clips 200] [--wav]
        [--runtime onnx-int8]

prints JSON. In each repeat, one after the other and in this order:

- ours: from files to a store;
- plain_loop: the published model as it comes, clip by clip (TF Hub's YAMNet; BirdNET with all
  tensors kept, as its embedding is usually read);
- tensorflow: YAMNet's network as a TensorFlow function, on ready patches in batches;
- bare_network: the network that ours runs, on ready inputs, one call a processor.

Rates are windows a second, their medians over the repeats; ratios are medians of those within a
repeat, with their range. `steps` is processor time a window of each step by itself, in one thread,
and `bound` the rate at which all processors would be busy with these steps alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile as sf
from stream import own_cache
from threadpoolctl import threadpool_limits

from faunashot.audio.decode import announced, decode
from faunashot.audio.recordings import recordings_in
from faunashot.audio.resample import resample
from faunashot.features import engine
from faunashot.features.build import store_features
from faunashot.features.cut import cut
from faunashot.features.extract import cores
from faunashot.features.extractors import Extractor, extractor, feature_names
from faunashot.features.plan import Recording, plan
from faunashot.files import CACHE
from faunashot.frontends.base import FloatArray
from faunashot.native import quiet_native

READY = 512
"""Windows that networks by themselves are measured on."""


def seconds(work: Callable[[], Any]) -> float:
    """Wall time of `work`."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def core_ms(work: Callable[[Any], Any], items: Iterable[Any], *, windows: int) -> float:
    """Processor time of `work` on all items in this thread, in ms a window; the best of three."""
    taken = []
    for _ in range(3):
        began = time.thread_time()
        for item in items:
            work(item)
        taken.append(time.thread_time() - began)
    return 1000 * min(taken) / windows


class Subject:
    """Features and the recordings that they are made of."""

    def __init__(self, features: Extractor, files: list[Path]) -> None:
        self.features, self.files = features, files
        inputs, self.windows = [], 0
        for file in files:
            found = cut(file, features).inputs
            self.windows += len(found)
            if sum(map(len, inputs)) < READY:
                inputs.append(np.array(found))
        self.ready = np.concatenate(inputs)[:READY]
        features.network(self.ready[:1])  # loads it

    def store(self, workers: int | None = None) -> None:
        """From files to features, which are thrown away with a cache of their own."""
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(os.environ, {CACHE: folder}):
            made = plan([Recording(file.name, file) for file in self.files], self.features)
            outcome = store_features(
                made, Path(folder) / "store", engine.local(self.features, workers=workers)
            )
            assert outcome.embedded == self.windows, outcome

    def samples(self, file: Path) -> FloatArray:
        """A recording as the front end takes it."""
        audio = decode(file)
        return resample(audio.mono(), audio.sample_rate, to_hz=self.features.sample_rate)

    def network(self) -> None:
        """Ready inputs through the network, a part on each processor."""
        size = self.features.batch_size
        parts = [self.ready[at : at + size] for at in range(0, len(self.ready), size)]
        with ThreadPoolExecutor(cores()) as pool:
            list(pool.map(self.features.network, parts))

    def steps(self) -> dict[str, float]:
        """Processor time of each step in ms a window, measured on some of the recordings."""
        files = self.files[: max(1, len(self.files) // 5)]
        audio = [decode(file) for file in files]
        samples = [self.samples(file) for file in files]
        n = sum(len(self.features.front_end(one)) for one in samples)
        rate, size = self.features.sample_rate, self.features.batch_size
        batches = [self.ready[at : at + size] for at in range(0, len(self.ready), size)]
        self.features.network(batches[0])
        with threadpool_limits(1, "blas"):
            return {
                "header": core_ms(announced, files, windows=n),
                "decode": core_ms(decode, files, windows=n),
                "resample": core_ms(
                    lambda one: resample(one.mono(), one.sample_rate, to_hz=rate), audio, windows=n
                ),
                "front_end": core_ms(
                    lambda one: np.array(self.features.front_end(one)), samples, windows=n
                ),
                "network": core_ms(self.features.network, batches, windows=len(self.ready)),
            }


def yamnet_rivals(subject: Subject) -> dict[str, tuple[Callable[[], Any], int]]:
    """The published model clip by clip, and its network in TensorFlow in batches of 64."""
    from faunashot.backbones.yamnet.published import HANDLE, Published
    from faunashot.runtimes.hub import model_folder

    published = Published(model_folder(HANDLE))
    network = published.network()
    patches = np.ascontiguousarray(subject.ready)

    def loop() -> None:
        np.concatenate([published(subject.samples(file))[1] for file in subject.files])

    def batches() -> None:
        for at in range(0, len(patches), 64):
            network(patches[at : at + 64])

    return {"plain_loop": (loop, subject.windows), "tensorflow": (batches, len(patches))}


def birdnet_rivals(subject: Subject) -> dict[str, tuple[Callable[[], Any], int]]:
    """The published model with all its tensors kept, from which the embedding is read."""
    from ai_edge_litert.interpreter import Interpreter

    from faunashot.audio.windows import split_windows
    from faunashot.backbones.birdnet.published import MODEL_FILE, published_file

    features, threads = subject.features, cores()
    net = Interpreter(
        str(published_file(MODEL_FILE)), num_threads=threads, experimental_preserve_all_tensors=True
    )
    net.allocate_tensors()
    source = net.get_input_details()[0]["index"]
    pooled = [t["index"] for t in net.get_tensor_details() if "GLOBAL_AVG_POOL" in t["name"]]
    size, hop = features.window_samples, features.hop_samples

    def loop() -> None:
        for file in subject.files:
            for window in split_windows(subject.samples(file), size, hop=hop):
                net.set_tensor(source, window[None])
                net.invoke()
                net.get_tensor(pooled[0])

    return {"plain_loop": (loop, subject.windows)}


RIVALS = {"yamnet": yamnet_rivals, "birdnet": birdnet_rivals}


def command_line(backbone: str, files: list[Path]) -> dict[str, float]:
    """Peak memory and wall time of `faunashot embed` in a process of its own, cold."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--backbone", backbone, "--out", f"{folder}/store", "--json"]
        program = [sys.executable, Path(__file__).with_name("peak.py"), "embed"]
        env = {**os.environ, CACHE: str(own_cache(Path(folder) / "store"))}
        began = time.perf_counter()
        done = subprocess.run(
            [*program, *files, *options], check=True, stdout=subprocess.PIPE, text=True, env=env
        )
        wall_s = time.perf_counter() - began
    return {"peak_mb": json.loads(done.stdout)["peak_mb"], "wall_s": round(wall_s, 2)}


def as_wav(file: Path, folder: Path) -> Path:
    """A copy of a recording as 16-bit WAV."""
    audio = decode(file)
    copy = folder / f"{file.stem}.wav"
    sf.write(copy, audio.samples, audio.sample_rate, subtype="PCM_16")
    return copy


def spread(values: list[float]) -> dict[str, float]:
    """Median and range."""
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", choices=feature_names(), default="yamnet")
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--clips", type=int, help="measure on so many of them only")
    parser.add_argument("--runtime", help="option of the backbone: what runs its network")
    parser.add_argument("--wav", action="store_true", help="convert them to 16-bit WAV first")
    asked = parser.parse_args()
    files = recordings_in(asked.data)
    files = files[:: max(1, len(files) // asked.clips)] if asked.clips else files
    if not files or asked.repeats < 1:
        parser.error(f"{asked.data} holds no recordings" if not files else "--repeats: at least 1")
    with quiet_native(), tempfile.TemporaryDirectory() as converted:
        if asked.wav:
            files = [as_wav(file, Path(converted)) for file in files]
        options = {"runtime": asked.runtime} if asked.runtime else {}
        subject = Subject(extractor(asked.backbone, options=options), files)
        work = {"ours": (subject.store, subject.windows)}
        work |= RIVALS.get(asked.backbone, lambda subject: {})(subject)
        work["bare_network"] = (subject.network, len(subject.ready))
        rates: dict[str, list[float]] = {name: [] for name in work}
        for repeat in range(-1, asked.repeats):  # the first is to warm up
            for name, (run, windows) in work.items():
                rate = windows / seconds(run)
                if repeat >= 0:
                    rates[name].append(rate)
            print(f"repeat {repeat + 1} of {asked.repeats}", file=sys.stderr)
        steps = subject.steps()
        # the command line has no option of a backbone but its hop
        command = None if asked.runtime else command_line(asked.backbone, files)
    answer: dict[str, Any] = {
        "backbone": asked.backbone,
        "runtime": asked.runtime,
        "recordings": len(files),
        "windows": subject.windows,
        "cores": cores(),
        "repeats": asked.repeats,
        "windows_per_s": round(statistics.median(rates["ours"]), 1),
        "rates": {name: spread(of) for name, of in rates.items()},
    }
    for name in rates:
        if name != "ours":
            paired = [a / b for a, b in zip(rates["ours"], rates[name], strict=True)]
            answer[f"ratio_to_{name}"] = round(statistics.median(paired), 3)
            answer[f"ratio_to_{name}_range"] = [round(min(paired), 3), round(max(paired), 3)]
    bound = 1000 * cores() / sum(steps.values())
    answer["steps_core_ms_per_window"] = {name: round(ms, 4) for name, ms in steps.items()}
    answer["bound_windows_per_s"] = round(bound, 1)
    answer["share_of_bound"] = round(answer["windows_per_s"] / bound, 3)
    answer["command"] = command
    print(json.dumps(answer, indent=1))


if __name__ == "__main__":
    main()
