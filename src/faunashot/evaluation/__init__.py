"""Scores to figures: metrics, intervals, calibration and plots; knows nothing of models."""

MAIN = "main"
"""Name of the condition under which nothing is altered."""
