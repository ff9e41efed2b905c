"""Synthetic soundscapes: recordings of several animals at once, and of none, as in the field."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from faunashot.audio.synth import CLASSES, Place, Recorder, Recording, arriving, surroundings
from faunashot.audio.voices import Scene
from faunashot.errors import ParameterError
from faunashot.targets import join_names

ANIMALS = (0.1, 0.4, 0.3, 0.2)
"""Shares of the recordings with no animal, one, two and three."""

RARER = 0.35
"""How fast classes become rarer: the last of ten is drawn a quarter as often as the first."""

FARTHEST_M, SNR_DB = 25.0, (18.0, 5.0)
"""How far away animals are, and mean and spread of their level: a person would hear nearly all."""

PAIR_EVERY = 4
"""Every so manyth place was recorded twice: the same animals, with other calls."""


def soundscapes(
    n_clips: int,
    *,
    seed: int = 42,
    classes: Sequence[str] = CLASSES,
    duration_s: float = 4.0,
    n_folds: int = 5,
    sample_rate: int = 32_000,
) -> Iterator[Recording]:
    """Stream a corpus whose clips carry several labels, one recording in memory at a time.

    Each place has its own surroundings and recorder, and animals at drawn distances. Some classes
    are heard more often than others.

    Parameters
    ----------
    n_clips : int
        Number of recordings.
    seed : int
        Not negative; the same seed gives the same samples.
    classes : sequence of str
        Animals that there are, three or more of `CLASSES`, the most frequent first.
    duration_s : float
        Of each recording.
    n_folds : int
        Number of folds, among which the places are dealt in turn.
    sample_rate : int
        In Hz, at least 16000.

    Yields
    ------
    Recording
        The next recording; its label is the names of its animals, joined, or empty. A group is a
        place.

    Raises
    ------
    ParameterError
        If a value is out of its range.
    """
    if n_clips < 0 or seed < 0 or n_folds < 1:
        raise ParameterError("n_clips and seed must not be negative, n_folds must be positive")
    if unknown := sorted(set(classes) - set(CLASSES)):
        raise ParameterError.unknown("classes", unknown[0], CLASSES)
    if len(set(classes)) < len(ANIMALS) - 1:
        raise ParameterError(f"classes: {len(set(classes))}; a recording has up to three animals")
    n_samples = round(duration_s * sample_rate)
    number = place = 0
    while number < n_clips:
        labels = _animals(classes, np.random.default_rng([seed, place]))
        for visit in range(2 if place % PAIR_EVERY == 1 else 1):
            if number < n_clips:
                scenes = [
                    Scene(
                        np.random.default_rng([seed, place, part]),
                        np.random.default_rng([seed, place, part, visit + 1]),
                        n_samples,
                        sample_rate,
                    )
                    for part in range(1, len(labels) + 2)  # a seed that ends in 0 is no other
                ]
                yield Recording(
                    name=f"soundscape-{number:05d}.ogg",
                    label=join_names(labels),
                    fold=1 + place % n_folds,
                    group=f"place-{place:05d}",
                    sample_rate=sample_rate,
                    audio=_recorded(labels, *scenes),
                )
                number += 1
        place += 1


def _animals(classes: Sequence[str], who: np.random.Generator) -> list[str]:
    """Which animals are at a place."""
    weights = 1 / (1 + RARER * np.arange(len(classes)))
    n = who.choice(len(ANIMALS), p=ANIMALS)
    found: list[str] = who.choice(classes, n, replace=False, p=weights / weights.sum()).tolist()
    return found


def _recorded(labels: Sequence[str], here: Scene, *animals: Scene) -> NDArray[np.float32]:
    """A recording of a place with its animals."""
    recorder = Recorder.drawn(here.who)
    audio = surroundings(here)
    for label, animal in zip(labels, animals, strict=True):
        place = Place.drawn(animal.who, farthest_m=FARTHEST_M, snr_db=SNR_DB)
        audio += arriving(label, animal, place)
    return recorder(audio, here.sample_rate)
