"""Tensors out of files of each kind; what is torn, of another kind, or runs code is refused."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from faunashot.errors import WeightsError
from faunashot.files import CACHE
from faunashot.weights.tensors import read_tensors

TENSORS = {
    "fc.weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "fc.half": np.array([0.5, 1 / 3, 65504], np.float16),
    "bn.num_batches_tracked": np.array(7),
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


def safetensors(file: Path) -> Path:
    save_file(TENSORS, file)
    return file


def npz(file: Path) -> Path:
    np.savez(file, **TENSORS)
    return file


KINDS: dict[str, Callable[[Path], Path]] = {".safetensors": safetensors, ".npz": npz}


def assert_tensors(read: dict[str, np.ndarray]) -> None:
    assert set(read) == set(TENSORS)
    for name, array in TENSORS.items():
        expected = np.float32 if array.dtype.kind == "f" else np.int64
        assert (read[name].dtype, read[name].shape) == (expected, array.shape), name
        np.testing.assert_array_equal(read[name], array)


def refused(file: Path, match: str) -> None:
    with pytest.raises(WeightsError, match=match) as caught:
        read_tensors(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", KINDS)
def test_tensors_are_read_half_precision_as_single(ending: str, tmp_path: Path) -> None:
    assert_tensors(read_tensors(KINDS[ending](tmp_path / f"weights{ending}")))


@pytest.mark.parametrize("ending", KINDS)
@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.99])
def test_a_torn_file_is_refused(ending: str, share: float, tmp_path: Path) -> None:
    file = KINDS[ending](tmp_path / f"weights{ending}")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    refused(file, "cannot be read as weights")


@pytest.mark.parametrize("ending", KINDS)
def test_a_file_of_another_kind_is_refused(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"page{ending}"
    file.write_bytes(b"<!DOCTYPE html><title>404: not found</title>" * 9)
    refused(file, "cannot be read as weights")


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    refused(tmp_path / "weights.safetensors", "cannot be read as weights: FileNotFoundError")


@pytest.mark.parametrize(
    "name", ["weights.txt", "model.keras", "weights", "weights.safetensors.part"]
)
def test_another_ending_is_told_those_that_are_read(name: str, tmp_path: Path) -> None:
    refused(
        safetensors(tmp_path / name), r"ends in \.safetensors, \.npz, \.h5, \.hdf5, \.pt, \.pth"
    )


def test_objects_in_an_archive_of_arrays_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", a=np.array([Trap(tmp_path / "sprung")], dtype=object))
    refused(tmp_path / "weights.npz", "cannot be read as weights")
    assert not (tmp_path / "sprung").exists()


class Trap:
    """Makes a folder where it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_without_pytorch_a_checkpoint_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "weights.pth").write_bytes(b"any")
    refused(tmp_path / "weights.pth", r"pip install 'faunashot\[torch\]'")


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch reads checkpoints, and is not installed")


@pytest.fixture
def checkpoint(torch: Any, tmp_path: Path) -> Path:
    """As PANNs' at 16 kHz: the model's state, and what its training needed beside it."""
    model = {name: torch.from_numpy(np.array(array)) for name, array in TENSORS.items()}
    sampler = {"indexes": np.arange(9), "pointer": np.int64(4), "weights": np.ones(2, np.float32)}
    content = {"iteration": 600_000, "model": model, "sampler": sampler}
    torch.save(content, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def as_before_numpy_2(file: Path) -> None:
    """Rename the modules in a checkpoint to what NumPy called them."""
    with zipfile.ZipFile(file) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content.replace(b"cnumpy._core.", b"cnumpy.core."))


@pytest.mark.parametrize("old", [False, True])
def test_a_checkpoint_of_pytorch_gives_the_model_it_wraps(checkpoint: Path, *, old: bool) -> None:
    if old:
        as_before_numpy_2(checkpoint)
    assert_tensors(read_tensors(checkpoint))


def test_it_is_converted_once(
    checkpoint: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_tensors(checkpoint)
    assert len(list(cache.glob("*.safetensors"))) == 1
    monkeypatch.setitem(sys.modules, "torch", None)
    assert_tensors(read_tensors(checkpoint))


def test_a_torn_conversion_is_made_anew(checkpoint: Path, cache: Path) -> None:
    read_tensors(checkpoint)
    [kept] = cache.glob("*.safetensors")
    whole = kept.read_bytes()
    kept.write_bytes(b"")
    assert_tensors(read_tensors(checkpoint))
    assert kept.read_bytes() == whole


def test_nested_names_are_joined(torch: Any, tmp_path: Path) -> None:
    content = {"encoder": {"a": torch.ones(2), "b": {"c": torch.zeros(1)}}, "epoch": 3}
    torch.save(content, tmp_path / "weights.pt")
    assert set(read_tensors(tmp_path / "weights.pt")) == {"encoder.a", "encoder.b.c"}


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_would_run_code_is_refused(
    torch: Any, tmp_path: Path, *, zipped: bool
) -> None:
    content = {"model": {"a": torch.ones(1)}, "trap": Trap(tmp_path / "sprung")}
    file = tmp_path / "weights.pth"
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    refused(file, r"would run \S+\.mkdir when it is loaded, and is refused")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("kept", [0, 40, 700])
def test_a_torn_checkpoint_is_refused(checkpoint: Path, cache: Path, kept: int) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:kept])
    refused(checkpoint, "cannot be read as weights")
    assert not cache.exists()


def test_a_checkpoint_without_tensors_is_refused(torch: Any, tmp_path: Path) -> None:
    torch.save({"epoch": 3}, tmp_path / "weights.pth")
    refused(tmp_path / "weights.pth", "holds no tensors")
