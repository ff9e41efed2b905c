"""The systems of systems.yaml: what they name is there, and settings are those of their owner."""

from __future__ import annotations

import pytest

from faunashot.backbones.base import BACKBONES, offering
from faunashot.errors import ParameterError
from faunashot.estimators.training.panns import panns_kind
from faunashot.frontends.base import FRONT_ENDS
from faunashot.systems.catalogue import System, systems

TRAINING = [name for name, of in systems().items() if of.features == "front_end"]


@pytest.mark.parametrize("name", systems())
def test_a_system_takes_features_that_there_are(name: str) -> None:
    taken = [each for each in (*BACKBONES, *FRONT_ENDS) if systems()[name].takes(each)]
    assert taken
    if name in TRAINING:
        assert set(taken) & set(offering("build"))


@pytest.mark.parametrize("name", TRAINING)
def test_settings_of_a_system_are_those_of_its_estimator(name: str) -> None:
    made = systems()[name].estimator(seed=0)
    for setting, value in systems()[name].settings.items():
        assert getattr(made.options, setting) == value


@pytest.mark.parametrize("name", [n for n in systems() if n.endswith("-scratch")])
def test_panns_from_the_start_are_networks_that_there_are(name: str) -> None:
    network = systems()[name].estimator(seed=0).options.network
    assert panns_kind(network).card.name == network
    assert network.replace("_", "-").startswith(name.removesuffix("-scratch"))


def test_a_system_is_refused_by_what_it_is_for() -> None:
    of_two = System("ears", "logistic", backbone="yamnet", protocol={"name": "fine_tune"})
    of_two.refuse("yamnet", "fine_tune")
    of_two.refuse("yamnet")
    for backbone, protocol, said in [
        ("birdnet", "fine_tune", "ears is for backbone=yamnet, not birdnet"),
        ("yamnet", "few_shot", "ears is for protocol.name=fine_tune, not few_shot"),
    ]:
        with pytest.raises(ParameterError, match=f"^system: {said}$"):
            of_two.refuse(backbone, protocol)
