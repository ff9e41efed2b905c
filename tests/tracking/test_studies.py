"""Studies: their files, the experiments that they plan, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from faunashot.errors import ParameterError
from faunashot.tracking.studies import layers_together, planned, read_params, read_study

ROOT = Path(__file__).resolve().parents[2]

STUDY = {
    "name": "heads",
    "params": {"corpus": "esc50", "protocol.curve": [1, 5]},
    "grid": {"backbone": ["yamnet", "birdnet"], "system": ["logistic", "knn"]},
}


@pytest.fixture
def study(tmp_path: Path):
    def read(*settings: str, **changed: object):
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY | changed, sort_keys=False))
        return read_study(tmp_path / "study.yaml", settings=settings)

    return read


def test_the_grid_is_crossed_in_the_order_of_its_axes(study) -> None:
    found = planned(study())
    assert [experiment.shown for experiment in found] == [
        *("yamnet, logistic", "yamnet, knn", "birdnet, logistic", "birdnet, knn"),
    ]
    assert len({experiment.name for experiment in found}) == 4
    assert all(experiment.name.startswith("heads-") for experiment in found)


def test_what_dvc_is_told(study) -> None:
    experiment = planned(study("seed=43"))[0]
    arguments = experiment.arguments()
    assert arguments[:2] == ["-n", experiment.name]
    assert arguments[2::2] == ["-S"] * 5
    assert set(arguments[3::2]) == {
        *("corpus=esc50", "protocol.curve=[1, 5]", "seed=43"),
        *("backbone=yamnet", "system=logistic"),
    }


def test_the_same_values_have_the_same_name_and_others_another(study) -> None:
    assert planned(study())[0].name == planned(study())[0].name
    assert planned(study("seed=43"))[0].name != planned(study("seed=44"))[0].name
    more = {"backbone": ["yamnet", "birdnet", "logmel_stats"], "system": ["logistic", "knn"]}
    before = {experiment.name for experiment in planned(study())}
    assert before < {experiment.name for experiment in planned(study(grid=more))}


def test_a_layer_that_a_backbone_has_not_is_told_before_anything_runs(study) -> None:
    grid = {"backbone": ["whisper_tiny", "yamnet"], "layer": ["default", "layer_1+layer_2"]}
    asked = planned(study(params={}, grid=grid))
    with pytest.raises(
        ParameterError, match=r"^yamnet, layer_1\+layer_2: .*layer of yamnet"
    ) as caught:
        read_params(ROOT, asked)
    assert "\n" not in str(caught.value)


def test_every_layer_that_experiments_read_is_named_once(study) -> None:
    grid = {"backbone": ["whisper_tiny"], "layer": ["layer_1+layer_2", "layer_1", "default"]}
    params = read_params(
        ROOT, planned(study(params={"protocols.few_shot.k_values": [1]}, grid=grid))
    )
    together = layers_together(list(params.values()))
    assert together == "whisper_tiny.layer_1+whisper_tiny.layer_2+whisper_tiny.default"
    assert {tuple(each.protocols["few_shot"]["k_values"]) for each in params.values()} == {(1,)}


def test_several_grids_are_crossed_by_themselves(study) -> None:
    grids = [{"backbone": ["yamnet"]}, {"system": ["cnn1d"], "seed": [1, 2]}]
    assert [e.shown for e in planned(study(grid=grids))] == ["yamnet", "cnn1d, 1", "cnn1d, 2"]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"grids": {}}, "unknown key 'grids'; did you mean 'grid'"),
        ({"grid": {"backbone": "yamnet"}}, r"grid\.0\.backbone: .*list.*got 'yamnet'"),
        ({"name": None}, "name: .*string"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(study, changed: dict, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        study(**changed)
    with pytest.raises(ParameterError, match="--set seed: needs KEY=VALUE"):
        study("seed")


@pytest.mark.parametrize("file", sorted((ROOT / "studies").glob("*.yaml")), ids=lambda f: f.stem)
def test_every_study_here_plans_experiments_that_params_take(file: Path) -> None:
    asked = read_study(file)
    experiments = planned(asked)
    assert asked.name == file.stem
    assert len({experiment.name for experiment in experiments}) == len(experiments)
    given = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key in experiments[0].settings:
        block = given
        for name in key.lstrip("+").split("."):
            block = block.get(name, {}) if isinstance(block, dict) else {}
        # DVC sets a key that the file has, and adds one with a + that it has not
        assert (block == {}) == key.startswith("+"), key
    read_params(ROOT, experiments)
    is_reference = [asked.reference.items() <= each.axes.items() for each in experiments]
    assert any(is_reference)
