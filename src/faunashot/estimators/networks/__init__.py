"""Networks that are trained from scratch, one module each, named as it is called."""

from faunashot.estimators.networks.base import NetworkArchitecture
from faunashot.registry import Registry

NETWORKS: Registry[NetworkArchitecture] = Registry(
    "network",
    "faunashot.estimators.networks",
    contract="faunashot.estimators.networks.base:NetworkArchitecture",
)
"""All of them by name."""
