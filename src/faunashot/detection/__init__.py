"""Trained systems run over recordings of any length, and what their events are worth."""
