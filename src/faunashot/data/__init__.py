"""Corpora as published, and what is done to their clips before any model sees them."""

TARGET, SOURCE = "target", "source"
"""Roles of a corpus in a run: scored, or learned from beside it."""
