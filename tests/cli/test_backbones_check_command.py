"""`faunashot backbones check`: what a declared backbone gives, and what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("onnx", reason="onnx, which makes the network, is not installed")
pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")

SMALL: dict[str, Any] = {
    "version": "1",
    "licence": "CC0-1.0",
    "citation": "Nobody. 2026.",
    "trained_on": "nothing",
    "runtime": "onnx",
    "weights": {"file": "small.onnx"},
    "sample_rate": 16_000,
    "window_s": 1.0,
    "hop_s": 0.5,
    "outputs": {"embedding": {"name": "embedding", "dim": 32}},
    "batch_size": 4,
}
CLASSES = {"name": "scores", "dim": 5, "labels": "names.txt"}


@pytest.fixture
def made(faunashot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Write a network and its declaration, and check it."""
    from onnx_network import write_network

    from faunashot.backbones._declared import check

    monkeypatch.setattr(check, "MEASURED_S", 0.05)

    def run(*arguments: str, how: dict[str, Any] | None = None, **changed: Any) -> Any:
        write_network(tmp_path / "small.onnx", **(how or {}))
        (tmp_path / "names.txt").write_text("owl\nwren\nfrog\nfox\ntit\n")
        (tmp_path / "small.yaml").write_text(yaml.safe_dump(SMALL | changed, sort_keys=False))
        return faunashot("backbones", "check", "small.yaml", *arguments)

    return run


def test_it_says_what_a_backbone_gives(made) -> None:
    done = made("--json", classes=CLASSES)
    assert (done.code, done.err) == (0, "")
    (found,) = json.loads(done.out)
    assert found["rate"] == "16000 Hz"
    assert found["window"] == "1 s, every 0.5 s"
    assert found["input"] == "audio (any, 16000)"
    assert (found["layer embedding"], found["layer logits"]) == (
        "32 numbers a window",
        "5 numbers a window",
    )
    assert (found["deterministic"], found["batch-invariant"]) == ("yes", "yes")
    assert found["classes"] == "5 of names.txt"
    assert float(found["windows a second"]) > 0
    assert found["remarks"] == []


def test_it_is_a_table_for_a_person(made) -> None:
    done = made()
    assert done.code == 0
    for expected in ("small.yaml", "16000 Hz", "32 numbers a window", "windows a second"):
        assert expected in done.out


@pytest.mark.parametrize(
    ("how", "name", "value", "remark"),
    [
        ({"batch": 1}, "batch-invariant", "yes", "it takes one window at a time, and is run"),
        ({"batch": 4}, "batch-invariant", "yes", "it takes 4 windows at a time"),
        ({"fault": "random"}, "deterministic", "no", "embedding is not deterministic: the same"),
        ({"fault": "beside"}, "batch-invariant", "no", "depends on the windows beside it"),
    ],
)
def test_what_a_user_should_know_is_said(made, how, name: str, value: str, remark: str) -> None:
    done = made("--json", how=how)
    assert done.code == 0
    (found,) = json.loads(done.out)
    assert found[name] == value
    (said,) = found["remarks"]
    assert remark in said
    assert remark in " ".join(made(how=how).out.split())


@pytest.mark.parametrize(
    ("how", "changed", "message"),
    [
        (
            {},
            {"outputs": {"embedding": {"name": "embeddings", "dim": 32}}},
            "outputs.embedding.name: unknown value 'embeddings'; did you mean 'embedding'?",
        ),
        ({}, {"sample_rate": 32_000, "window_s": 1.0}, "and audio (any, 16000) takes 16000"),
        ({}, {"classes": CLASSES | {"dim": 6}}, "classes.dim: 6, and the network gives scores"),
        (
            {},
            {"classes": CLASSES | {"labels": "audioset"}},
            "classes.labels: audioset lists 527 names, and classes.dim is 5",
        ),
        ({"fault": "custom"}, {}, "an operator that ONNX Runtime has not, org.nobody"),
        ({"fault": "nan"}, {}, "embedding of silence is not finite"),
        ({}, {"weights": {"file": "smal.onnx"}}, "smal.onnx is not here: put it into the folder"),
        ({}, {"hop": 0.5}, "unknown key 'hop'; did you mean 'hop_s'"),
    ],
)
def test_what_is_wrong_is_one_line(made, how, changed, message: str) -> None:
    done = made(how=how, **changed)
    assert (done.code, done.out) == (1, "")
    assert message in done.err
    assert done.err.startswith("faunashot: ")
    assert done.err.count("\n") == 1
    assert json.loads(made("--json", how=how, **changed).out).keys() == {"error"}


def test_a_file_that_is_not_there_is_named(faunashot) -> None:
    done = faunashot("backbones", "check", "none.yaml")
    assert done.code == 1
    assert done.err == "faunashot: none.yaml: No such file or directory\n"


def test_the_list_has_those_of_the_project(faunashot, tmp_path: Path) -> None:
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / "small.yaml").write_text(yaml.safe_dump(SMALL, sort_keys=False))
    rows = {row["name"]: row for row in json.loads(faunashot("backbones", "--json").out)}
    assert rows["small"]["layers"] == {"embedding": 32}
    assert {"perch_2", "yamnet"} <= rows.keys()
