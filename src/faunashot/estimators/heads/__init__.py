"""Heads: classifiers of frozen features, one module each, named as it is called."""

from typing import Any

from faunashot.registry import Registry

HEADS: Registry[Any] = Registry(
    "head",
    "faunashot.estimators.heads",
    contract="faunashot.estimators.heads.base:HeadClassifier",
)
"""All heads by name."""
