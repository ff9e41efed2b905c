"""Estimators that are no plain heads, one module each, named as it is called."""

from typing import Any

from faunashot.registry import Registry

WINDOWS: Registry[Any] = Registry(
    "head",
    "faunashot.estimators.windows",
    contract="faunashot.estimators.base:Estimator",
)
"""All of them by name."""
