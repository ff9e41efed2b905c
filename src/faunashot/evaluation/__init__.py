"""Scores to figures: metrics, intervals, calibration and plots; knows nothing of models."""

MAIN = "main"
"""Name of the condition under which nothing is altered."""

LEAKING = "leaking_random_folds"
"""Name of the condition under which folds are shuffled clip by clip: its figures are no result."""
