"""Outputs of the authors' own model code with made-up weights, see `README.md` in their folder."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from faunashot.backbones._keras import KerasBackbone
from faunashot.backbones.base import load
from faunashot.frontends.base import FrontEnd


def parity_folder() -> Path:
    """`FAUNASHOT_PARITY`, or `parity` in the folder that is shared."""
    beside = Path(__file__).resolve().parents[3] / "shared"
    shared = Path(os.environ.get("FAUNASHOT_SHARED", beside))
    folder = Path(os.environ.get("FAUNASHOT_PARITY", shared / "parity"))
    if not folder.is_dir():
        pytest.skip(f"no outputs of the authors' code: {folder} is missing, set FAUNASHOT_PARITY")
    return folder


@dataclass(frozen=True)
class Reference:
    """What one network gave with made-up weights.

    Attributes
    ----------
    folder : Path
    name : str
        Of its files.
    """

    folder: Path
    name: str

    def __post_init__(self) -> None:
        missing = [f for f in self._files if not f.is_file()]
        if missing:
            pytest.skip(f"no outputs of the authors' code: {missing[0]} is missing")

    @property
    def _files(self) -> list[Path]:
        return [self.folder / f"{self.name}.{ending}" for ending in ("json", "npz")]

    @cached_property
    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / f"{self.name}.json").read_text("utf-8"))
        return found

    @cached_property
    def arrays(self) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{self.name}.npz") as found:
            return dict(found)

    @property
    def clips(self) -> np.ndarray:
        """Samples, a row a clip."""
        given = self.facts["input"]
        with np.load(self.folder / given["file"]) as found:
            return np.asarray(found[given["key"]], dtype=np.float32)

    def numbered(self, prefix: str) -> tuple[list[int], np.ndarray]:
        """The array whose name is a prefix and numbers, such as ``windows_0_1_5``, and these."""
        (name,) = [n for n in self.arrays if re.fullmatch(rf"{prefix}\d+(_\d+)*", n)]
        return [int(n) for n in name.removeprefix(prefix).split("_")], self.arrays[name]

    def inputs(self, front_end: FrontEnd) -> np.ndarray:
        """What a front end gives of the clips, each of which is a window."""
        clips = self.clips
        if clips.shape[1] != front_end.window_samples:
            pytest.fail(
                f"{self.name}: clips have {clips.shape[1]} samples, and the network's windows "
                f"{front_end.window_samples}: what it gives of others is not to be compared"
            )
        return np.concatenate([front_end(clip) for clip in clips])

    def tensors(self) -> dict[str, np.ndarray]:
        """The made-up weights by published name, and scalars that were kept."""
        spec = importlib.util.spec_from_file_location("rule", self.folder / "weights_rule.py")
        rule = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(rule)
        made: dict[str, np.ndarray] = rule.make_all(
            self.facts["tensors"], self.facts["weight_seed"]
        )
        kept = self.facts.get("kept_scalars", {})
        return made | {name: np.array(value, np.float32) for name, value in kept.items()}

    def backbone(self, name: str, folder: Path, **options: Any) -> KerasBackbone:
        """Our backbone with these weights, out of a file of them."""
        file = folder / f"{self.name}.safetensors"
        if not file.is_file():
            save_file(self.tensors(), file)
        made: Any = load(name, weights=str(file), **options)
        return made


def off(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, of the largest number."""
    assert ours.shape == theirs.shape
    return float(np.abs(ours.astype(np.float64) - theirs).max() / np.abs(theirs).max())
