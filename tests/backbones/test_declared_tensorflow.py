"""Declared networks that LiteRT and TensorFlow run, made here with TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from embedding import embed_windows

from faunashot.backbones.base import load
from faunashot.errors import ParameterError, WeightsError
from faunashot.native import quiet_native
from faunashot.runtimes.keras_network import settle_tensorflow

pytestmark = pytest.mark.slow

SAMPLES, FRAME, DIM = 1_600, 160, 8
KERNEL = np.random.default_rng(5).normal(size=(FRAME, DIM)).astype(np.float32) / FRAME**0.5
ROWS = np.random.default_rng(3).normal(0, 0.1, (5, SAMPLES)).astype(np.float32)
EXPECTED = np.abs(ROWS.reshape(5, -1, FRAME) @ KERNEL).mean(axis=1)

BLOCK: dict[str, Any] = {
    "version": "1",
    "licence": "CC0-1.0",
    "citation": "Nobody. 2026.",
    "trained_on": "nothing",
    "sample_rate": 16_000,
    "window_s": 0.1,
}
EMBEDDING = {"embedding": {"name": "embedding", "dim": DIM}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a SavedModel, and LiteRT models that take any number of windows, and one."""
    settle_tensorflow()
    folder = tmp_path_factory.mktemp("tensorflow")
    with quiet_native():
        import tensorflow as tf

        class Net(tf.Module):
            """From samples to frames and their mean."""

            def __init__(self) -> None:
                super().__init__()
                self.kernel = tf.Variable(KERNEL)

            def frames(self, audio: Any) -> Any:
                framed = tf.reshape(audio, (-1, SAMPLES // FRAME, FRAME))
                return tf.abs(tf.einsum("ntf,fd->ntd", framed, self.kernel))

            @tf.function(input_signature=[tf.TensorSpec((None, SAMPLES), name="audio")])
            def serve(self, audio: Any) -> Any:
                frames = self.frames(audio)
                return {"frames": frames, "embedding": tf.reduce_mean(frames, 1)}

            @tf.function(input_signature=[tf.TensorSpec((None, SAMPLES), name="audio")])
            def infer(self, audio: Any) -> Any:
                frames = self.frames(audio)
                return frames, tf.reduce_mean(frames, 1)

            @tf.function(input_signature=[tf.TensorSpec((None,), name="waveform")])
            def __call__(self, waveform: Any) -> Any:
                return self.frames(waveform[None])[0]

        net = Net()
        tf.saved_model.save(net, str(folder / "net"), signatures=net.serve)
        single = tf.TensorSpec((1, SAMPLES), name="audio")
        one = tf.function(lambda audio: net.serve(audio)).get_concrete_function(single)
        for name, concrete in {"any": net.serve.get_concrete_function(), "one": one}.items():
            converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], net)
            (folder / f"{name}.tflite").write_bytes(converter.convert())
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / "net"))
        (folder / "signed.tflite").write_bytes(converter.convert())
    return folder


@pytest.fixture(autouse=True)
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAUNASHOT_BACKBONES", str(made))
    return made


def declare(folder: Path, **changed: Any) -> None:
    (folder / "small.yaml").write_text(yaml.safe_dump(BLOCK | changed, sort_keys=False))


def assert_embeds(**options: Any) -> None:
    got = embed_windows(load("small", **options), ROWS)
    np.testing.assert_allclose(got, EXPECTED, rtol=0, atol=1e-5)


class TestLiteRt:
    """A `.tflite` file."""

    @pytest.mark.parametrize("name", ["any", "one"])
    def test_it_embeds_as_the_network_does(self, folder: Path, name: str) -> None:
        from faunashot.runtimes.litert_graph import LiteRtGraph

        graph = LiteRtGraph(folder / f"{name}.tflite")
        assert graph.inputs[0].shape == (None if name == "any" else 1, SAMPLES)
        output = next(port.name for port in graph.outputs if len(port.shape or ()) == 2)
        outputs = {"embedding": {"name": output, "dim": DIM}}
        declare(folder, runtime="litert", weights={"file": f"{name}.tflite"}, outputs=outputs)
        assert_embeds()

    def test_outputs_have_the_names_of_the_signature(self, folder: Path) -> None:
        declare(folder, runtime="litert", weights={"file": "signed.tflite"}, outputs=EMBEDDING)
        assert_embeds()
        frames = {"mean": {"name": "frames", "dim": DIM, "pooling": "mean"}}
        declare(folder, runtime="litert", weights={"file": "signed.tflite"}, outputs=frames)
        assert_embeds()

    @pytest.mark.parametrize("content", [b"no model" * 100, b"TFL3"])
    def test_a_damaged_file_is_refused(self, folder: Path, content: bytes) -> None:
        (folder / "torn.tflite").write_bytes(content)
        declare(folder, runtime="litert", weights={"file": "torn.tflite"}, outputs=EMBEDDING)
        with pytest.raises(WeightsError, match=r"small\.yaml: torn\.tflite cannot be loaded") as e:
            assert_embeds()
        assert "\n" not in str(e.value)


class TestSavedModel:
    """A folder as TF Hub and Kaggle give it."""

    def declare(self, folder: Path, **changed: Any) -> None:
        given = {"runtime": "saved_model", "weights": {"handle": "net"}, "outputs": EMBEDDING}
        declare(folder, **(given | changed))

    def test_a_signature_is_run(self, folder: Path) -> None:
        self.declare(folder)
        assert_embeds()
        assert_embeds(weights=str(folder / "net"))

    def test_a_function_of_it_is_run(self, folder: Path) -> None:
        self.declare(folder, signature="infer", outputs={"embedding": {"name": "1", "dim": DIM}})
        assert_embeds()

    def test_one_that_takes_a_waveform_is_run_window_by_window(self, folder: Path) -> None:
        pooled = {"embedding": {"dim": DIM, "pooling": "mean"}}
        self.declare(folder, signature="__call__", input={"layout": "T"}, outputs=pooled)
        assert_embeds()

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"signature": "infr"}, "signature: unknown value 'infr'; did you mean 'infer'"),
            (
                {"outputs": {"a": {"name": "embeding", "dim": DIM}}},
                r"outputs\.a\.name: .*did you mean 'embedding'",
            ),
            ({"sample_rate": 8_000}, "takes 1600: 16000 Hz, or 0.2 s"),
            ({"weights": {"handle": "nothing"}}, "nothing is not a folder with a saved_model.pb"),
        ],
    )
    def test_another_network_is_refused(self, folder: Path, changed, message: str) -> None:
        self.declare(folder, **changed)
        with pytest.raises((ParameterError, WeightsError), match=message) as caught:
            assert_embeds()
        assert "\n" not in str(caught.value)

    def test_each_operation_runs_on_one_thread(self, folder: Path) -> None:
        code = (
            "import sys; from pathlib import Path; import faunashot.runtimes.saved_model as of;"
            "of.SavedModelGraph(Path(sys.argv[1]), signature='infer');"
            "import tensorflow as tf; print(tf.config.threading.get_intra_op_parallelism_threads())"
        )
        command = [sys.executable, "-c", code, str(folder / "net")]
        assert subprocess.run(command, capture_output=True, text=True).stdout == "1\n"

    def test_a_torn_one_is_refused(self, folder: Path) -> None:
        (folder / "torn").mkdir(exist_ok=True)
        (folder / "torn" / "saved_model.pb").write_bytes(b"no model")
        self.declare(folder, weights={"handle": "torn"})
        with pytest.raises(WeightsError, match=r"small\.yaml: torn cannot be loaded"):
            assert_embeds()


@pytest.mark.shared
def test_yamnet_of_tf_hub_gives_what_ours_does(folder: Path, tfhub: Path, yamnet: Any) -> None:
    whole = {"embedding": {"name": "1", "dim": 1024, "pooling": "mean"}}
    declare(
        folder,
        runtime="saved_model",
        weights={"handle": "https://tfhub.dev/google/yamnet/1"},
        signature="__call__",
        window_s=0.975,
        hop_s=0.48,
        input={"layout": "T"},
        outputs=whole,
    )
    rows = np.random.default_rng(4).normal(0, 0.1, (3, 15_600)).astype(np.float32)
    ours = embed_windows(load("small"), rows)
    np.testing.assert_allclose(ours, embed_windows(yamnet, rows), rtol=0, atol=1e-4)
