"""Clips scored in episodes, under weightings of source recordings and of episodes at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from faunashot.evaluation.labels import FloatArray, IntArray
from faunashot.evaluation.metrics import metric_values
from faunashot.evaluation.metrics.base import Metric
from faunashot.evaluation.scored import BoolArray, ScoredClips
from faunashot.evaluation.uncertainty import Figures, group_codes


@dataclass(frozen=True)
class ScoredEpisodes:
    """Clips by the recording that they are from and the episode that they were scored in.

    Clips that were scored once, where nothing is drawn, are a single episode.

    Attributes
    ----------
    clips : ScoredClips
        Of all episodes; a part is what an episode scored of a recording.
    recording, episode : ndarray of int, shape (P,)
        Of each part, counted from 0.
    """

    clips: ScoredClips
    recording: IntArray
    episode: IntArray

    @classmethod
    def of_table(
        cls,
        table: pd.DataFrame,
        classes: Sequence[str],
        *,
        multi_label: bool = False,
        with_scores: bool = False,
    ) -> ScoredEpisodes:
        """From the columns episode, group, label, predicted, and ``p_<class>`` for scores.

        Raises
        ------
        ParameterError
            There is nothing to score, a group is missing, or a label is not one of `classes`.
        """
        recording = group_codes(table["group"], len(table))
        episode = pd.factorize(table["episode"], sort=True)[0]
        pairs, part = np.unique([episode, recording], axis=1, return_inverse=True)
        clips = ScoredClips.of_labels(
            table["label"], table["predicted"], classes, part=part, multi_label=multi_label
        )
        if with_scores:
            given = table[[f"p_{name}" for name in classes]].to_numpy(dtype=np.float64)
            clips = ScoredClips(clips.targets, clips.predicted, part, given)
        return cls(clips, pairs[1], pairs[0])

    @property
    def n_recordings(self) -> int:
        """How many source recordings there are, G."""
        return int(self.recording.max()) + 1

    @property
    def n_episodes(self) -> int:
        """How many episodes there are, E."""
        return int(self.episode.max()) + 1

    @property
    def of_one_recording(self) -> BoolArray:
        """Classes of one recording, or none, which says nothing of how they differ, shape (C,)."""
        of_row = self.recording[self.clips.part]
        return np.array([np.unique(of_row[rows]).size < 2 for rows in self.clips.targets.T])

    @cached_property
    def each(self) -> list[tuple[IntArray, ScoredClips]]:
        """Of each episode its recordings, and its clips by them."""
        of_row = self.clips.part
        found = []
        for number in range(self.n_episodes):
            rows = self.episode[of_row] == number
            recordings, part = np.unique(self.recording[of_row[rows]], return_inverse=True)
            given = self.clips.probabilities
            clips = ScoredClips(
                self.clips.targets[rows],
                self.clips.predicted[rows],
                part,
                given[rows] if given.size else given,
            )
            found.append((recordings, clips))
        return found

    def by_episode(self, metrics: Mapping[str, Metric]) -> dict[str, FloatArray]:
        """Each metric of every episode by itself, shape (E,), by name."""
        found = [metric_values(metrics, c.weighted(np.ones((1, c.n_parts)))) for _, c in self.each]
        return {name: np.array([one[name][0] for one in found]) for name in metrics}

    def values(
        self,
        metrics: Mapping[str, Metric],
        times: FloatArray,
        episodes: FloatArray,
        *,
        with_classes: bool = False,
    ) -> dict[str, FloatArray]:
        """Figures under D weightings.

        Parameters
        ----------
        metrics : mapping of str to Metric
            Each is the mean over the episodes that say something of it, or that of their clips
            together (`Metric.pooled_over_episodes`).
        times, episodes : ndarray, shapes (D, G) and (D, E)
            How often each recording, in all episodes alike, and each episode counts.
        with_classes : bool
            Whether figures of classes are added, shape (D, C), see `WeightedClips.of_classes`.

        Returns
        -------
        dict
            By name; ``NAME by chance`` of each metric that says what chance makes of it.
        """
        alone = self.n_episodes == 1
        pooled = {name: m for name, m in metrics.items() if alone or m.pooled_over_episodes}
        averaged = {name: metric for name, metric in metrics.items() if name not in pooled}
        together = self.clips.weighted(times[:, self.recording] * episodes[:, self.episode])
        of_each: list[dict[str, FloatArray]] = []
        for recordings, clips in self.each:
            weighted = together if alone else clips.weighted(times[:, recordings])
            of_classes = weighted.of_classes if with_classes else {}
            of_each.append({**metric_values(averaged, weighted), **of_classes})
        found = {
            name: _mean(np.stack([one[name] for one in of_each], axis=1), episodes)
            for name in of_each[0]
        }
        if pooled:
            found |= metric_values(pooled, together)
            chance = {name: metric.chance(together) for name, metric in pooled.items()}
            found |= {f"{name} by chance": of for name, of in chance.items() if of is not None}
        return found


def differences(a: ScoredEpisodes, b: ScoredEpisodes, *, metrics: Mapping[str, Metric]) -> Figures:
    """Metrics of `a` less those of `b`, the same clips, when the same is drawn for both."""

    def figures(times: FloatArray, episodes: FloatArray) -> dict[str, FloatArray]:
        first, second = (run.values(metrics, times, episodes) for run in (a, b))
        return {name: first[name] - second[name] for name in metrics}

    return figures


def _mean(values: FloatArray, episodes: FloatArray) -> FloatArray:
    """Weighted mean over the episodes that say something, shape (D, E, ...) to (D, ...)."""
    weights = episodes.reshape(*episodes.shape, *[1] * (values.ndim - 2)) * ~np.isnan(values)
    total = weights.sum(axis=1)
    mean: FloatArray = (weights * np.nan_to_num(values)).sum(axis=1)
    return mean / np.where(total > 0, total, np.nan)
