"""How labelled clips and what is said of their classes are put together, with nothing trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax, logsumexp

from faunashot.estimators.examples import FloatArray


class Labelled(NamedTuple):
    """The labelled clips of an adapter.

    Attributes
    ----------
    text : ndarray, shape (m, C)
        Cosines of each with what is said of each class.
    distances, centred : ndarray, shape (m, m)
        1 minus the cosine of each with each, as they are and once their mean is taken off; summed
        where several backbones are joined, so that a kernel of it is the product of theirs.
    targets : ndarray, shape (m, C)
        1 for the class of a clip.
    scale : float
        Of the cosines of audio and text, as the backbone was trained.
    """

    text: FloatArray
    distances: FloatArray
    centred: FloatArray
    targets: FloatArray
    scale: float


class Asked(NamedTuple):
    """Clips that are asked for: the same of n of them, against the labelled ones."""

    text: FloatArray
    distances: FloatArray
    centred: FloatArray


Logits = Callable[..., FloatArray]
"""``(labelled, asked, **settings)`` to logits, (n, C); of the labelled clips themselves, each told
by the others alone, where none are asked for."""


def mixture(
    labelled: Labelled, asked: Asked | None, *, sharpness: float, weight: float
) -> FloatArray:
    """Probabilities by the text times a density of a class' clips, kernels on the sphere."""
    kernels = -sharpness * (labelled.centred if asked is None else asked.centred)
    counts = np.tile(labelled.targets.sum(axis=0), (len(kernels), 1))
    if asked is None:
        np.fill_diagonal(kernels, -np.inf)
        counts = counts - labelled.targets
    members = [np.flatnonzero(of) for of in labelled.targets.T]
    density = np.stack([logsumexp(kernels[:, of], axis=1) for of in members], axis=1)
    text = log_softmax(labelled.scale * (labelled.text if asked is None else asked.text), axis=1)
    return np.asarray(text + weight * (density - np.log(counts)))


def treff(labelled: Labelled, asked: Asked | None, *, alpha: float, beta: float) -> FloatArray:
    """The training-free Treff adapter: logits of the text, and labels by likeness to their clips.

    ``scale cos(x, T) + alpha exp(-beta (1 - cos(x, S))) Y``

    References
    ----------
    J. Liang et al. Adapting language-audio models as few-shot audio learners. Interspeech 2023.
    """
    likeness = np.exp(-beta * (labelled.distances if asked is None else asked.distances))
    if asked is None:
        np.fill_diagonal(likeness, 0.0)
    text = labelled.text if asked is None else asked.text
    return np.asarray(labelled.scale * text + alpha * likeness @ labelled.targets)


def muka(
    labelled: Labelled, asked: Asked | None, *, width: float, ridge: float, temperature: float
) -> FloatArray:
    """Kernel ridge regression of what the text gets wrong, the kernel a product over backbones.

    ``cos(x, T) + k(x, S) (K + ridge I)^-1 (Y - cos(S, T))``, k of Gaussian form, its width in
    mean distances of labelled clips.

    References
    ----------
    A. Ouasfi et al. MUKA: Multi kernel audio adaptation of audio-language models. arXiv 2602.14127:
    the product kernel; Y. Bendou et al. ProKeR: A kernel perspective on few-shot adaptation of
    large vision-language models. CVPR 2025: the regression, of the same authors.
    """
    m = len(labelled.distances)
    beta = 1 / (width * max(labelled.distances.sum() / (m * (m - 1)), 1e-12))
    inverse = np.linalg.inv(np.exp(-beta * labelled.distances) + ridge * np.eye(m))
    weights = inverse @ (labelled.targets - labelled.text)
    if asked is None:  # what regression makes of a row that is left out, in closed form
        return np.asarray(temperature * (labelled.targets - weights / np.diag(inverse)[:, None]))
    return np.asarray(temperature * (asked.text + np.exp(-beta * asked.distances) @ weights))


class Recipe(NamedTuple):
    """A way to put them together.

    Attributes
    ----------
    logits : callable
    grid : mapping of str to tuple of float
        Settings that are tried.
    plain : mapping of str to float
        Those where a class has one clip, which cannot be left out.
    by_accuracy : bool
        Whether those that tell most clips right come before those under which the labels are
        likeliest: for logits whose text alone is too sure of itself to be outvoted otherwise.
    """

    logits: Logits
    grid: Mapping[str, tuple[float, ...]]
    plain: Mapping[str, float]
    by_accuracy: bool = False

    def chosen(self, labelled: Labelled) -> dict[str, float]:
        """Settings under which every labelled clip, left out, is told best by the others."""
        if labelled.targets.sum(axis=0).min() < 2:
            return dict(self.plain)
        tried = [dict(zip(self.grid, of, strict=True)) for of in product(*self.grid.values())]
        return max(tried, key=lambda settings: self._told(labelled, settings))

    def _told(self, labelled: Labelled, settings: Mapping[str, float]) -> tuple[float, float]:
        """How well labelled clips are told by the others."""
        logits = self.logits(labelled, None, **settings)
        truth = labelled.targets.argmax(axis=1)
        right = float((logits.argmax(axis=1) == truth).mean()) if self.by_accuracy else 0.0
        likely = log_softmax(logits, axis=1)[np.arange(len(truth)), truth]
        return right, float(likely.mean())


RECIPES: dict[str, Recipe] = {
    "mixture": Recipe(
        mixture,
        {"sharpness": (3.0, 10.0, 30.0, 100.0), "weight": (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)},
        {"sharpness": 10.0, "weight": 0.5},
    ),
    "treff": Recipe(
        treff,
        {
            "alpha": (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0),
            "beta": (1.0, 5.5, 20.0, 60.0),
        },
        {"alpha": 1.0, "beta": 5.5},  # as published
        by_accuracy=True,
    ),
    "muka": Recipe(
        muka,
        {
            "width": (0.3, 1.0, 3.0),
            "ridge": (0.01, 0.1, 1.0, 10.0),
            "temperature": (3.0, 10.0, 30.0, 100.0),
        },
        {"width": 1.0, "ridge": 2.0, "temperature": 30.0},
    ),
}
