"""Labelled clips and what is said of their classes together, with nothing trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar, Literal, Self
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import softmax

from faunashot import options
from faunashot.backbones.base import reading
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, Level, TrainingContext
from faunashot.estimators.examples import Examples, FloatArray, Scores
from faunashot.estimators.prompts import PROMPTS, text_prototypes
from faunashot.estimators.text_prototypes import unit
from faunashot.estimators.text_recipes import RECIPES, Asked, Labelled, Recipe

FACTS, ARRAYS = "text_adapter.json", "text_adapter.npz"


class TextAdapter(Estimator):
    """Classes by the cosine of a clip with their text, and by its likeness to labelled clips.

    How the two are put together is the recipe's: ``mixture`` is our own, ``treff`` and ``muka``
    are those of the literature, see `faunashot.estimators.text_recipes`. Their settings are those
    under which every labelled clip, left out, is told best by the others: there is nothing to
    train, and nothing to hold back. For any backbone that hears and reads, and others joined to it,
    which come after it: ``clap_general+yamnet``.

    Parameters
    ----------
    seed : int
        Nothing is drawn.
    **settings
        Of `Options`.

    References
    ----------
    J. Liang et al. Adapting language-audio models as few-shot audio learners. Interspeech 2023;
    A. Ouasfi et al. MUKA: Multi kernel audio adaptation of audio-language models. arXiv 2602.14127.
    """

    class Options(options.Options):
        """Settings.

        Attributes
        ----------
        prompts : tuple of str
            Sentences with ``{}`` in the place of a class' name.
        words : mapping of str to tuple of str
            What to say of a class in place of its name.
        recipe : "mixture", "treff" or "muka"
            How text and labelled clips are put together.
        """

        prompts: tuple[str, ...] = Field(PROMPTS, min_length=1)
        words: dict[str, tuple[str, ...]] = Field(default_factory=dict)
        recipe: Literal["mixture", "treff", "muka"] = "mixture"

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
        spec = train.features.spec
        self.blocks_ = list(spec.blocks or (spec.dim,))
        if self.blocks_[0] != self.text_.shape[1]:
            raise ParameterError(
                f"layer: the features have {self.blocks_[0]} numbers, and the texts of "
                f"{spec.backbone} {self.text_.shape[1]}: use its default layer"
            )
        self.support_ = self._unit(train.means())
        self.centre_ = self.support_.mean(axis=0)
        self.targets_ = np.eye(len(present))[train.targets[:, present].argmax(axis=1)]
        self.settings_ = self._recipe.chosen(self._labelled())
        return self

    @property
    def _recipe(self) -> Recipe:
        return RECIPES[self.options.recipe]

    def _labelled(self) -> Labelled:
        return Labelled(*self._asked(self.support_), self.targets_, self.scale_)

    def _asked(self, audio: FloatArray) -> Asked:
        """What is known of rows of `_unit`."""
        blocks = len(self.blocks_)
        centred = self._unit(audio - self.centre_) @ self._unit(self.support_ - self.centre_).T
        text = audio[:, : self.blocks_[0]] @ self.text_.T
        return Asked(text, blocks - audio @ self.support_.T, blocks - centred)

    def _unit(self, X: npt.NDArray[Any]) -> FloatArray:
        """Rows whose part of each backbone is of length 1."""
        return np.hstack([unit(part) for part in np.split(X, np.cumsum(self.blocks_)[:-1], axis=1)])

    def predict(self, examples: Examples) -> Scores:
        """Probabilities of windows; clips are told by their mean embedding."""
        windows = self.probabilities(examples.windows())
        return Scores(tuple(self.classes_), windows, self.probabilities(examples.means()))

    def probabilities(self, X: npt.NDArray[Any]) -> FloatArray:
        """Probabilities of the classes, (N, dim) -> (N, C)."""
        logits = self._recipe.logits(self._labelled(), self._asked(self._unit(X)), **self.settings_)
        return np.asarray(softmax(logits, axis=1))

    def chosen(self) -> dict[str, Any]:
        """Settings of the recipe."""
        return dict(self.settings_)

    def save(self, folder: Path) -> None:
        """Write what was kept into `folder`, which is made, without pickle."""
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(
            folder / ARRAYS,
            text=self.text_,
            support=self.support_,
            centre=self.centre_,
            targets=self.targets_,
        )
        facts = {
            "settings": self.options.model_dump(),
            "classes": self.classes_,
            "scale": self.scale_,
            "blocks": self.blocks_,
            "chosen": self.chosen(),
        }
        (folder / FACTS).write_text(json.dumps(facts, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            found = cls(**facts["settings"])
            found.classes_, found.blocks_ = facts["classes"], facts["blocks"]
            found.scale_, found.settings_ = facts["scale"], facts["chosen"]
            with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
                found.text_, found.support_ = arrays["text"], arrays["support"]
                found.centre_, found.targets_ = arrays["centre"], arrays["targets"]
        except (OSError, EOFError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise StoreError(f"{folder} holds no text adapter ({error})") from error
        return found
