"""Classes told by what their names mean: text and audio in one space, as CLAP has them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from scipy.special import log_softmax, softmax

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, Level
from faunashot.estimators.examples import Examples, FloatArray, Scores

FACTS, ARRAYS = "text_prototypes.json", "text_prototypes.npz"

ROUNDS = 100
"""Steps of the mixture at most; it settles in ten to thirty."""

SETTLED = 1e-6
"""Change of the prototypes under which the mixture is settled."""

MOST_CONCENTRATED = 1e3
"""Bound of the concentration, which is infinite where all clips of a class are the same."""


@dataclass(frozen=True)
class Correction:
    """Prototypes that unlabelled clips have moved.

    Attributes
    ----------
    prototypes : ndarray, shape (C, dim)
        Of length 1, in the space of centred audio.
    centre : ndarray, shape (dim,)
        What is taken from an embedding of length 1 before.
    concentration : float
        Of von Mises-Fisher distributions, one for all classes.
    """

    prototypes: FloatArray
    centre: FloatArray
    concentration: float


class TextPrototypes(Estimator):
    """Probabilities of classes from the cosine of audio with what is said of each.

    Parameters
    ----------
    classes : sequence of str
    prototypes : ndarray, shape (C, dim)
        Text embeddings, one a class; their length does not count.
    scale : float
        Inverse temperature of the cosines, as the backbone was trained.
    correction : Correction, optional
        Of unlabelled clips, see `corrected`.
    """

    KIND = "text_prototypes"
    level: ClassVar[Level] = "window"

    def __init__(
        self,
        classes: Sequence[str],
        prototypes: npt.NDArray[Any],
        *,
        scale: float,
        correction: Correction | None = None,
    ) -> None:
        self.classes_ = [str(name) for name in classes]
        self.prototypes = unit(prototypes)
        self.scale = scale
        self.correction = correction

    def fit(self, train: Examples, **_: Any) -> Self:
        """There is nothing to learn; raises `ParameterError`."""
        raise ParameterError("text prototypes are made of words, and do not learn from labels")

    def corrected(self, X: npt.NDArray[Any]) -> TextPrototypes:
        """Let unlabelled clips move the prototypes, by a spherical mixture anchored at the text.

        Text and audio embeddings lie in cones of their own, so both are centred; a class then is a
        von Mises-Fisher distribution around its prototype, which starts at the text. A step gives
        every clip its share in each class, by the mixture and by the text alike, and moves every
        prototype to the mean of its clips, the text counting as much as a class' clips do on
        average. All classes are as likely before, so that none can take over.

        Parameters
        ----------
        X : ndarray, shape (n, dim)
            Embeddings of clips.

        References
        ----------
        A. Banerjee et al. Clustering on the unit hypersphere using von Mises-Fisher distributions.
        JMLR 6, 2005; transduction of audio and language models by such a mixture: arXiv
        2606.17160.
        """
        audio = unit(X)
        centre = audio.mean(axis=0)
        centred = unit(audio - centre)
        text = unit(self.prototypes - self.prototypes.mean(axis=0))
        by_text = log_softmax(self.scale * audio @ self.prototypes.T, axis=1)
        anchor = len(X) / len(text)
        prototypes, share = text, np.exp(by_text)
        concentration = _concentration(centred, share, prototypes)
        for _ in range(ROUNDS):
            moved = unit(share.T @ centred + anchor * text)
            concentration = _concentration(centred, share, moved)
            share = softmax(concentration * centred @ moved.T + by_text, axis=1)
            change = float(np.abs(moved - prototypes).max())
            prototypes = moved
            if change < SETTLED:
                break
        correction = Correction(prototypes, centre, concentration)
        return TextPrototypes(
            self.classes_, self.prototypes, scale=self.scale, correction=correction
        )

    def predict(self, examples: Examples) -> Scores:
        """Probabilities of windows; clips are told by their mean embedding."""
        windows = self.probabilities(examples.windows())
        clips = self.probabilities(examples.means())
        return Scores(tuple(self.classes_), windows, clips)

    def probabilities(self, X: npt.NDArray[Any]) -> FloatArray:
        """Probabilities of the classes, (N, dim) -> (N, C)."""
        audio = unit(X)
        logits = self.scale * audio @ self.prototypes.T
        if self.correction is not None:
            centred = unit(audio - self.correction.centre)
            moved = self.correction.concentration * centred @ self.correction.prototypes.T
            logits = moved + log_softmax(logits, axis=1)
        return np.asarray(softmax(logits, axis=1))

    def save(self, folder: Path) -> None:
        """Write the prototypes into `folder`, which is made, without pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        arrays = {"prototypes": self.prototypes}
        facts: dict[str, Any] = {"classes": self.classes_, "scale": self.scale}
        if self.correction is not None:
            arrays |= {"moved": self.correction.prototypes, "centre": self.correction.centre}
            facts["concentration"] = self.correction.concentration
        np.savez(folder / ARRAYS, **arrays)  # type: ignore[arg-type]
        (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
        correction = None
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                if "concentration" in facts:
                    correction = Correction(
                        arrays["moved"], arrays["centre"], facts["concentration"]
                    )
                return cls(
                    facts["classes"],
                    arrays["prototypes"],
                    scale=facts["scale"],
                    correction=correction,
                )
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise StoreError(f"{folder} holds no text prototypes ({error})") from error


def unit(X: npt.NDArray[Any]) -> FloatArray:
    """Rows of length 1; those of no length stay."""
    rows = np.asarray(X, dtype=np.float64)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12))


def _concentration(X: FloatArray, share: FloatArray, prototypes: FloatArray) -> float:
    """Concentration that the clips have around their prototypes (Banerjee et al. 2005, eq. 4.4)."""
    mean = float(np.clip((share * (X @ prototypes.T)).sum() / len(X), 0.0, 1 - 1e-6))
    return float(min(mean * (X.shape[1] - mean**2) / (1 - mean**2), MOST_CONCENTRATED))
