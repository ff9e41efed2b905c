"""Estimators that learn from windows of frozen features, one module each, named as it is called."""

from faunashot.estimators.base import Estimator
from faunashot.registry import Registry

WINDOWS: Registry[Estimator] = Registry(
    "head",
    "faunashot.estimators.windows",
    contract="faunashot.estimators.base:Estimator",
)
"""All of them by name."""
