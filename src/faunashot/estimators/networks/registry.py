"""The networks that are trained from scratch, by name."""

from __future__ import annotations

import importlib
import random
from functools import partial

from faunashot.errors import ParameterError
from faunashot.estimators.networks.base import Network

NETWORKS = ("cnn1d", "cnn1d_enhanced", "alexnet_mel", "transformer_mel")
"""Each is a function of the same name, in a module of its own."""


def build(name: str, n_classes: int, *, seed: int) -> Network:
    """Build the network called `name` with weights drawn from `seed`.

    Raises
    ------
    ParameterError
        There is none.
    """
    if name not in NETWORKS:
        raise ParameterError.unknown("network", name, NETWORKS)
    make = partial(getattr(importlib.import_module(f"{__package__}.{name}"), name), n_classes)
    before = random.getstate()
    random.seed(seed)  # from which Keras draws the seeds of layers that are given none
    try:
        model = make()
    finally:
        random.setstate(before)
    names = (f"{at:03d}/{variable.name}" for at, variable in enumerate(model.variables))
    return Network(model, dict(zip(names, model.variables, strict=True)))
