"""Which clips may be learned from and which are scored: one module a protocol."""

from typing import Any

from faunashot.registry import Registry

PROTOCOLS: Registry[Any] = Registry(
    "protocol",
    "faunashot.protocols",
    contract="faunashot.protocols.base:Protocol",
    apart=("run", "support"),
)
"""All protocols by name."""
