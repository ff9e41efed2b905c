"""What `faunashot backbones check` tells of a declared backbone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from faunashot.backbones._declared.model import DeclaredBackbone
from faunashot.backbones._declared.sources import declared_in
from faunashot.backbones.base import FloatArray, HasClasses, HasText, default_layer
from faunashot.errors import ParameterError

TOLERANCE = 1e-4
"""Of the largest number: what rounding may change where windows are run together."""

MEASURED_S = 2.0
"""For how long windows are run to count them, at least once."""


@dataclass
class Checked:
    """What is known of a backbone once it has run.

    Attributes
    ----------
    facts : dict
        By what they are.
    remarks : list of str
        What a user should know, a line each; it can be used all the same.
    """

    facts: dict[str, Any]
    remarks: list[str] = field(default_factory=list)


def check(file: Path) -> Checked:
    """Load what a file declares, and run it on windows of noise and of silence.

    Raises
    ------
    ParameterError
        The declaration is wrong, or not of this network.
    WeightsError
        The network cannot be had, loaded or run.
    """
    kind = declared_in(file)
    backbone: Any = kind(**kind.Options.read({}, key=file.stem).model_dump())
    started = time.perf_counter()
    loaded = backbone.loaded()
    took = time.perf_counter() - started
    declaration = kind.declaration
    found = Checked(
        {
            "backbone": kind.card.name,
            "runtime": declaration.runtime,
            "rate": f"{declaration.sample_rate} Hz",
            "window": f"{declaration.window_s:g} s, every {declaration.step_s:g} s",
            "input": f"{next(p for p in loaded.graph.inputs if p.name == loaded.source)}",
            "loaded in": f"{took:.1f} s",
        }
    )
    windows = _signals(backbone)
    names = backbone.class_list.names if isinstance(backbone, HasClasses) else ()
    made = {layer: _embedded(backbone, windows, layer) for layer in kind.layers}
    for layer, rows in made.items():
        found.facts[f"layer {layer}"] = f"{rows.shape[1]} numbers a window"
    default = default_layer(kind)
    _check_repeats(found, backbone, windows, default, made[default])
    if isinstance(backbone, HasText):
        dim = backbone.embed_text(["a sound"]).shape[1]
        found.facts["texts"] = f"{dim} numbers a text, cosines times {backbone.text_scale:.4g}"
    if declaration.classes is not None:
        found.facts["classes"] = f"{len(names)} of {declaration.classes.labels}"
    found.facts["windows a second"] = f"{_speed(backbone, windows):.1f}"
    if loaded.rows is not None and loaded.rows < 2:
        found.remarks.append("it takes one window at a time, and is run window by window")
    elif loaded.rows is not None:
        found.remarks.append(f"it takes {loaded.rows} windows at a time; fewer are filled up")
    return found


def _embedded(backbone: DeclaredBackbone, windows: FloatArray, layer: str) -> FloatArray:
    """A layer of all windows; raises where it is not finite."""
    rows = backbone.embed(windows, layer=layer)
    if not np.isfinite(rows).all():
        which = "silence" if np.isfinite(rows[0]).all() else "noise"
        raise ParameterError(
            f"{backbone.file.name}: {layer} of {which} is not finite: its samples may need "
            "another normalisation"
        )
    return rows


def _check_repeats(
    found: Checked, backbone: DeclaredBackbone, windows: FloatArray, layer: str, rows: FloatArray
) -> None:
    """Run a layer on the same windows again, and on each by itself."""
    again = float(np.abs(backbone.embed(windows, layer=layer) - rows).max())
    alone = np.concatenate([backbone.embed(window[None], layer=layer) for window in windows])
    off = float(np.abs(alone - rows).max())
    invariant = off <= TOLERANCE * float(np.abs(rows).max())
    found.facts["deterministic"] = "no" if again else "yes"
    found.facts["batch-invariant"] = "yes" if invariant else "no"
    if again:
        found.remarks.append(
            f"{layer} is not deterministic: the same windows give numbers {again:.1e} apart"
        )
    elif not invariant:
        found.remarks.append(
            f"{layer} of a window depends on the windows beside it: {off:.1e} apart; set "
            "batch_size: 1"
        )
    if len(np.unique(rows[:2], axis=0)) < 2:
        found.remarks.append(f"{layer} is the same for noise and for other noise")


def _signals(backbone: DeclaredBackbone) -> FloatArray:
    """Windows of noise, of other noise, and of silence, as the front end gives them."""
    n = backbone.front_end.window_samples
    rng = np.random.default_rng(0)
    rows = [rng.normal(0, 0.1, n), rng.normal(0, 0.1, n), np.zeros(n)]
    return np.concatenate([backbone.front_end(row.astype(np.float32)) for row in rows])


def _speed(backbone: DeclaredBackbone, windows: FloatArray) -> float:
    """Windows a second of the default layer, in batches of its size."""
    batch = np.resize(windows[:1], (backbone.batch_size, windows.shape[1]))
    layer = next(iter(backbone.layers))
    done, started = 0, time.perf_counter()
    while not done or time.perf_counter() - started < MEASURED_S:
        backbone.embed(batch, layer=layer)
        done += len(batch)
    return done / (time.perf_counter() - started)
