"""Strategies that choose what to label next; one module each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faunashot.registry import Registry

if TYPE_CHECKING:
    from faunashot.search.strategies.base import Strategy

STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    "faunashot.search.strategies",
    contract="faunashot.search.strategies.base:Strategy",
)
"""Strategies by name."""
