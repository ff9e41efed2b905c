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
from faunashot.backbones.base import Backbone, FloatArray
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.heads.base import load_head, save_head, scores_of
from faunashot.estimators.temperature import Tempered, temper
from faunashot.estimators.unknown import Novelty
from faunashot.features.extract import embed_recording
from faunashot.features.join import BY, join
from faunashot.files import whole_folder

FORMAT = 2
HEAD, NETWORK, NOVELTY, FACTS = "head.skops", "network", "unknown.skops", "model.json"
UNKNOWN = "unknown"
"""Label of a recording that is like none of those that were learned from."""


@dataclass(frozen=True)
class Recognition:
    """What was heard in a recording.

    Attributes
    ----------
    label : the most probable class, or "unknown".
    probabilities : of each class, over the whole recording; they sum to 1. They say which class
        it is if it is one of them, also where it is unknown.
    windows : start and end in seconds, and the scores of each class.
    unknown_score : how unlike it is to what was learned from; None where the model cannot say.
    """

    label: str
    probabilities: dict[str, float]
    windows: list[tuple[float, float, dict[str, float]]]
    unknown_score: float | None = None


class Recogniser:
    """Backbone and head, and what tells a recording of no class where there is that.

    Parameters
    ----------
    head : fitted, with ``predict_proba`` over `classes`.
    facts : JSON-ready: ``backbones`` (of each name, options, version, weights_hash), ``takes``
        ("clips", "windows" or "scores"), ``classes``, and what it was trained on. With `novelty`,
        ``unknown`` holds its ``threshold`` and how that was set: the ``false_alarm_rate`` on
        ``recordings`` (how many) of ``background`` (of what). Where `head` was tempered,
        ``temperature`` holds its ``value`` and the ``clips`` (how many) it was fitted on.
    novelty : fitted on clip embeddings.

    Raises
    ------
    ParameterError
        There is a detector without its threshold, a threshold without its detector, or a class
        named "unknown" beside one.
    """

    def __init__(self, head: Any, facts: dict[str, Any], novelty: Novelty | None = None) -> None:
        self.head = head
        self.facts = facts
        self.novelty = novelty
        self.classes: list[str] = list(facts["classes"])
        self.backbone_name: str = BY.join(made["name"] for made in facts["backbones"])
        if (novelty is None) != (not facts.get("unknown")):
            raise ParameterError("unknown: a detector comes with its threshold, and not without")
        if novelty is not None and UNKNOWN in self.classes:
            raise ParameterError(f"classes: {UNKNOWN!r} is what none of them is called; rename it")

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
        novelty = load_head(folder / NOVELTY) if facts.get("unknown") else None
        if not isinstance(novelty, Novelty | None):
            raise StoreError(f"{folder / NOVELTY} is no detector of the unknown: run `dvc repro`")
        if facts["takes"] == "windows":
            from faunashot.estimators.training.classifier import classifier

            network = classifier(facts["system"]["head"]).load(folder / NETWORK)
            return cls(Tempered(network, facts["temperature"]["value"]), facts, novelty)
        return cls(load_head(folder / HEAD), facts, novelty)

    def save(self, folder: Path) -> None:
        """Write the model; it is there as a whole or not at all."""
        with whole_folder(folder) as draft:
            if self.facts["takes"] == "windows":
                self.head.head.save(draft / NETWORK)
            else:
                save_head(self.head, draft / HEAD)
            if self.novelty is not None:
                save_head(self.novelty, draft / NOVELTY)
            facts = {"format": FORMAT, **self.facts}
            (draft / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n")

    @cached_property
    def backbones(self) -> list[Backbone]:
        """The backbones, loaded.

        Raises
        ------
        StoreError
            Their weights are not those that the head was trained on.
        """
        loaded = []
        for made_with in self.facts["backbones"]:
            backbone = registry.load(made_with["name"], **made_with["options"])
            if backbone.weights_hash != made_with["weights_hash"]:
                raise StoreError(
                    f"the head was trained on {backbone.name} with weights "
                    f"{made_with['weights_hash'][:12]}, here are {backbone.weights_hash[:12]}"
                )
            loaded.append(backbone)
        return loaded

    def recognise(self, source: Path | bytes) -> Recognition:
        """Recognise a file, or the bytes of one.

        Raises
        ------
        AudioError
            It cannot be decoded.
        """
        embeddings, start_s, end_s = self._features(source)
        clip = np.average(embeddings, axis=0, weights=end_s - start_s)[None]
        features = embeddings
        if self.facts["takes"] == "scores":
            (backbone,) = self.backbones
            features = backbone.classify(embeddings)
        scores = scores_of(self.head, features, self.classes)
        if self.facts["takes"] == "clips":
            mean = scores_of(self.head, clip.astype(np.float32), self.classes)[0]
        elif self.facts["takes"] == "windows":  # pooled first: so the temperature was fitted
            plain = scores_of(self.head.head, features, self.classes)
            pooled = np.average(plain, axis=0, weights=end_s - start_s)
            mean = temper(pooled[None], self.head.temperature)[0]
        else:
            mean = np.average(scores, axis=0, weights=end_s - start_s)
        total = mean.sum()
        share = mean / total if total > 0 else np.full(len(mean), 1 / len(mean))
        label, unknown_score = self.classes[int(share.argmax())], None
        if self.novelty is not None:
            unknown_score = float(self.novelty.score(clip)[0])
            if unknown_score > self.facts["unknown"]["threshold"]:
                label = UNKNOWN
        return Recognition(
            label=label,
            probabilities=self._named(share),
            windows=[
                (float(start), float(end), self._named(row))
                for start, end, row in zip(start_s, end_s, scores, strict=True)
            ],
            unknown_score=unknown_score,
        )

    def _features(
        self, source: Path | bytes
    ) -> tuple[FloatArray, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Embeddings of a recording's windows, (N, dim), and what each covers, in seconds."""
        joined = join([embed_recording(source, backbone) for backbone in self.backbones])
        start_s, end_s = (joined.index[name].to_numpy() for name in ("start_s", "end_s"))
        return joined.windows, start_s, end_s

    def _named(self, values: npt.NDArray[np.float64]) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.classes, values, strict=True)}
