"""A trained system as one file: what it answers, what it says of itself, and what is refused."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from exported_system import CLASSES, recordings, small_system

from faunashot.errors import ParameterError, WeightsError
from faunashot.export.export import export
from faunashot.export.formats import MODEL_FORMATS
from faunashot.recogniser import Recogniser
from faunashot.runtimes import litert_files, parts
from faunashot.systems.record import BackboneRecord, UnknownThreshold

FILES = {"litert": "owls.tflite", "onnx": "owls.onnx"}


@pytest.fixture(scope="module")
def system() -> Recogniser:
    return small_system()


@pytest.mark.parametrize("name", FILES)
def test_a_file_answers_as_its_system(name, system, tmp_path: Path) -> None:
    clips = recordings(tmp_path)
    out = tmp_path / FILES[name]
    done = export(system, out, format_name=name, test=clips)
    measured = done.measured
    assert measured is not None
    assert measured.windows == 4
    assert measured.learned_from == 1
    assert measured.largest_difference < 1e-4
    assert measured.same_label == 1
    assert measured.accuracy["file"] == measured.accuracy["model"]
    assert done.size == out.stat().st_size
    side = json.loads((tmp_path / "owls.json").read_text())
    assert side["classes"] == CLASSES
    assert side["temperature"] == 0.5
    assert side["input"]["sample_rate_hz"] == 16_000
    assert side["backbone"]["weights_hash"] == system.record.backbones[0].weights_hash
    card = (tmp_path / "owls.md").read_text()
    assert "mean_probability" in card
    assert "| macro-F1 |" in card
    assert f"{measured.ms_per_window:.2f} ms of one thread" in card


def test_a_litert_file_carries_labels_and_facts(system, tmp_path: Path) -> None:
    out = tmp_path / FILES["litert"]
    export(system, out, format_name="litert")
    with zipfile.ZipFile(out) as archive:  # as TensorFlow Lite's metadata has it
        assert archive.read("labels.txt").decode().split() == CLASSES
        assert json.loads(archive.read("faunashot.json"))["corpus"] == "made up"
    model = litert_files.unpacked(out.read_bytes())
    (entry,) = model.metadata
    assert entry.name == b"TFLITE_METADATA"
    assert bytes(model.buffers[entry.buffer].data)[4:8] == b"M001"
    (signature,) = model.signatureDefs
    assert [signature.inputs[0].name, signature.outputs[0].name] == [b"waveform", b"probabilities"]


def test_an_onnx_file_carries_labels_and_facts(system, tmp_path: Path) -> None:
    import onnx

    out = tmp_path / FILES["onnx"]
    export(system, out, format_name="onnx")
    model = onnx.load(out)
    onnx.checker.check_model(model)
    facts = {prop.key: prop.value for prop in model.metadata_props}
    assert json.loads(facts["classes"]) == CLASSES
    assert json.loads(facts["input"])["samples"] == 256_512
    assert [model.graph.input[0].name, model.graph.output[0].name] == ["waveform", "probabilities"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(("precision", "share", "off"), [("float16", 0.6, 2e-3), ("int8", 0.4, 1)])
def test_fewer_bits_make_a_smaller_file(name, precision, share, off, system, tmp_path) -> None:
    clips = recordings(tmp_path, n=6)
    whole = export(system, tmp_path / f"w{FILES[name]}", format_name=name)
    out = tmp_path / FILES[name]
    done = export(
        system, out, format_name=name, precision=precision, calibration=clips, test=clips[:2]
    )
    front_end = 4_500_000  # stays as it is
    assert done.size - front_end < share * (whole.size - front_end) + 1_000_000
    assert done.measured is not None
    assert done.measured.largest_difference < off


def test_integers_need_recordings(system, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="int8 needs recordings"):
        export(system, tmp_path / "owls.tflite", format_name="litert", precision="int8")
    assert not list(tmp_path.iterdir())


def test_what_does_not_fit_is_one_line(system, tmp_path: Path, monkeypatch) -> None:
    def refused(match: str, *, out: str = "owls.tflite", **asked: str) -> None:
        asked = {"format_name": "litert", **asked}
        with pytest.raises((ParameterError, WeightsError), match=match) as caught:
            export(system, tmp_path / out, **asked)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)
        assert not list(tmp_path.iterdir())

    refused("unknown value 'litrt'; did you mean 'litert'", format_name="litrt")
    refused("unknown value 'int4'", precision="int4")
    refused(r"name a file that ends in \.onnx", format_name="onnx")
    refused("144000 samples at 48000 Hz, this system reads", format_name="birdnet_analyzer")
    monkeypatch.setitem(__import__("sys").modules, "tf2onnx", None)
    refused(r"pip install 'faunashot\[export\]'", format_name="onnx", out="owls.onnx")


def test_systems_that_are_no_one_file_say_why(system, tmp_path: Path) -> None:
    def refused(match: str, **changed: object) -> None:
        record = system.record.model_copy(update=changed)
        other = Recogniser(system.estimator, record)
        with pytest.raises(ParameterError, match=match):
            export(other, tmp_path / "owls.tflite", format_name="litert")

    own = system.record.backbones[0]
    refused("joined backbones", backbones=[own, own])
    slowed = own.model_copy(update={"reading": {"channel": "mix", "time_expansion": 10}})
    refused("slowed down", backbones=[slowed])
    assert isinstance(own, BackboneRecord)
    pcen = small_system(pcen=True)
    with pytest.raises(ParameterError, match="PCEN"):
        export(pcen, tmp_path / "owls.tflite", format_name="litert")


def test_what_a_file_leaves_out_is_said(system, tmp_path: Path) -> None:
    from faunashot.export.chain import chain_of
    from faunashot.export.export import facts_of

    threshold = UnknownThreshold(
        threshold=0.1, false_alarm_rate=0.05, recordings=9, background="wind"
    )
    chain = chain_of(system)
    record = system.record.model_copy(update={"unknown": threshold, "shifts": [0.1]})
    changed = Recogniser.__new__(Recogniser)
    changed.__dict__ |= system.__dict__ | {"record": record}
    from dataclasses import replace

    notes = " ".join(
        facts_of(replace(chain, recogniser=changed), format_name="litert", precision="int8")[
            "notes"
        ]
    )
    assert "`unknown`" in notes
    assert "shifted copies" in notes


def test_formats_are_found_by_themselves() -> None:
    assert MODEL_FORMATS.names() == ["birdnet_analyzer", "litert", "onnx"]
    with pytest.raises(ParameterError, match="published as a LiteRT file"):
        parts.LiteRtPart(b"").onnx()


def test_names_of_classes_may_hold_anything(tmp_path: Path) -> None:
    awkward = ["frog, tree", 'the "owl"', "Eule\tä"]
    system = small_system()
    system.estimator.classes_ = np.asarray(awkward)
    record = system.record.model_copy(update={"classes": awkward})
    out = tmp_path / "owls.tflite"
    export(Recogniser(system.estimator, record), out, format_name="litert")
    with zipfile.ZipFile(out) as archive:
        assert archive.read("labels.txt").decode("utf-8").split("\n")[:-1] == awkward
