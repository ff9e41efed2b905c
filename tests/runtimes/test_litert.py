"""Networks through LiteRT: converted once, checked, the same from any thread."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from faunashot.backbones.base import load
from faunashot.backbones.yamnet.model import REST
from faunashot.errors import ParameterError, WeightsError
from faunashot.runtimes.converted import converted
from faunashot.runtimes.litert import on_gpu


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAUNASHOT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _write(folder: Path) -> None:
    (folder / "model").write_text("network")


def _read(folder: Path) -> str:
    content = (folder / "model").read_text()
    if content != "network":
        raise ValueError("torn")
    return content


def test_a_model_is_converted_once(cache: Path, capsys) -> None:
    written = []

    def write(folder: Path) -> None:
        written.append(folder)
        _write(folder)

    for _ in range(3):
        assert converted("tiny", "f" * 64, write=write, read=_read) == "network"
    assert len(written) == 1
    assert capsys.readouterr().err.count("tiny: converting") == 1
    assert converted("tiny", "e" * 64, write=write, read=_read) == "network"  # other weights
    assert len(written) == 2
    assert len(list((cache / "litert").iterdir())) == 2


def test_a_torn_one_is_converted_anew(cache: Path) -> None:
    converted("tiny", "f" * 64, write=_write, read=_read)
    (file,) = cache.rglob("model")
    file.write_text("net")
    assert converted("tiny", "f" * 64, write=_write, read=_read) == "network"
    assert file.read_text() == "network"


def test_one_that_is_not_as_its_source_is_refused(cache: Path) -> None:
    def read(folder: Path) -> None:
        raise WeightsError("tiny: its network is 0.3 off the published model")

    with pytest.raises(WeightsError, match=r"0\.3 off"):
        converted("tiny", "f" * 64, write=_write, read=read)


def test_a_cache_that_cannot_be_written_is_done_without(cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    assert converted("tiny", "f" * 64, write=_write, read=_read) == "network"


def test_the_runtime_is_one_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, gpu in (("litert", False), ("tensorflow", True)):
        monkeypatch.setenv("FAUNASHOT_RUNTIME", name)
        assert on_gpu() is gpu
    monkeypatch.setenv("FAUNASHOT_RUNTIME", "tensorflw")
    with pytest.raises(ParameterError, match="did you mean 'tensorflow'"):
        on_gpu()


@pytest.mark.shared
def test_rows_are_the_same_bits_in_any_batch_and_thread(yamnet, shared: Path) -> None:
    waveform = np.load(shared / "parity" / "inputs.npz")["wav_16000"][0]
    patches = np.concatenate([yamnet.front_end(waveform * level) for level in (0.1, 0.5, 1, 2)])
    expected = yamnet.embed(patches)
    for size in (1, 2, 7, 32):
        batches = [patches[at : at + size] for at in range(0, len(patches), size)]
        with ThreadPoolExecutor(3) as pool:
            np.testing.assert_array_equal(
                np.concatenate(list(pool.map(yamnet.embed, batches))), expected
            )


@pytest.mark.shared
def test_yamnet_needs_no_tensorflow_once_it_is_converted(tfhub: Path, yamnet) -> None:
    code = (
        "import sys; import numpy as np; from faunashot.backbones.base import load;"
        "load('yamnet').embed(np.zeros((1, 96, 64), np.float32));"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.shared
def test_a_converted_model_that_gives_something_else_is_made_anew(
    tfhub: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load("yamnet")._parts()
    (rest,) = cache.rglob(REST)
    parts = dict(np.load(rest))
    np.savez(rest, **{**parts, "kernel": parts["kernel"] + 0.01})
    again = load("yamnet")._parts()
    np.testing.assert_array_equal(again.kernel, first.kernel)
    np.testing.assert_array_equal(np.load(rest)["kernel"], parts["kernel"])


@pytest.mark.shared
def test_on_a_gpu_tensorflow_gives_the_same(
    tfhub: Path, yamnet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAUNASHOT_RUNTIME", "tensorflow")
    other = load("yamnet")
    waveform = np.random.default_rng(3).normal(0, 0.2, 40_000).astype(np.float32)
    patches = yamnet.front_end(waveform)
    np.testing.assert_allclose(other.embed(patches), yamnet.embed(patches), atol=1e-4)
    assert other.weights_hash == yamnet.weights_hash
    assert other.class_list == yamnet.class_list
