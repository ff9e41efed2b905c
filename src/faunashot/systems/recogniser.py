"""A trained system as one object: a recording in, class probabilities out."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.backbones import registry
from faunashot.backbones.base import Backbone
from faunashot.backbones.extract import cut, embed_windows
from faunashot.backbones.store import whole_folder
from faunashot.classifiers.heads import load_head, save_head, scores_of
from faunashot.errors import StoreError

FORMAT = 1
HEAD, FACTS = "head.skops", "model.json"


@dataclass(frozen=True)
class Recognition:
    """What was heard in a recording.

    Attributes
    ----------
    label : the most probable class.
    probabilities : of each class, over the whole recording; they sum to 1.
    windows : start and end in seconds, and the scores of each class.
    """

    label: str
    probabilities: dict[str, float]
    windows: list[tuple[float, float, dict[str, float]]]


class Recogniser:
    """Backbone and head.

    Parameters
    ----------
    head : fitted, with ``predict_proba`` over `classes`.
    facts : JSON-ready: ``backbone`` (name, options, version, weights_hash), ``takes``
        ("embeddings" or "scores"), ``classes``, and what it was trained on.
    """

    def __init__(self, head: Any, facts: dict[str, Any]) -> None:
        self.head = head
        self.facts = facts
        self.classes: list[str] = list(facts["classes"])
        self.backbone_name: str = facts["backbone"]["name"]

    @classmethod
    def load(cls, folder: Path) -> Recogniser:
        """Load what `save` wrote; the backbone's weights come when first needed.

        Raises
        ------
        StoreError
            The folder holds no model, or one of another format.
        """
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{folder} holds no model: run `dvc repro` ({error})") from error
        if facts.get("format") != FORMAT:
            raise StoreError(f"{folder} has format {facts.get('format')}, this reads {FORMAT}")
        return cls(load_head(folder / HEAD), facts)

    def save(self, folder: Path) -> None:
        """Write the model; it is there as a whole or not at all."""
        with whole_folder(folder) as draft:
            save_head(self.head, draft / HEAD)
            facts = {"format": FORMAT, **self.facts}
            (draft / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone, loaded.

        Raises
        ------
        StoreError
            Its weights are not those that the head was trained on.
        """
        made_with = self.facts["backbone"]
        loaded = registry.load(made_with["name"], **made_with["options"])
        if loaded.weights_hash != made_with["weights_hash"]:
            raise StoreError(
                f"the head was trained on {loaded.name} with weights "
                f"{made_with['weights_hash'][:12]}, here are {loaded.weights_hash[:12]}"
            )
        return loaded

    def recognise(self, source: Path | bytes) -> Recognition:
        """Recognise a file, or the bytes of one.

        Raises
        ------
        AudioError
            It cannot be decoded.
        """
        found = cut(source, self.backbone)
        features = embed_windows(found.windows, self.backbone)
        if self.facts["takes"] == "scores":
            features = self.backbone.classify(features)
        scores = scores_of(self.head, features, self.classes)
        mean = np.average(scores, axis=0, weights=found.end_s - found.start_s)
        total = mean.sum()
        share = mean / total if total > 0 else np.full(len(mean), 1 / len(mean))
        return Recognition(
            label=self.classes[int(share.argmax())],
            probabilities=self._named(share),
            windows=[
                (float(start), float(end), self._named(row))
                for start, end, row in zip(found.start_s, found.end_s, scores, strict=True)
            ],
        )

    def _named(self, values: npt.NDArray[np.float64]) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.classes, values, strict=True)}
