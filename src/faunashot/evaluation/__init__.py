"""Scores to figures: metrics, intervals, calibration and plots; knows nothing of models."""
