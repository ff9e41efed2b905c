"""Networks in Keras are converted for LiteRT in processes of their own, once, and checked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from faunashot.backbones import _conversion
from faunashot.backbones._conversion import CHECK, MODEL
from faunashot.backbones._keras import Encoder, KerasBackbone
from faunashot.backbones._options import window_options
from faunashot.backbones.base import Card
from faunashot.errors import WeightsError
from faunashot.files import CACHE
from faunashot.frontends.base import FloatArray, FrontEnd
from faunashot.runtimes.published_layers import PublishedLayers

RNG = np.random.default_rng(0)
TENSORS = {
    "fc.weight": RNG.normal(size=(3, 16)).astype(np.float32),
    "fc.bias": RNG.normal(size=3).astype(np.float32),
}


class FewSamples(FrontEnd):
    """A window of 16 samples."""

    name, citation = "few_samples", "none"
    sample_rate, window_samples, window_s, shape = 16, 16, 1.0, (16,)

    def __call__(self, samples: FloatArray) -> FloatArray:
        return np.asarray(samples[:16], dtype=np.float32)[None]

    def _settings(self) -> tuple[object, ...]:
        return ()


class OneLayer(KerasBackbone):
    """A dense layer."""

    Options = window_options(1.0)
    card = Card("one_layer", "1", "none", "none", "none", "nothing")
    layers = {"embedding": 3}  # noqa: RUF012
    front_end_class = FewSamples

    @classmethod
    def encoder(cls, precision: str) -> Encoder:
        from keras import Input

        of = PublishedLayers(precision)
        of.block()
        inputs = Input((16,))
        return Encoder(inputs, {"embedding": of.dense(inputs, "fc", 3)}, of.blocks)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    save_file(TENSORS, tmp_path / "one.safetensors")
    return tmp_path / "one.safetensors"


@pytest.mark.slow
def test_it_is_converted_once_and_anew_where_a_file_is_torn(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = RNG.normal(size=(4, 16)).astype(np.float32)
    expected = windows @ TENSORS["fc.weight"].T + TENSORS["fc.bias"]

    def assert_embeds() -> None:
        made = OneLayer(hop_s=1.0, weights=str(weights))
        np.testing.assert_allclose(made.embed(windows), expected, atol=1e-5)

    assert_embeds()
    (kept,) = tmp_path.rglob(MODEL)
    assert {file.name for file in kept.parent.iterdir()} == {MODEL, CHECK}
    copy = shutil.copytree(kept.parent, tmp_path / "copy")
    again = []

    def convert(*given: Any) -> None:
        again.append(given)
        shutil.copytree(copy, given[-1], dirs_exist_ok=True)

    monkeypatch.setattr("faunashot.backbones._keras.convert", convert)
    assert_embeds()
    assert not again
    for name in (MODEL, CHECK):
        whole = (copy / name).read_bytes()
        for torn in (b"", whole[: len(whole) // 2]):
            (kept.parent / name).write_bytes(torn)
            assert_embeds()
            assert (kept.parent / name).read_bytes() == whole
    assert len(again) == 4


@pytest.mark.slow
def test_tensors_of_another_network_are_refused_in_a_line(weights: Path) -> None:
    save_file({"fc.weight": TENSORS["fc.weight"], "head.bias": TENSORS["fc.bias"]}, weights)
    with pytest.raises(
        WeightsError, match=r"of another network: they lack fc\.bias, and they"
    ) as at:
        OneLayer(hop_s=1.0, weights=str(weights)).embed(np.zeros((1, 16), np.float32))
    assert str(at.value).startswith(f"one_layer: {weights}: ")
    assert "\n" not in str(at.value)


@pytest.mark.parametrize(
    ("status", "said", "message"),
    [
        (-9, "", "was killed: it takes 3 GB of memory"),
        (1, "Traceback\nValueError: no room", "failed: ValueError: no room"),
        (1, "", "failed: "),
    ],
)
def test_a_step_that_fails_is_told_in_a_line(
    weights: Path, monkeypatch: pytest.MonkeyPatch, status: int, said: str, message: str
) -> None:
    code = f"import os, sys; print({said!r}, file=sys.stderr); "
    code += f"os.kill(os.getpid(), {-status})" if status < 0 else f"sys.exit({status})"
    run = subprocess.run
    monkeypatch.setattr(
        _conversion.subprocess, "run", lambda _, **how: run([sys.executable, "-c", code], **how)
    )
    with pytest.raises(WeightsError) as caught:
        OneLayer(hop_s=1.0, weights=str(weights)).embed(np.zeros((1, 16), np.float32))
    assert str(caught.value) == f"one_layer: converting the network for LiteRT {message}"
