"""What backbones say that they cost is what TensorFlow counts on the networks, which are built."""

from __future__ import annotations

from typing import Any

import pytest
from made_up import is_keras

from faunashot.backbones.base import BACKBONES, default_layer
from faunashot.estimators.training.cost import cost
from faunashot.runtimes.keras_network import settle_tensorflow

settle_tensorflow()


@pytest.mark.slow
@pytest.mark.parametrize("name", [*filter(is_keras, BACKBONES)])
def test_a_network_costs_what_is_stated(name: str) -> None:
    from keras import Model, backend

    kind: Any = BACKBONES[name]
    encoder = kind.encoder("float32")
    counted = cost(Model(encoder.inputs, encoder.outputs[default_layer(kind)]))
    backend.clear_session()
    assert (kind.cost.parameters, kind.cost.macs) == (counted["parameters"], counted["macs"])


@pytest.mark.slow
def test_yamnet_costs_what_is_stated() -> None:
    from faunashot.backbones.yamnet.network import yamnet_network

    counted = cost(yamnet_network(2).body)
    stated = BACKBONES["yamnet"].cost
    assert (stated.parameters, stated.macs) == (counted["parameters"], counted["macs"])
