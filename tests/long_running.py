"""The mark of tests that take minutes and say little more than shorter ones beside them."""

from __future__ import annotations

import os

import pytest

LONG = pytest.mark.skipif(
    "FAUNASHOT_LONG" not in os.environ,
    reason="takes long, and a shorter one says nearly as much: set FAUNASHOT_LONG=1",
)
