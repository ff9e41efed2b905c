"""What is read of the HDF5 files in which Keras 2 kept weights, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from keras2 import write_keras2

from faunashot.errors import WeightsError
from faunashot.weights.tensors import read_tensors

CONV = {"kernel": np.arange(18, dtype=np.float32).reshape(3, 3, 1, 2), "bias": np.ones(2, "f4")}
LAYERS = {"input_1": {}, "conv2d_9": CONV, "conv2d_10": {"kernel": np.zeros((1, 2), "f2")}}


@pytest.mark.parametrize("whole_model", [False, True])
def test_tensors_come_in_the_order_of_the_layers(tmp_path: Path, whole_model: bool) -> None:
    file = write_keras2(tmp_path / "net.h5", LAYERS, whole_model=whole_model)
    found = read_tensors(file)
    assert list(found) == ["conv2d_9/kernel", "conv2d_9/bias", "conv2d_10/kernel"]
    np.testing.assert_array_equal(found["conv2d_9/kernel"], CONV["kernel"])
    assert found["conv2d_10/kernel"].dtype == np.float32  # half precision is made full


def test_names_in_several_attributes_are_put_together(tmp_path: Path) -> None:
    file = write_keras2(tmp_path / "net.h5", LAYERS)
    with h5py.File(file, "a") as opened:
        names = opened.attrs["layer_names"]
        del opened.attrs["layer_names"]
        opened.attrs["layer_names1"], opened.attrs["layer_names0"] = names[2:], names[:2]
    assert list(read_tensors(file))[-1] == "conv2d_10/kernel"


def _torn(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def _of_keras_3(file: Path) -> None:
    with h5py.File(file, "w") as opened:
        opened["layers/dense/vars/0"] = np.ones(3)


def _missing(file: Path) -> None:
    with h5py.File(file, "a") as opened:
        del opened["conv2d_9/conv2d_9/bias:0"]


def _text(file: Path) -> None:
    _missing(file)
    with h5py.File(file, "a") as opened:
        opened["conv2d_9/conv2d_9/bias:0"] = "import os"


def _elsewhere(file: Path) -> None:
    _missing(file)
    with h5py.File(file.with_name("other.h5"), "w") as other:
        other["bias"] = np.ones(2, "f4")
    with h5py.File(file, "a") as opened:
        opened["conv2d_9/conv2d_9/bias:0"] = h5py.ExternalLink("other.h5", "bias")


def _raw_elsewhere(file: Path) -> None:
    _missing(file)
    file.with_name("secret").write_bytes(bytes(8))
    with h5py.File(file, "a") as opened:
        raw = [(str(file.with_name("secret")), 0, 8)]
        opened["conv2d_9"].create_dataset("conv2d_9/bias:0", (2,), "f4", external=raw)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_torn, ""),
        (lambda file: file.write_bytes(b"not it"), ""),
        (_of_keras_3, "has no layer_names"),
        (_missing, "bias:0"),
        (_text, "no array of numbers"),
        (_elsewhere, "lies in another file"),
        (_raw_elsewhere, "lies in another file"),
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_named(tmp_path: Path, spoil, reason: str) -> None:
    file = write_keras2(tmp_path / "net.h5", LAYERS)
    spoil(file)
    with pytest.raises(WeightsError, match=f"{re.escape(str(file))} cannot be read.*{reason}"):
        read_tensors(file)
