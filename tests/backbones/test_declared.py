"""Backbones that are declared in YAML: read, registered, and run by ONNX Runtime as they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from embedding import embed_windows

from faunashot.backbones._declared.declaration import read_declaration
from faunashot.backbones._declared.front_end import front_end_of
from faunashot.backbones._declared.sources import OURS, declared_in
from faunashot.backbones.base import BACKBONES, class_scores, load
from faunashot.errors import ParameterError, WeightsError
from faunashot.features.extractors import extractor
from faunashot.features.spec import Derivation
from faunashot.registry import Registry

RNG = np.random.default_rng(3)

LEAST: dict[str, Any] = {
    "version": "1",
    "licence": "CC0-1.0",
    "citation": "Nobody. 2026.",
    "trained_on": "nothing",
    "runtime": "onnx",
    "weights": {"file": "small.onnx"},
    "sample_rate": 16_000,
    "window_s": 1.0,
    "outputs": {"embedding": {"name": "embedding", "dim": 32}},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of declarations."""
    monkeypatch.setenv("FAUNASHOT_BACKBONES", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    return tmp_path / "mine"


@pytest.fixture
def network(folder: Path) -> Callable[..., Path]:
    """Writes a network into the folder."""
    pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
    pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    from onnx_network import write_network

    return lambda **how: write_network(folder / "small.onnx", **how)


def declare(folder: Path, name: str = "small", **changed: Any) -> Path:
    """Write a declaration; None takes a key away."""
    block = {key: value for key, value in (LEAST | changed).items() if value is not None}
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(block, sort_keys=False), "utf-8")
    return file


def windows(n: int, samples: int = 16_000) -> np.ndarray:
    return RNG.normal(0, 0.1, (n, samples)).astype(np.float32)


class TestDeclaration:
    """What a file may say."""

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"windows_s": 1.0}, "unknown key 'windows_s'; did you mean 'window_s'"),
            ({"weights": {"fil": "a"}}, "unknown key 'weights.fil'; did you mean 'weights.file'"),
            (
                {"outputs": {"embedding": {"nam": "x", "dim": 3}}},
                "unknown key 'outputs.embedding.nam'; did you mean 'outputs.embedding.name'",
            ),
            ({"licence": None}, "missing key 'licence'"),
            ({"trained_on": ""}, "trained_on: "),
            ({"sample_rate": "fast"}, "sample_rate: "),
            ({"runtime": "onx"}, "runtime: .*got 'onx'"),
            ({"weights": {"handle": "a/b"}}, "weights: the runtime onnx needs `file` alone"),
            ({"runtime": "transformers"}, "the runtime transformers needs `handle` alone"),
            ({"outputs": {}}, "outputs: "),
            ({"outputs": {"logits": {"name": "x", "dim": 3}}}, "logits and front_end are names"),
            ({"window_s": 0.00001}, "window_s: .* is no whole number"),
            ({"hop_s": 2.0}, "hop_s: 2.0 is longer than a window, 1.0 s"),
            ({"weights": {"file": "a", "checksum": "sha256:12"}}, "weights.checksum: "),
            ({"input": {"layout": "TN"}}, "input.layout: .*got 'TN'"),
            ({"padding": "mirror"}, "padding: .*got 'mirror'"),
            (
                {"text": {"model_class": "A", "name": "b", "scale": 1}},
                "text: the runtime onnx runs one tower",
            ),
            ({"text": {"nam": "b"}}, "unknown key 'text.nam'; did you mean 'text.name'"),
        ],
    )
    def test_what_is_wrong_is_said_in_a_line(self, folder: Path, changed, message: str) -> None:
        with pytest.raises(ParameterError, match=message) as caught:
            read_declaration(declare(folder, **changed))
        assert str(caught.value).startswith("small.yaml: ")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("text", ["a: [", "- a\n- b", "\x00"])
    def test_other_files_are_refused(self, folder: Path, text: str) -> None:
        file = folder / "small.yaml"
        file.write_text(text)
        with pytest.raises(ParameterError, match=re.escape(str(file))) as caught:
            read_declaration(file)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("file", sorted(OURS.glob("*.yaml")), ids=lambda file: file.stem)
    def test_ours_are_whole(self, file: Path) -> None:
        kind = declared_in(file)
        assert kind.declaration.window_samples > 0
        assert kind.card.source.startswith("https://")
        named = kind.declaration.weights
        assert named.url.startswith("https://") or named.handle
        assert kind.Options.read({}, key=file.stem).hop_s <= kind.declaration.window_s


class TestLayers:
    """Several outputs of one run."""

    @pytest.mark.parametrize("batch", ["N", 1, 4])
    def test_layers_take_one_run_and_are_those_of_a_run_each(
        self, folder: Path, network, batch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from faunashot.runtimes.onnx_graph import OnnxGraph

        network(batch=batch)
        outputs = {
            "embedding": {"name": "embedding", "dim": 32},
            "frames": {"name": "frames", "dim": 32, "pooling": "mean"},
            "all": {"name": "frames", "dim": 3200, "pooling": "none"},
        }
        kind = declared_in(declare(folder, outputs=outputs))
        backbone = kind(hop_s=1.0)
        asked: list[tuple[str, ...]] = []
        run = OnnxGraph.__call__

        def noted(self, inputs, *, source, outputs):
            asked.append(tuple(outputs))
            return run(self, inputs, source=source, outputs=outputs)

        monkeypatch.setattr(OnnxGraph, "__call__", noted)
        rows = windows(3)
        together = backbone.embed_layers(rows, layers=["frames", "all", "embedding"])
        assert {*asked} == {("frames", "embedding")}
        alone = [backbone.embed(rows, layer=layer) for layer in ("frames", "all", "embedding")]
        np.testing.assert_array_equal(together, np.hstack(alone))


class TestNormalisation:
    """Windows of samples as a network takes them."""

    def made(self, folder: Path, **changed: Any) -> Callable[[np.ndarray], np.ndarray]:
        return front_end_of(read_declaration(declare(folder, **changed)))(hop_s=1.0)

    def test_samples_stay_as_they_are(self, folder: Path) -> None:
        rows = windows(2)
        np.testing.assert_array_equal(self.made(folder)(rows.reshape(-1)), rows)

    def test_the_peak_of_each_window_is_set(self, folder: Path) -> None:
        rows = windows(3) + np.float32(0.2)
        rows[2] = 0
        got = self.made(folder, normalisation="peak", peak=0.25, remove_mean=True)(rows.reshape(-1))
        np.testing.assert_allclose(np.abs(got[:2]).max(axis=1), 0.25, rtol=1e-6)
        np.testing.assert_allclose(got[:2].mean(axis=1), 0, atol=1e-6)
        assert (got[2] == 0).all()

    def test_full_scale_is_that_of_16_bits(self, folder: Path) -> None:
        rows = windows(1)
        got = self.made(folder, normalisation="int16")(rows[0])
        np.testing.assert_array_equal(got, rows * 32_768)

    @pytest.mark.parametrize("samples", [0, 1, 5_000, 8_000, 8_001, 16_000, 21_000])
    def test_an_end_is_repeated_as_often_as_it_fits(self, folder: Path, samples: int) -> None:
        whole = windows(1, 32_000)[0, :samples]
        got = self.made(folder, padding="repeat")(whole)
        *before, last = np.split(whole, [16_000]) if samples > 16_000 else [whole]
        times = 16_000 // max(len(last), 1)
        expected = np.tile(last, times)
        np.testing.assert_array_equal(got[-1, : len(expected)], expected)
        assert not got[-1, len(expected) :].any()
        np.testing.assert_array_equal(got[:-1], np.reshape(before, (-1, 16_000)))

    def test_settings_tell_front_ends_apart(self, folder: Path) -> None:
        hashes = {
            self.made(folder, **changed).settings_hash  # type: ignore[attr-defined]
            for changed in ({}, {"normalisation": "int16"}, {"sample_rate": 8_000}, {"peak": 0.5})
        } | {self.made(folder, padding="repeat").settings_hash}  # type: ignore[attr-defined]
        assert len(hashes) == 5


class TestRegistry:
    """Where declarations are found."""

    def test_a_file_is_a_backbone_of_its_name(self, folder: Path) -> None:
        assert "small" not in BACKBONES
        declare(folder)
        assert "small" in BACKBONES
        assert BACKBONES["small"].card.licence == "CC0-1.0"
        assert BACKBONES["small"] is BACKBONES["small"]
        assert BACKBONES["small"].layers == {"embedding": 32}

    def test_a_project_has_a_folder_of_its_own(self, folder: Path) -> None:
        (folder.parent / "backbones").mkdir()
        declare(folder.parent / "backbones", "wren")
        assert BACKBONES["wren"].card.name == "wren"
        assert BACKBONES.giver_of("wren") == "backbones/wren.yaml"

    def test_a_changed_file_is_read_anew(self, folder: Path) -> None:
        declare(folder)
        before = BACKBONES["small"]
        declare(folder, version="1.5", hop_s=0.5)
        assert before.card.version == "1"
        assert BACKBONES["small"].card.version == "1.5"

    def test_a_name_given_twice_is_refused(self, folder: Path) -> None:
        file = declare(folder, "yamnet")
        with pytest.raises(ParameterError) as caught:
            BACKBONES["yamnet"]
        said = f"backbone 'yamnet' is given by faunashot and by {file}: rename or remove one"
        assert str(caught.value) == said
        file.rename(folder / "perch_2.yml")
        with pytest.raises(ParameterError, match="'perch_2' is given by faunashot and by"):
            BACKBONES["perch_2"]

    def test_another_package_declares_one(self, tmp_path: Path, monkeypatch) -> None:
        park = tmp_path / "park"
        info = tmp_path / "park-1.dist-info"
        for made in (park, info):
            made.mkdir()
        declare(park, "robin")
        (park / "__init__.py").write_text(
            "from pathlib import Path\n"
            "from faunashot.backbones._declared.model import backbone_of\n"
            "Robin = backbone_of(Path(__file__).with_name('robin.yaml'))\n"
        )
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: park\nVersion: 1\n")
        entry = "[faunashot.backbones]\nrobin = park:Robin\n"
        (info / "entry_points.txt").write_text(entry)
        monkeypatch.syspath_prepend(tmp_path)
        fresh: Registry[Any] = Registry("backbone", BACKBONES.package, contract=BACKBONES.contract)
        assert fresh["robin"].card.name == "robin"
        assert fresh.package_of("robin") == "park"

    def test_a_name_that_is_none_is_refused(self, folder: Path) -> None:
        declare(folder, "my net")
        with pytest.raises(ParameterError, match="call it after the backbone"):
            BACKBONES["my net"]

    def test_a_torn_file_is_told_and_the_others_go_on(self, folder: Path, capsys) -> None:
        declare(folder, "torn", licence=None)
        declare(folder, "whole")
        assert {"whole", "yamnet"} <= BACKBONES.classes().keys()
        assert "torn.yaml: missing key 'licence'" in capsys.readouterr().err

    def test_nothing_is_loaded_for_the_list(self, folder: Path) -> None:
        declare(folder)  # there is no small.onnx
        assert BACKBONES["small"].card.packages == ("onnxruntime",)

    def test_an_option_is_refused_with_the_nearest(self, folder: Path) -> None:
        declare(folder)
        with pytest.raises(ParameterError, match=r"'backbones\.small\.hop'; did you mean"):
            load("small", hop=0.5)
        with pytest.raises(ParameterError, match=r"backbones\.small\.hop_s: "):
            load("small", hop_s=1.5)


class TestOnnx:
    """An ONNX file that is run as it is."""

    @pytest.mark.parametrize("how", [{}, {"batch": 1}, {"batch": 4}, {"channel": True}])
    def test_it_embeds_as_the_network_does(self, folder: Path, network, how) -> None:
        from onnx_network import embedded

        network(**how)
        declare(folder, input={"layout": "NCT" if how.get("channel") else "NT"})
        rows = windows(6)
        got = embed_windows(load("small"), rows)
        assert (got.dtype, got.shape) == (np.float32, (6, 32))
        np.testing.assert_allclose(got, embedded(rows), rtol=0, atol=1e-5)

    @pytest.mark.parametrize(
        ("there", "asked"),
        [
            (["Tensorrt", "CUDA", "CPU"], ["CUDA", "CPU"]),
            (["Azure", "CPU"], ["CPU"]),
        ],
    )
    def test_a_gpu_is_taken_before_processors(
        self, folder: Path, network, monkeypatch, there: list[str], asked: list[str]
    ) -> None:
        import onnxruntime

        made = onnxruntime.InferenceSession
        seen = []

        def session(file: str, options: object, *, providers: list[str]) -> object:
            seen.append(providers)
            return made(file, options, providers=["CPUExecutionProvider"])

        names = [f"{name}ExecutionProvider" for name in there]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
        monkeypatch.setattr(onnxruntime, "InferenceSession", session)
        network()
        declare(folder)
        embed_windows(load("small"), windows(2))
        assert seen == [[f"{name}ExecutionProvider" for name in asked]]

    def test_frames_are_pooled(self, folder: Path, network) -> None:
        from onnx_network import embedded

        network()
        frames = {"name": "frames", "dim": 32, "pooling": "mean"}
        declare(folder, outputs={"mean": frames})
        rows = windows(3)
        np.testing.assert_allclose(embed_windows(load("small"), rows), embedded(rows), atol=1e-5)
        declare(folder, outputs={"all": frames | {"dim": 3200, "pooling": "none"}})
        assert embed_windows(load("small"), rows).shape == (3, 3200)

    def test_it_has_the_layers_and_classes_that_are_declared(self, folder: Path, network) -> None:
        network()
        classes = {"name": "scores", "dim": 5, "labels": "names.txt"}
        (folder / "names.txt").write_text("owl\nwren\nfrog\nfox\ntit\n")
        declare(folder, classes=classes)
        made: Any = load("small")
        assert made.layers == {"embedding": 32, "logits": 5}
        assert made.class_list.names == ("owl", "wren", "frog", "fox", "tit")
        assert (made.class_list.vocabulary, made.class_layer) == ("small", "logits")
        logits = embed_windows(extractor("small", layer="logits"), windows(2))
        scores = class_scores(made, logits)
        np.testing.assert_allclose(scores, 1 / (1 + np.exp(-logits)), rtol=1e-5)
        with pytest.raises(ParameterError, match="its layer logits: set layer=logits"):
            class_scores(made, embed_windows(made, windows(2)))

    def test_names_of_classes_come_from_a_column(self, folder: Path, network) -> None:
        network()
        (folder / "names.csv").write_text("code,name\n" + "".join(f"{i},n{i}\n" for i in range(5)))
        classes = {"name": "scores", "dim": 5, "labels": "names.csv", "column": "name"}
        declare(folder, classes=classes)
        made: Any = load("small")
        assert made.class_list.names == ("n0", "n1", "n2", "n3", "n4")
        declare(folder, classes=classes | {"column": "nam"})
        again: Any = load("small")
        with pytest.raises(ParameterError, match=r"classes\.column: .*did you mean 'name'"):
            _ = again.class_list

    def test_the_hash_covers_weights_and_declaration(self, folder: Path, network) -> None:
        network()
        declare(folder)
        hashes = [load("small").weights_hash]
        assert load("small", hop_s=0.5).weights_hash == hashes[0]
        declare(folder, outputs={"embedding": {"name": "frames", "dim": 32, "pooling": "mean"}})
        hashes.append(load("small").weights_hash)
        network(batch=1)
        hashes.append(load("small").weights_hash)
        (folder / "small.onnx.data").write_bytes(b"large weights")
        hashes.append(load("small").weights_hash)
        assert len(set(hashes)) == 4
        assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in hashes)

    def test_features_are_told_apart_by_all_that_they_depend_on(
        self, folder: Path, network
    ) -> None:
        network(samples=16_000)
        frames = {"name": "frames", "dim": 32, "pooling": "mean"}
        changes: list[dict[str, Any]] = [
            {},
            {"outputs": {"embedding": frames}},
            {"normalisation": "int16"},
            {"normalisation": "peak"},
            {"normalisation": "peak", "peak": 0.25},
            {"remove_mean": True},
            {"sample_rate": 8_000, "window_s": 2.0},
            {"hop_s": 0.5},
            {"input": {"layout": "NCT"}},
            {"version": "2"},
        ]
        keys = [self._key(folder, **changed) for changed in changes]
        assert len(set(keys)) == len(changes)
        same = {"licence": "MIT", "trained_on": "owls", "batch_size": 2, "parameters": 7}
        assert self._key(folder, **same) == keys[0]

    def _key(self, folder: Path, **changed: Any) -> str:
        declare(folder, **changed)
        return Derivation.of(extractor("small"), None).key

    def test_one_serves_several_threads(self, folder: Path, network) -> None:
        network()
        declare(folder)
        made = load("small")
        rows = windows(2)
        expected = made.embed(rows, layer="embedding")
        with ThreadPoolExecutor(4) as pool:
            for got in pool.map(lambda _: made.embed(rows, layer="embedding"), range(20)):
                np.testing.assert_array_equal(got, expected)

    def test_other_weights_take_their_place(self, folder: Path, network, tmp_path: Path) -> None:
        network()
        other = (folder / "small.onnx").rename(tmp_path / "other.onnx")
        declare(folder)
        assert embed_windows(load("small", weights=str(other)), windows(1)).shape == (1, 32)
        with pytest.raises(WeightsError, match="weights: nowhere is not there"):
            load("small", weights="nowhere")

    @pytest.mark.parametrize(
        ("how", "changed", "message"),
        [
            ({}, {"outputs": {"a": {"name": "embeding", "dim": 32}}}, "did you mean 'embedding'"),
            ({}, {"outputs": {"a": {"dim": 32}}}, "outputs.a.name: name one of frames, embedding"),
            ({}, {"outputs": {"a": {"name": "embedding", "dim": 33}}}, "outputs.a.dim: 33, and "),
            (
                {},
                {"outputs": {"a": {"name": "frames", "dim": 32}}},
                r"gives \(2, 100, 32\) of 2 windows; set pooling: mean",
            ),
            ({}, {"sample_rate": 8_000}, "takes 16000: 16000 Hz, or 2 s"),
            ({}, {"input": {"name": "audi"}}, "input.name: .*did you mean 'audio'"),
            ({"channel": True}, {}, "input.layout: NT does not fit audio .*: layout NCT or NTC"),
            ({"fault": "custom"}, {}, "an operator that ONNX Runtime has not, org.nobody.*Whisker"),
            (
                {},
                {"classes": {"name": "scores", "dim": 4, "labels": "audioset"}},
                "classes.dim: 4, and the network gives scores",
            ),
        ],
    )
    def test_another_network_is_refused_in_a_line(
        self, folder: Path, network, how, changed, message: str
    ) -> None:
        network(**how)
        declare(folder, **changed)
        with pytest.raises((ParameterError, WeightsError), match=message) as caught:
            embed_windows(load("small"), windows(2))
        assert str(caught.value).startswith("small.yaml: ")
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("content", [b"", b"no model" * 100])
    def test_a_damaged_file_is_refused(self, folder: Path, network, content: bytes) -> None:
        network()
        declare(folder)
        (folder / "small.onnx").write_bytes(content)
        with pytest.raises(WeightsError, match=r"small\.onnx (is empty|cannot be loaded)"):
            embed_windows(load("small"), windows(1))

    @pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
    def test_a_truncated_file_is_refused(self, folder: Path, network, share: float) -> None:
        file = network()
        declare(folder)
        whole = file.read_bytes()
        file.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(WeightsError, match=r"small\.onnx cannot be loaded") as caught:
            embed_windows(load("small"), windows(1))
        assert "\n" not in str(caught.value)

    def test_a_checksum_is_verified(self, folder: Path, network) -> None:
        file = network()
        right = hashlib.sha256(file.read_bytes()).hexdigest()
        declare(folder, weights={"file": "small.onnx", "checksum": f"sha256:{right}"})
        assert load("small").weights_hash
        declare(folder, weights={"file": "small.onnx", "checksum": f"md5:{'0' * 32}"})
        with pytest.raises(WeightsError, match="has not the checksum that is declared, md5:000"):
            load("small")

    def test_weights_that_will_not_come_are_missed_first(self, folder: Path, network) -> None:
        declare(folder)
        with pytest.raises(WeightsError, match=r"small\.onnx is not here: put it into the folder"):
            BACKBONES["small"].weights_here()
        declare(folder, weights={"file": "small.onnx", "url": "https://example.org/small.onnx"})
        assert BACKBONES["small"].weights_here() is None
        network()
        assert BACKBONES["small"].weights_here() == folder / "small.onnx"
