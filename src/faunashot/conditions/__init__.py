"""Conditions: the same clips scored once more, altered; one module each."""
