"""Synthetic soundscapes: recordings of several animals at once, and of none, as in the field."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from faunashot.audio.synth import CLASSES, Place, Recorder, Recording, arriving, surroundings
from faunashot.audio.voices import Scene
from faunashot.errors import ParameterError
from faunashot.targets import join_names

ANIMALS = (0.1, 0.4, 0.3, 0.2)
"""Shares of the recordings with no animal, one, two and three."""

RARER = 0.35
"""How fast classes become rarer: the last of ten is heard a quarter as often as the first."""

FARTHEST_M, SNR_DB = 40.0, (15.0, 5.0)
"""How far away animals are, and mean and spread of their level: a person would hear nearly all."""

PAIR_EVERY = 4
"""Every so manyth place was recorded twice: the same animals, with other calls."""


def soundscapes(
    n_clips: int, *, seed: int = 42, n_folds: int = 5, sample_rate: int = 32_000
) -> Iterator[Recording]:
    """Stream a corpus whose clips carry several labels, one recording in memory at a time.

    Each place has its own surroundings and recorder, and animals at drawn distances. Some classes
    are heard more often than others.

    Parameters
    ----------
    n_clips : int
        Number of recordings, of 4 s.
    seed : int
        Not negative; the same seed gives the same samples.
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
    number = place = 0
    while number < n_clips:
        for visit in range(2 if place % PAIR_EVERY == 1 else 1):
            if number < n_clips:
                labels, audio = _visit(seed, place, visit, sample_rate)
                yield Recording(
                    name=f"soundscape-{number:05d}.ogg",
                    label=join_names(labels),
                    fold=1 + place % n_folds,
                    group=f"place-{place:05d}",
                    sample_rate=sample_rate,
                    audio=audio,
                )
                number += 1
        place += 1


def _visit(
    seed: int, place: int, visit: int, sample_rate: int
) -> tuple[list[str], NDArray[np.float32]]:
    """The animals of a place, and one recording of it."""
    who = np.random.default_rng([seed, place])
    weights = 1 / (1 + RARER * np.arange(len(CLASSES)))
    n = who.choice(len(ANIMALS), p=ANIMALS)
    labels = who.choice(CLASSES, n, replace=False, p=weights / weights.sum()).tolist()

    def scene(part: int) -> Scene:
        """Draws of the surroundings, 0, or of an animal."""
        individual = np.random.default_rng([seed, place, part])
        now = np.random.default_rng([seed, place, part, visit + 1])
        return Scene(individual, now, 4 * sample_rate, sample_rate)

    here = scene(0)
    recorder = Recorder.drawn(here.who)
    audio = surroundings(here)
    for part, label in enumerate(labels, 1):
        animal = scene(part)
        place_of = Place.drawn(animal.who, farthest_m=FARTHEST_M, snr_db=SNR_DB)
        audio += arriving(label, animal, place_of)
    return labels, recorder(audio, sample_rate)
