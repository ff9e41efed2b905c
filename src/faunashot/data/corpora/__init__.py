"""Corpora as published: one module each."""
