"""What a served model needs: the packages at the versions it was made with, and an example."""

from __future__ import annotations

import importlib.metadata
import io
from collections.abc import Sequence

import numpy as np
import soundfile as sf

from faunashot.features.extractors import packages_of

ALWAYS = ["faunashot", "mlflow", "numpy", "pandas", "scikit-learn", "scipy", "skops"]
ALWAYS += ["soundfile", "soxr", "pydantic", "pyyaml", "pyarrow", "threadpoolctl"]


def requirements(features: Sequence[str], *, more: Sequence[str] = ()) -> list[str]:
    """Pinned requirements of a model on backbones and front ends, for MLflow's model file.

    Parameters
    ----------
    features : sequence of str
        Names of the backbones and front ends.
    more : sequence of str
        Packages that its estimator needs.
    """
    of_features = [package for name in features for package in packages_of(name)]
    names = dict.fromkeys([*ALWAYS, *of_features, *more])
    return [f"{name}=={importlib.metadata.version(name)}" for name in names]


def example_audio() -> bytes:
    """One second of a whistle at 2 kHz, as a WAV file: the input example of every model."""
    t = np.arange(16_000) / 16_000
    whistle = 0.3 * np.sin(2 * np.pi * 2000 * t) * np.hanning(len(t))
    file = io.BytesIO()
    sf.write(file, whistle, 16_000, format="WAV", subtype="PCM_16")
    return file.getvalue()
