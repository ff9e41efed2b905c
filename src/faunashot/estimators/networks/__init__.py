"""Networks that are trained from scratch, one module each, named as it is called."""

from typing import Any

from faunashot.registry import Registry

NETWORKS: Registry[Any] = Registry(
    "network",
    "faunashot.estimators.networks",
    contract="faunashot.estimators.networks.base:NetworkArchitecture",
)
"""All of them by name."""
