"""Labelled clips and what is said of their classes together, with nothing trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import log_softmax, logsumexp, softmax

from faunashot import options
from faunashot.backbones.base import reading
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, Level, TrainingContext
from faunashot.estimators.examples import Examples, FloatArray, Scores
from faunashot.estimators.prompts import PROMPTS, text_prototypes
from faunashot.estimators.text_prototypes import unit

FACTS, ARRAYS = "text_adapter.json", "text_adapter.npz"

SHARPNESS = (3.0, 10.0, 30.0, 100.0)
WEIGHT = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""What is tried: concentration of a clip's density, and its weight beside the text."""

PLAIN = (10.0, 1.0)
"""Sharpness and weight where a class has one clip, which cannot be left out."""


class TextAdapter(Estimator):
    """Probabilities by the text of each class times the density of its labelled clips.

    The density is that of kernels on the sphere, one a labelled clip. Its sharpness, and how much
    it counts beside the text, are those under which every labelled clip, left out, is told best by
    the others: there is nothing to train, and nothing to hold back. For any backbone that hears
    and reads.

    Parameters
    ----------
    seed : int
        Nothing is drawn.
    **settings
        Of `Options`.

    References
    ----------
    After the training-free adapters of J. Liang et al. Adapting language-audio models as few-shot
    audio learners (Treff adapter). Interspeech 2023; and of arXiv 2602.14127.
    """

    class Options(options.Options):
        """Settings.

        Attributes
        ----------
        prompts : tuple of str
            Sentences with ``{}`` in the place of a class' name.
        words : mapping of str to tuple of str
            What to say of a class in place of its name.
        """

        prompts: tuple[str, ...] = Field(PROMPTS, min_length=1)
        words: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    KIND = "text_adapter"
    level: ClassVar[Level] = "clip"

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        self.seed = seed
        self.options = self.Options.read(settings, key="head text_adapter")

    def fit(
        self,
        train: Examples,
        *,
        unlabelled: Examples | None = None,
        validation: Examples | None = None,
        context: TrainingContext | None = None,
    ) -> Self:
        """Keep the labelled clips, and weigh them against the text.

        Raises
        ------
        ParameterError
            The backbone reads no text, or there are fewer than two classes.
        """
        if context is None or context.backbone is None:
            raise ParameterError("system: text-adapter needs a backbone that reads text")
        present = np.flatnonzero(train.targets.any(axis=0))
        if len(present) < 2:
            raise ParameterError("a classifier needs clips of at least two classes to learn from")
        backbone = reading(context.backbone())
        self.classes_ = [train.classes[at] for at in present]
        words = {n: said for n, said in self.options.words.items() if n in self.classes_}
        self.text_ = text_prototypes(
            backbone, self.classes_, prompts=self.options.prompts, words=words
        )
        self.scale_ = float(backbone.text_scale)
        audio = unit(train.means())
        self.centre_ = audio.mean(axis=0)
        self.support_ = unit(audio - self.centre_)
        self.of_class_ = train.targets[:, present].argmax(axis=1)
        self.sharpness_, self.weight_ = self._chosen(audio)
        return self

    def _chosen(self, audio: FloatArray) -> tuple[float, float]:
        counts = np.bincount(self.of_class_)
        if counts.min() < 2:
            return PLAIN
        text = log_softmax(self.scale_ * audio @ self.text_.T, axis=1)
        rows = np.arange(len(audio))
        found = []
        for sharpness in SHARPNESS:
            density = self._density(self.support_, sharpness, left_out=True)
            for weight in WEIGHT:
                told = log_softmax(text + weight * density, axis=1)[rows, self.of_class_]
                found.append((float(told.mean()), sharpness, weight))
        _, sharpness, weight = max(found)
        return sharpness, weight

    def _density(
        self, centred: FloatArray, sharpness: float, *, left_out: bool = False
    ) -> FloatArray:
        """Logarithm of the mean kernel of each class, (n, dim) -> (n, C)."""
        kernels = sharpness * centred @ self.support_.T
        if left_out:
            np.fill_diagonal(kernels, -np.inf)
        found = np.empty((len(centred), len(self.classes_)))
        for at in range(len(self.classes_)):
            rows = np.flatnonzero(self.of_class_ == at)
            others = len(rows) - (self.of_class_ == at) if left_out else len(rows)
            found[:, at] = logsumexp(kernels[:, rows], axis=1) - np.log(others)
        return found

    def predict(self, examples: Examples) -> Scores:
        """Probabilities of windows; clips are told by their mean embedding."""
        windows = self.probabilities(examples.windows())
        return Scores(tuple(self.classes_), windows, self.probabilities(examples.means()))

    def probabilities(self, X: npt.NDArray[Any]) -> FloatArray:
        """Probabilities of the classes, (N, dim) -> (N, C)."""
        audio = unit(X)
        text = log_softmax(self.scale_ * audio @ self.text_.T, axis=1)
        density = self._density(unit(audio - self.centre_), self.sharpness_)
        return np.asarray(softmax(text + self.weight_ * density, axis=1))

    def chosen(self) -> dict[str, Any]:
        """Sharpness and weight of the labelled clips."""
        return {"sharpness": self.sharpness_, "weight": self.weight_}

    def save(self, folder: Path) -> None:
        """Write what was kept into `folder`, which is made, without pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / ARRAYS,
            text=self.text_,
            support=self.support_,
            centre=self.centre_,
            of_class=self.of_class_,
        )
        facts = {
            "settings": self.options.model_dump(),
            "classes": self.classes_,
            "scale": self.scale_,
            **self.chosen(),
        }
        (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            found = cls(**facts["settings"])
            found.classes_ = facts["classes"]
            found.scale_ = facts["scale"]
            found.sharpness_, found.weight_ = facts["sharpness"], facts["weight"]
            with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                found.text_, found.support_ = arrays["text"], arrays["support"]
                found.centre_, found.of_class_ = arrays["centre"], arrays["of_class"]
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise StoreError(f"{folder} holds no text adapter ({error})") from error
        return found
