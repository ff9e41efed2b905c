"""Corpora as published, and what is done to their clips before any model sees them."""
