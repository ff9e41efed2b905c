"""Speed of our networks beside the same networks in PyTorch, on two threads.

    pip install torch torchlibrosa transformers
    python benchmarks/beside_torch.py [NAME ...]

prints JSON, a row a network: clips of 5 s a second, from samples to embeddings, of ours and of
PyTorch's, the median of several rounds that alternate; processor seconds a clip; how far the
embeddings differ, of the largest number; the peak memory of ours. Ours runs as in the pipeline,
half of the clips a thread, PyTorch eight clips at once on two threads. Weights are drawn, and are
the same in both, but for those of ResNet50. OpenL3, with a step of 1 s, Whisper and ResNet50 read
our front end's spectrograms on both sides, whose time is counted on both. Each network has two
processes to itself.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from backbones import DRAW, MADE_UP
from faunashot.files import CACHE

CLIPS, CLIP_S, THREADS, ROUNDS = 8, 5.0, 2, 5

Embed = Callable[[], np.ndarray]


def ours(name: str, weights: str) -> Embed:
    """Embed all clips as the pipeline does: a part of them on each thread."""
    from faunashot.features.extractors import extractor

    source = extractor(name, options=options(name, weights))
    clips = sounds(source.sample_rate)

    def part(of: list[np.ndarray]) -> np.ndarray:
        rows = np.concatenate([source.front_end(clip) for clip in of])
        step = source.batch_size
        found = [source.network(rows[at : at + step]) for at in range(0, len(rows), step)]
        return np.concatenate(found)

    pool = ThreadPoolExecutor(THREADS)
    parts = [clips[at : at + CLIPS // THREADS] for at in range(0, CLIPS, CLIPS // THREADS)]
    return lambda: np.concatenate(list(pool.map(part, parts)))


def options(name: str, weights: str) -> dict[str, Any]:
    """Options of a backbone; OpenL3 takes a step of a second, not a tenth of one."""
    return {"weights": weights, **({"hop_s": 1.0} if name.startswith("openl3") else {})}


def theirs(name: str, weights: str) -> Embed:
    """Embed all clips in PyTorch: eight at once."""
    import torch
    from safetensors.torch import load_file
    from torch_networks import networks

    from faunashot.features.extractors import extractor

    torch.set_num_threads(THREADS)
    source = extractor(name, options=options(name, weights))
    network = networks()[name]().eval()
    if name != "resnet50_mel":
        load(network, load_file(weights))
    clips = sounds(source.sample_rate)

    def inputs() -> Any:
        if name.startswith(("panns", "esresnext", "audioclip")):
            return torch.from_numpy(np.stack(clips))
        rows = np.concatenate([source.front_end(clip) for clip in clips])
        rows = rows.transpose(0, 2, 1)
        if name.startswith("whisper"):
            rows = rows[:, :-1]  # without the marks of what is there
        if name.startswith("resnet50"):
            rows = rows[:, None]
        return torch.from_numpy(np.ascontiguousarray(rows))

    def embed() -> np.ndarray:
        with torch.inference_mode():
            return np.concatenate([network(part).numpy() for part in inputs().split(CLIPS)])

    return embed


def load(network: Any, tensors: dict[str, Any]) -> None:
    """Give a network its weights by their published names, in PyTorch's layout."""
    if any(name.startswith("audio.") for name in tensors):  # of a network that reads texts, too
        tensors = {name: of for name, of in tensors.items() if name.startswith("audio.")}
    found = network.load_state_dict(dict(in_torch(*each) for each in tensors.items()), strict=False)
    own = ("_extractor.", "num_batches_tracked", "embed_positions")
    lacks = [name for name in found.missing_keys if not any(part in name for part in own)]
    if lacks or found.unexpected_keys:
        raise SystemExit(f"other weights: lacks {lacks}, has {found.unexpected_keys}")


KERAS = {
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def in_torch(name: str, value: Any) -> tuple[str, Any]:
    """A tensor as PyTorch names it and lays it out, where Keras' layers have published it."""
    layer, is_keras, kind = name.partition("/")
    if not is_keras:
        return name, value
    value = value.permute(3, 2, 0, 1) if value.ndim == 4 else value
    return f"{layer}.{KERAS.get(kind, kind)}", value


def sounds(rate: int) -> list[np.ndarray]:
    """Clips of noise that falls away, the same at any rate but for its band."""
    rng = np.random.default_rng(0)
    fall = np.exp(-np.linspace(0, 3, round(CLIP_S * rate)))
    return [(rng.normal(0, 0.1, len(fall)) * fall).astype(np.float32) for _ in range(CLIPS)]


def measured(name: str, weights: str) -> dict[str, Any]:
    """Time both in turn in this process."""
    sides = {"ours": ours(name, weights), "torch": theirs(name, weights)}
    found = {side: embed() for side, embed in sides.items()}  # loads them
    wall: dict[str, list[float]] = {side: [] for side in sides}
    cpu: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(ROUNDS):
        for side, embed in sides.items():
            began, used = time.perf_counter(), time.process_time()
            embed()
            wall[side].append(time.perf_counter() - began)
            cpu[side].append(time.process_time() - used)
    of_clips = {side: CLIPS / statistics.median(each) for side, each in wall.items()}
    row: dict[str, Any] = {"name": name}
    row |= {f"{side}_clips_per_s": round(value, 2) for side, value in of_clips.items()}
    row |= {f"{s}_cpu_s": round(statistics.median(each) / CLIPS, 4) for s, each in cpu.items()}
    row["times_torch"] = round(of_clips["ours"] / of_clips["torch"], 2)
    if name != "resnet50_mel":
        largest = float(np.abs(found["torch"]).max())
        row["difference"] = float(np.abs(found["ours"] - found["torch"]).max() / largest)
    return row


def peak(name: str, weights: str) -> dict[str, Any]:
    """The peak memory of ours alone, once it is converted."""
    ours(name, weights)()
    return {"peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 2)}


def main() -> None:
    """Measure each network in processes of its own, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="backbones; all if none")
    parser.add_argument("--one", choices=["measured", "peak"], help=argparse.SUPPRESS)
    parser.add_argument("--weights", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        print(json.dumps(globals()[asked.one](asked.names[0], asked.weights)))
        return
    from torch_networks import networks

    rows = []
    for name in asked.names or networks():
        with tempfile.TemporaryDirectory() as folder:
            paths = [str(MADE_UP), *filter(None, [os.environ.get("PYTHONPATH")])]
            env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), CACHE: folder}
            draw = [sys.executable, "-c", DRAW, name, folder]
            subprocess.run(draw, env=env, check=True)
            row = {}
            for part in ("measured", "peak"):
                of = ["--weights", str(Path(folder, f"{name}.safetensors")), "--one", part]
                command = [sys.executable, __file__, name, *of]
                done = subprocess.run(
                    command, env=env, check=True, stdout=subprocess.PIPE, text=True
                )
                row |= json.loads(done.stdout)
        rows.append(row)
        print(row, file=sys.stderr)
    print(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
