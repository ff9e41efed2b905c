"""Blocks of options: defaults, types, and what is misspelt."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field

from faunashot.errors import ParameterError
from faunashot.options import Options


class Hops(Options):
    hop_s: Annotated[float, Field(gt=0, le=3)] = 3.0
    handle: str = "hub"


def test_what_is_left_out_has_its_default() -> None:
    assert Hops.read({"hop_s": 1}, key="backbones.x") == Hops(hop_s=1.0, handle="hub")


@pytest.mark.parametrize(
    ("block", "told"),
    [
        ({"hops": 1}, "unknown key 'backbones.x.hops'; did you mean 'backbones.x.hop_s'"),
        ({"hop_s": "long"}, r"backbones\.x\.hop_s: .*number.*got 'long'"),
        ({"hop_s": 9}, r"backbones\.x\.hop_s: .*less than or equal to 3, got 9"),
        ([], "backbones.x: needs a block of options"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(block: object, told: str) -> None:
    with pytest.raises(ParameterError, match=told):
        Hops.read(block, key="backbones.x")  # type: ignore[arg-type]
