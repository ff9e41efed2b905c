"""Windows through a front end and a network, as a recording's are."""

from __future__ import annotations

from typing import Any

import numpy as np

from faunashot.backbones.base import Backbone, FloatArray
from faunashot.features.extractors import of_layer


def embed_windows(source: Any, windows: FloatArray) -> FloatArray:
    """Features of windows each by itself, (N, window_samples) -> (N, dim)."""
    extractor = of_layer(source) if isinstance(source, Backbone) else source
    return extractor.network(np.concatenate([extractor.front_end(window) for window in windows]))
