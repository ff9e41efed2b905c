"""Ranges of what YAMNet's convolutions read, for `faunashot.backbones.yamnet.integers.RANGES`.

    python benchmarks/integer_ranges.py [--clips 80]

prints them for all convolutions, from the lowest up, of sounds that are synthesised. What a
rectifier gives is widened by half: real sounds reach further, and a number that is clipped costs
more than coarser steps.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from faunashot.audio.synth import recordings
from faunashot.backbones.yamnet.integers import INPUT, convolutions, integer_network
from faunashot.backbones.yamnet.published import yamnet_variables
from faunashot.frontends.mel_patches import MelPatches
from faunashot.runtimes.onnx_graph import OnnxGraph

HEADROOM = 1.5


def main() -> None:
    """Measure, and print a tuple in Python."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clips", type=int, default=80)
    asked = parser.parse_args()
    front_end = MelPatches(hop_s=0.96)
    sounds = recordings(asked.clips, seed=0, sample_rate=front_end.sample_rate)
    patches = [np.array(front_end(sound.audio)) for sound in sounds]
    layers = convolutions(yamnet_variables())
    names = [layer.name for layer in layers[:-1]]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "yamnet.onnx")
        model = integer_network(layers, ranges=(), outputs=names)
        file.write_bytes(model.SerializeToString())
        network = OnnxGraph(file)
    found = [network(x, source=INPUT, outputs=names) for x in patches]
    largest = [HEADROOM * max(float(of.max()) for of in one) for one in zip(*found, strict=True)]
    whole = np.concatenate(patches)
    print([(round(float(whole.min()), 2), round(float(whole.max()), 2))])
    print([(0.0, float(f"{value:.3g}")) for value in largest])


if __name__ == "__main__":
    main()
