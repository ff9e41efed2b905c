"""Several layers of a backbone: one pass over the audio, each layer cached under its own key."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType, SimpleNamespace

import numpy as np
import pytest
import soundfile

from faunashot.backbones.base import BACKBONES, Backbone, FloatArray
from faunashot.errors import ParameterError
from faunashot.features.extract import embed_by_each, embed_recording
from faunashot.features.extractors import Extractor, of_layer
from faunashot.features.jobs import EmbedJob, embed_jobs
from faunashot.features.join import join
from faunashot.features.names import (
    LAYERS,
    FeatureName,
    joined_features,
    layers_named_beside,
    refuse_unknown_layers,
)
from faunashot.features.plan import Recording
from faunashot.features.store import load
from faunashot.frontends.logmel_stats import LogMelStats


class Deep(Backbone):
    """Three layers, of which those of one call are noted together."""

    card = BACKBONES["birdnet"].card
    layers = MappingProxyType({"low": 2, "middle": 3, "high": 4})
    front_end_class = LogMelStats

    def __init__(self) -> None:
        self.front_end, self.weights_hash = LogMelStats(hop_s=0.5), "d" * 64
        self.runs: list[tuple[str, ...]] = []

    def embed(self, inputs: FloatArray, *, layer: str) -> FloatArray:
        return self.embed_layers(inputs, layers=[layer])

    def embed_layers(self, inputs, *, layers):
        self.runs.append(tuple(layers))
        starts = {"low": 0, "middle": 2, "high": 5}
        return np.hstack([inputs[:, starts[n] : starts[n] + self.layers[n]] for n in layers])


@pytest.fixture
def deep() -> Deep:
    return Deep()


@pytest.fixture
def recordings(tmp_path: Path) -> list[Recording]:
    rng = np.random.default_rng(0)
    found = []
    for n in range(3):
        soundfile.write(tmp_path / f"{n}.wav", rng.normal(0, 0.1, 8_000 * (n + 1)), 8_000)
        found.append(Recording(f"c{n}", tmp_path / f"{n}.wav"))
    return found


def embedded(
    recordings: list[Recording], source: Extractor, folder: Path, beside: list[Extractor]
) -> int:
    return embed_jobs([EmbedJob("clips", recordings, folder)], source, beside=beside).embedded


def test_layers_that_are_needed_together_take_one_pass(deep, recordings, tmp_path, monkeypatch):
    monkeypatch.setenv("FAUNASHOT_CACHE", str(tmp_path / "cache"))
    made = [of_layer(deep, name) for name in deep.layers]
    assert embedded(recordings, made[0], tmp_path / "low", made[1:]) > 0
    for at, source in enumerate(made[1:], 1):
        assert embedded(recordings, source, tmp_path / source.layer, made[at + 1 :]) == 0
    assert {*deep.runs} == {("low", "middle", "high")}
    monkeypatch.setenv("FAUNASHOT_CACHE", str(tmp_path / "another"))
    for source in made:  # each by itself: the same bytes
        assert embedded(recordings, source, tmp_path / f"{source.layer}-alone", []) > 0
        alone, together = (tmp_path / f"{source.layer}{end}" for end in ("-alone", ""))
        assert [f.name for f in sorted(alone.iterdir())] == [
            f.name for f in sorted(together.iterdir())
        ]
        np.testing.assert_array_equal(load(alone).windows, load(together).windows)


def test_what_is_cached_of_a_layer_is_not_embedded_again(
    deep, recordings, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("FAUNASHOT_CACHE", str(tmp_path / "cache"))
    low, middle, high = (of_layer(deep, name) for name in deep.layers)
    embedded(recordings, middle, tmp_path / "middle", [])
    embedded(recordings[:2], low, tmp_path / "low", [middle, high])
    assert {*deep.runs} == {("middle",), ("low", "high")}
    deep.runs.clear()
    embedded(recordings, high, tmp_path / "high", [low])  # of the third clip alone
    assert {*deep.runs} == {("high", "low")}
    assert embedded(recordings, low, tmp_path / "low", [high]) == 0


def test_a_cache_that_cannot_be_written_costs_a_pass_and_no_more(
    deep, recordings, tmp_path, monkeypatch
) -> None:
    (tmp_path / "cache").write_text("a file")
    monkeypatch.setenv("FAUNASHOT_CACHE", str(tmp_path / "cache"))
    low, middle, _ = (of_layer(deep, name) for name in deep.layers)
    embedded(recordings, low, tmp_path / "low", [middle])
    assert embedded(recordings, middle, tmp_path / "middle", []) > 0
    assert load(tmp_path / "middle").spec.dim == 3


def test_a_recording_that_is_served_takes_one_pass_and_knows_its_blocks(deep, recordings):
    made = [of_layer(deep, name) for name in ("high", "low")]
    found = join(embed_by_each(recordings[2].path, made))
    assert deep.runs[0] == ("high", "low")
    assert (found.spec.blocks, found.spec.dim) == ((4, 2), 6)
    assert found.spec.layer == "high+low"
    alone = join([embed_recording(recordings[2].path, each) for each in made])
    np.testing.assert_array_equal(found.windows, alone.windows)
    assert found.spec == alone.spec


@pytest.mark.parametrize(
    ("backbone", "layer", "expected"),
    [
        ("net", "default", ["net"]),
        ("net", "low+high", ["net.low", "net.high"]),
        ("net", "net.low+default", ["net.low", "net"]),
        ("yam+net", "default", ["yam", "net"]),
        ("yam+net", "net.low+net.high", ["yam", "net.low", "net.high"]),
        ("yam+net", "net.low+yam.top", ["yam.top", "net.low"]),
    ],
)
def test_layers_are_written_with_a_plus(backbone, layer, expected):
    assert [name.folder for name in joined_features(backbone, layer)] == expected


@pytest.mark.parametrize(
    ("backbone", "layer", "said"),
    [
        ("yam+net", "low", "write it with its backbone, as net.low"),
        ("net", "low+low", "joins a layer with itself"),
    ],
)
def test_layers_that_say_too_little_are_refused(backbone, layer, said):
    with pytest.raises(ParameterError, match=f"(?i){said}"):
        joined_features(backbone, layer)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([("birdnet", "embeding")], "layer of birdnet: unknown value 'embeding'; did you mean"),
        ([("logmel_stats", "low")], "logmel_stats is a front end, which has no layers"),
        ([("birdnet", ""), ("birdnet", "embedding")], "birdnet has embedding twice"),
    ],
)
def test_layers_that_are_not_there_are_refused(names, said):
    with pytest.raises(ParameterError, match=said):
        refuse_unknown_layers([FeatureName(*name) for name in names])


def test_layers_of_a_study_are_read_from_the_variable(monkeypatch):
    assert layers_named_beside("net") == []
    monkeypatch.setenv(LAYERS, "net.low+nets.high+net.default")
    assert layers_named_beside("net") == ["low", ""]


def test_a_stage_embeds_what_a_study_needs_beside_what_it_needs(deep, monkeypatch):
    from faunashot.pipeline import embed as stage

    monkeypatch.setattr(
        stage, "extractors", lambda name, *, layers, **how: [of_layer(deep, n) for n in layers]
    )
    monkeypatch.setenv(LAYERS, "net.high+net.low")
    params = SimpleNamespace(
        features=joined_features("net", "low+middle"), options_of=lambda name: {}, reading=None
    )
    found = [
        (features.layer, source.layer, [each.layer for each in beside])
        for features, source, beside in stage.sources(params)
    ]
    assert found == [("low", "low", ["middle", "high"]), ("middle", "middle", ["high", "low"])]
