"""Corpora as published, and what is done to their clips before any model sees them."""

from typing import Literal

TARGET, SOURCE = "target", "source"
"""Roles of a corpus in a run: scored, or learned from beside it."""

Folds = Literal["official", "published", "grouped", "random"]
"""How a corpus is split: in the folds that it comes with, or made where it has none; in the fixed
parts of a published study; in folds made of it that keep source recordings together; or shuffled
clip by clip, which leaks and gives no result."""
