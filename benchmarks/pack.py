"""How fast a corpus is packed, and how fast random clips of it are read, in each layout of HDF5.

    python benchmarks/pack.py [--clips 300] [--format wav] [--batch 32] [--folder DIR]

prints JSON. Packing is of recordings of 10 s at 44.1 kHz, made for it, to 32 kHz: seconds of audio
a second, of the clock and of the processors. Reading is of random batches, in clips a minute, from
what `faunashot pack` makes and from files of HDF5's chunks of one clip, plain and compressed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import soundfile as sf

from faunashot.data.corpora import create
from faunashot.data.packed import Packed, pack

RATE_HZ, LENGTH_S = 44_100, 10


def main(given: list[str] | None = None) -> None:
    """Make recordings, pack them, read them, and say how fast that was."""
    asked = arguments(given)
    with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
        root, file = Path(folder, "clips"), Path(folder, "clips.h5")
        record(root, asked.clips, suffix=asked.format)
        wall, cpu = time.perf_counter(), time.process_time()
        done = pack(create("folder"), root, file)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        found = {
            "audio_s": done.packed_s,
            "times_real_time": round(done.packed_s / wall, 1),
            "times_real_time_of_a_core": round(done.packed_s / cpu, 1),
            "reading": [reading(name, file, asked) for name in LAYOUTS],
        }
    print(json.dumps({**found, "settings": {**vars(asked), "folder": None}}, indent=1))


def record(root: Path, n: int, *, suffix: str) -> None:
    """Recordings of two classes: a tone in noise, each with a silent part, as in the field."""
    rng = np.random.default_rng(0)
    t = np.arange(RATE_HZ * LENGTH_S) / RATE_HZ
    for number in range(n):
        (root / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        tone = 0.2 * np.sin(2 * np.pi * rng.uniform(300, 6_000) * t) * (np.sin(t) > 0)
        sound = tone + rng.normal(0, 0.02, t.size)
        sf.write(root / "ab"[number % 2] / f"{number}.{suffix}", sound, RATE_HZ)


LAYOUTS: dict[str, dict[str, Any]] = {
    "in one piece": {},
    "chunks of a clip": {},
    "chunks of a clip, LZF": {"compression": "lzf"},
    "chunks of a clip, gzip 1": {"compression": "gzip", "compression_opts": 1},
}


def reading(name: str, file: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Size of a layout, and clips a minute read from it at random."""
    packed = Packed(file)
    rng = np.random.default_rng(1)
    batches = [rng.integers(0, len(packed), asked.batch) for _ in range(asked.batches)]
    if name == "in one piece":
        return {"layout": name, **timed(packed.read, batches, file)}
    other = file.with_name("other.h5")
    with h5py.File(other, "w") as opened:
        chunks = (1, packed.n_samples)
        opened.create_dataset("waveform", data=packed.waveforms, chunks=chunks, **LAYOUTS[name])
    with h5py.File(other) as opened:
        rows = opened["waveform"]

        def read(batch: np.ndarray) -> np.ndarray:
            found = np.empty((len(batch), packed.n_samples), np.int16)
            for at, row in enumerate(batch):
                rows.read_direct(found, np.s_[row], np.s_[at])
            return found

        return {"layout": name, **timed(read, batches, other)}


def timed(
    read: Callable[[np.ndarray], np.ndarray], batches: list[np.ndarray], file: Path
) -> dict[str, float]:
    """Clips a minute, and how large the file is."""
    began = time.perf_counter()
    n = sum(len(read(batch)) for batch in batches)
    rate = 60 * n / (time.perf_counter() - began)
    return {"clips_per_min": round(rate), "mb": round(file.stat().st_size / 1e6, 1)}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--format", default="wav", help="suffix of the recordings: wav, flac, mp3")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--folder", help="where files are made; that of temporary files")
    return parser.parse_args(given)


if __name__ == "__main__":
    main()
