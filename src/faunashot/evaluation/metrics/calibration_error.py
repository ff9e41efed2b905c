"""Expected calibration error: how far confidence is from accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faunashot.evaluation.metrics.base import FloatArray, Metric

if TYPE_CHECKING:
    from faunashot.evaluation.scored import WeightedClips

BINS = 15
"""Of equal width in confidence, as `calibration.expected_calibration_error` has by default."""


class CalibrationError(Metric):
    """Mean gap between accuracy and confidence over bins, weighted by their clips.

    That of a few clips is mostly their chance, so episodes are taken together. A sum of absolute
    gaps is never 0: it is taken for 0 where chance alone makes as much.
    """

    title = "calibration error"
    of = "scores"
    multi_label = False
    order = 70
    citation = "Guo et al., On Calibration of Modern Neural Networks, ICML 2017"
    biased_upwards = True
    pooled_over_episodes = True

    def values(self, clips: WeightedClips) -> FloatArray:
        """0 where no clip counts."""
        total = clips.weights.sum(axis=1)
        gaps = np.abs(clips.weights @ calibration_gaps(clips)).sum(axis=1)
        error: FloatArray = gaps / np.where(total > 0, total, 1)
        return error

    def chance(self, clips: WeightedClips) -> FloatArray:
        """The same of how the gaps of a weighting differ from those of all clips."""
        gaps = calibration_gaps(clips)
        total = clips.weights.sum(axis=1, keepdims=True)
        moved = clips.weights @ gaps / total - gaps.mean(axis=0)
        error: FloatArray = np.abs(moved).sum(axis=1)
        return error


def calibration_gaps(clips: WeightedClips) -> FloatArray:
    """What every clip adds to the gap between accuracy and confidence of each bin, (N, bins).

    The calibration error of clips that count w times is ``abs(w @ gaps).sum() / w.sum()``.
    """
    confidence = clips.probabilities.max(axis=1)
    correct = (clips.targets & clips.predicted).any(axis=1)
    gaps = np.zeros((confidence.size, BINS))
    edges = np.linspace(0, 1, BINS + 1)[1:-1]
    gaps[np.arange(confidence.size), np.searchsorted(edges, confidence)] = correct - confidence
    return gaps
