"""params.yaml: the committed one is valid, and whatever is wrong is said in one line."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from faunashot.conditions.base import asked_for
from faunashot.errors import ParameterError
from faunashot.params import ABSENT, Params, load_params
from faunashot.protocols.base import protocol_of

COMMITTED = Path(__file__).resolve().parents[1] / "params.yaml"
GONE = object()


@pytest.fixture(scope="module")
def committed() -> Params:
    return load_params(COMMITTED)


@pytest.fixture
def refusal(tmp_path: Path) -> Callable[[str, Any], str]:
    """What is said of the committed file after one change, less the file's name."""

    def change(path: str, value: Any) -> str:
        data = block = copy.deepcopy(yaml.safe_load(COMMITTED.read_text("utf-8")))
        *above, key = path.split(".")
        for name in above:
            block = block[name]
        if value is GONE:
            del block[key]
        else:
            block[key] = value
        file = tmp_path / "params.yaml"
        file.write_text(yaml.safe_dump(data), "utf-8")
        return _refusal_of(file).removeprefix(f"{file}: ")

    return change


def _refusal_of(file: Path) -> str:
    with pytest.raises(ParameterError) as raised:
        load_params(file)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_defaults_are_what_the_project_promises(committed):
    assert (committed.corpus, committed.source) == ("demo", "none")
    assert committed.full_system == "birdnet-rectified"
    assert committed.seed == 42
    assert committed.protocol.name == "few_shot"
    assert committed.protocol.k == 5
    few_shot = committed.protocols["few_shot"]
    assert (few_shot["k_values"], few_shot["episodes"]) == ([1, 2, 5, 10], 20)


def test_the_demo_is_all_that_is_here(committed):
    assert committed.root_of("demo") == Path("data/demo")
    assert committed.root_of("none") == ABSENT


@pytest.mark.parametrize(
    ("protocol", "name"),
    [
        ("few_shot", "demo-birdnet-rectified-few_shot-k5"),
        ("fine_tune", "demo-birdnet-rectified-fine_tune"),
        ("zero_shot", "demo-birdnet-zero_shot"),  # in which no head is used
    ],
)
def test_a_run_is_named_after_what_it_scores(committed, protocol, name):
    block = committed.protocol.model_copy(update={"name": protocol})
    assert committed.model_copy(update={"protocol": block}).run_name == name


def test_options_are_those_of_one_backbone(committed):
    assert committed.options_of("birdnet") == {"hop_s": 3.0}
    assert "handle" in committed.options_of("yamnet")


def test_what_is_left_out_has_its_owners_default(committed):
    bare = committed.model_copy(update={"backbones": {}, "frontends": {}})
    for name in ("birdnet", "yamnet", "logmel_stats", "logmel_frames"):
        assert bare.options_of(name) == committed.options_of(name)


def test_features_are_those_that_the_system_reads(committed):
    def features(**values: str) -> list[str]:
        return [name.folder for name in committed.model_copy(update=values).features]

    assert features() == ["birdnet"]
    assert features(backbone="yamnet+birdnet") == ["yamnet", "birdnet"]
    assert features(layer="embedding") == ["birdnet.embedding"]
    two = features(backbone="whisper_tiny", layer="layer_1+layer_3")
    assert two == ["whisper_tiny.layer_1", "whisper_tiny.layer_3"]
    of_one = features(backbone="yamnet+whisper_tiny", layer="whisper_tiny.layer_1")
    assert of_one == ["yamnet", "whisper_tiny.layer_1"]
    assert features(system="end_to_end", backbone="yamnet") == ["yamnet.front_end"]
    assert features(system="cnn1d", backbone="logmel_frames") == ["logmel_frames"]
    assert features(system="panns-cnn14", backbone="panns_cnn14") == ["panns_cnn14"]
    assert features(system="whisper-finetune", backbone="whisper_tiny") == [
        "whisper_tiny.front_end"
    ]
    assert features(system="audioclip-zero-shot", backbone="audioclip") == ["audioclip"]


def test_a_layer_is_one_of_its_backbone(refusal):
    said = refusal("layer", "embeding")
    assert said == "layer of birdnet: unknown value 'embeding'; did you mean 'embedding'?"
    assert refusal("layer", "embedding+layer_1").startswith(
        "layer of birdnet: unknown value 'layer_1'; "
    )


@pytest.mark.parametrize("network", ["cnn14", "resnet38", "wavegram"])
def test_a_published_system_asks_for_its_backbone(refusal, network):
    said = refusal("system", f"panns-{network}")
    assert said == f"system: panns-{network} is for backbone=panns_{network}, not birdnet"


def test_a_system_of_one_protocol_asks_for_it_and_for_its_backbone(refusal):
    said = refusal("system", "audioclip-zero-shot")
    assert said == (
        "system: audioclip-zero-shot is for backbone=audioclip and protocol.name=zero_shot, "
        "not birdnet and few_shot"
    )


def test_a_system_of_several_backbones_lists_them(refusal):
    said = refusal("system", "whisper-finetune")
    assert said == (
        "system: whisper-finetune is for backbone=whisper_base or whisper_small or whisper_tiny "
        "or whisper_tiny_en, not birdnet"
    )


@pytest.mark.parametrize(
    ("system", "backbone", "name"),
    [
        ("logistic", "yamnet", "yamnet-logistic"),
        ("end_to_end", "yamnet", "yamnet-end_to_end"),
        ("panns-cnn14", "panns_cnn14", "panns-cnn14"),
        ("cnn1d", "logmel_frames", "cnn1d"),
        ("whisper-finetune", "whisper_tiny_en", "whisper_tiny_en-finetune"),
    ],
)
def test_no_name_says_a_backbone_twice(committed, system, backbone, name):
    assert committed.model_copy(update={"system": system, "backbone": backbone}).full_system == name


def test_a_system_of_one_protocol_decides_its_options(committed):
    zero_shot = committed.protocol.model_copy(update={"name": "zero_shot"})
    plain = committed.model_copy(update={"protocol": zero_shot})
    text = plain.model_copy(update={"system": "audioclip-zero-shot", "backbone": "audioclip"})
    assert (plain.zero_shot_mode, plain.scored_system) == ("ontology", "birdnet")
    assert (text.zero_shot_mode, text.scored_system) == ("text", "audioclip-zero-shot")
    assert text.protocol_options["shuffles"] == plain.protocol_options["shuffles"]
    assert protocol_of(text).settings.mode == "text"


def test_backbones_are_joined_by_a_plus(committed):
    assert committed.backbone_names == ["birdnet"]
    joined = committed.model_copy(update={"backbone": "yamnet+birdnet"})
    assert joined.backbone_names == ["yamnet", "birdnet"]
    assert joined.full_system == "yamnet+birdnet-rectified"


def test_a_backbone_is_joined_once(refusal):
    said = refusal("backbone", "yamnet+birdnet+yamnet")
    assert said == "backbone: 'yamnet+birdnet+yamnet' joins a backbone with itself"


@pytest.mark.parametrize(
    ("joined", "unknown"),
    [("yamnet+birdnt", "birdnt"), ("yamnet+", ""), ("yamnet + birdnet", "yamnet ")],
)
def test_each_backbone_of_a_join_is_known(refusal, joined, unknown):
    assert refusal("backbone", joined).startswith(f"backbone: unknown value {unknown!r}; ")


def test_class_names_are_read_from_one_backbone(tmp_path):
    text = COMMITTED.read_text("utf-8").replace("backbone: birdnet", "backbone: yamnet+birdnet")
    file = tmp_path / "params.yaml"
    file.write_text(text.replace("name: few_shot", "name: zero_shot"), "utf-8")
    assert (
        "protocols.zero_shot.mode: ontology reads the class names of one backbone"
        in _refusal_of(file)
    )


def test_what_the_default_does_is_switched_on_by_name(committed):
    assert committed.protocol.transfer == "joint"
    assert committed.protocol.folds == "official"
    assert committed.noise.root == ABSENT
    asked = [condition.name for condition in asked_for(committed.conditions)]
    assert asked == ["leaking_random_folds", "target_only"]


@pytest.mark.parametrize(
    ("typo", "nearest"),
    [
        ("protcol", "protocol"),
        ("sede", "seed"),
        ("protocols.few_shot.epsiodes", "protocols.few_shot.episodes"),
        ("protocols.few_shots", "protocols.few_shot"),
        ("ingest.max_bad_shares", "ingest.max_bad_share"),
        ("evaluation.n_bootstraps", "evaluation.n_bootstrap"),
        ("conditions.equalised.low_khz", "conditions.equalised.low_hz"),
        ("conditions.noise.snr", "conditions.noise.snr_db"),
        ("noise.roots", "noise.root"),
        ("k", "protocol.k"),
        ("protocol.kk", "protocol.k"),
        ("protocol.source_clip", "protocols.few_shot.source_clips"),
        ("max_bad_share", "ingest.max_bad_share"),
        ("episodes", "protocols.few_shot.episodes"),
        ("frontends.logmel_statz", "frontends.logmel_stats"),
        ("protocol.transfr", "protocol.transfer"),
        ("backbones.yamnt", "backbones.yamnet"),
        ("backbones.birdnet.hops_s", "backbones.birdnet.hop_s"),
        ("corpora.folder.tabel", "corpora.folder.table"),
        ("corpora.esc50_environment.clases", "corpora.esc50_environment.classes"),
    ],
)
def test_a_typo_in_a_key_names_it_and_the_nearest(refusal, typo, nearest):
    assert refusal(typo, 1) == f"unknown key {typo!r}; did you mean {nearest!r}?"


def test_a_key_like_no_other_is_named_alone(refusal):
    assert refusal("xyzzy", 1) == "unknown key 'xyzzy'"


def test_a_misspelt_key_is_named_rather_than_the_gap_it_leaves(tmp_path):
    file = tmp_path / "params.yaml"
    file.write_text(COMMITTED.read_text("utf-8").replace("\nseed:", "\nsede:"), "utf-8")
    assert "unknown key 'sede'; did you mean 'seed'?" in _refusal_of(file)


@pytest.mark.parametrize("name", ["few_shot", "zero_shot"])
def test_random_folds_are_for_what_scores_every_fold(tmp_path, name):
    shuffled = {"protocol.folds": "random", "protocol.name": name}
    file = tmp_path / "params.yaml"
    file.write_text(COMMITTED.read_text("utf-8"), "utf-8")
    with pytest.raises(ParameterError, match=r"set protocol\.name to fine_tune$"):
        load_params(file, settings=shuffled)
    found = load_params(file, settings={**shuffled, "protocol.name": "fine_tune"})
    assert found.protocol.honest_folds == "official"


@pytest.mark.parametrize("key", ["seed", "protocol", "protocol.k", "root", "noise.root"])
def test_a_missing_key_is_named(refusal, key):
    assert refusal(key, GONE) == f"missing key {key!r}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("protocol.k", 0),
        ("protocols.few_shot.k_values", [1, 0]),
        ("protocols.few_shot.episodes", 1),
        ("protocols.few_shot.source_clips", 0),
        ("protocols.zero_shot.shuffles", 1),
        ("protocols.zero_shot.mode", "by name"),
        ("ingest.max_bad_share", 1.5),
        ("ingest.max_bad_share", float("nan")),
        ("audio.channel", "middle"),
        ("audio.time_expansion", 0),
        ("evaluation.confidence_level", 1.0),
        ("evaluation.n_bootstrap", 10),
        ("backbones.birdnet.hop_s", 3.5),
        ("backbones.yamnet.hop_s", 1.0),
        ("frontends.logmel_stats.hop_s", 0),
        ("protocol.transfer", "pretrained"),
        ("protocol.folds", "shuffled"),
        ("unknown.false_alarm_rate", 1.1),
        ("conditions.equalised.high_hz", 9000.0),
        ("conditions.equalised.length_s", 0),
        ("conditions.noise.snr_db", [20, 101.0]),
        ("conditions.noise.snr_db", [float("nan")]),
        ("conditions.noise.snr_db", [float("-inf")]),
        ("seed", -1),
    ],
)
def test_a_value_out_of_range_is_named_with_its_key(refusal, key, value):
    said = refusal(key, value)
    assert said.startswith(key)
    assert said.endswith(f"got {value[-1] if isinstance(value, list) else value!r}")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seed", "soon"),
        ("protocol.k", 2.5),
        ("protocols.few_shot.k_values", 3),
        ("protocols.few_shot", [5]),
        ("protocol", None),
        ("noise", None),
        ("conditions.noise.snr_db", 20),
        ("conditions.equalised.score", "perhaps"),
        ("backbones", ["birdnet"]),
        ("corpora.demo", "data/demo"),
        ("corpora", ["demo"]),
    ],
)
def test_a_value_of_the_wrong_type_is_named_with_its_key(refusal, key, value):
    assert refusal(key, value).startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("key", "value", "nearest"),
    [
        ("corpus", "dmeo", "demo"),
        ("source", "gtzn", "gtzan"),
        ("backbone", "birdnt", "birdnet"),
        ("protocol.name", "few_shots", "few_shot"),
        ("system", "logistics", "logistic"),
        ("corpora.esc50_environment.reader", "esc51", "esc50"),
    ],
)
def test_an_unknown_name_gets_the_nearest(refusal, key, value, nearest):
    assert refusal(key, value) == f"{key}: unknown value {value!r}; did you mean {nearest!r}?"


def test_a_corpus_under_a_name_of_its_own_has_to_name_its_reader(refusal):
    assert refusal("corpora.meadow", {"classes": "all"}).startswith(
        "corpus: unknown value 'meadow'"
    )


@pytest.mark.parametrize("snr_db", [[20, 5, 20.0], [5, 5.0000001], [0.0, -0.0]])
def test_clips_are_scored_once_at_each_ratio(refusal, snr_db):
    assert refusal("conditions.noise.snr_db", snr_db).startswith("conditions.noise.snr_db: some of")


def test_no_folder_of_noise_is_data_none(refusal):
    assert refusal("noise.root", "") == "noise.root is empty; data/none for the corpus' own"


def test_the_source_is_another_corpus_than_the_target(refusal):
    assert refusal("source", "demo").startswith("source: 'demo' is the corpus that is scored")


def test_no_corpus_cannot_be_scored(refusal):
    assert refusal("corpus", "none").startswith("corpus: none has no clips")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"corpus: [", "is not YAML"),
        (b"a: b: c", "is not YAML"),
        (b"\x00", "is not YAML"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"", "holds no keys"),
        (b"- corpus", "holds no keys"),
    ],
)
def test_a_file_that_is_no_table_of_keys_is_refused(tmp_path, content, reason):
    file = tmp_path / "params.yaml"
    file.write_bytes(content)
    assert _refusal_of(file).startswith(f"{file} {reason}")


def test_no_file_is_said_so(tmp_path):
    file = tmp_path / "params.yaml"
    assert _refusal_of(file) == f"{file}: No such file or directory"


def test_a_file_of_an_older_version_is_told_what_has_become_of_each_key(tmp_path):
    data = yaml.safe_load(COMMITTED.read_text("utf-8"))
    data["audio"] = {"equalise": True}
    data["noise"]["test_snr_db"] = [5]
    data["corpora"]["esc50"]["root"] = "data/esc50"
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(data), "utf-8")
    with pytest.raises(ParameterError) as raised:
        load_params(file)
    lines = [line.removeprefix("faunashot: ") for line in str(raised.value).splitlines()]
    assert [line.split()[1] for line in lines] == [
        *("audio.equalise", "noise.test_snr_db", "corpora.esc50.root"),
    ]
    assert all(line.startswith(f"{file}: ") for line in lines)
    assert "conditions.equalised.score" in lines[0]
