"""Target classes scored without a target label to learn from.

`ontology` reads the backbone's own class scores through a table of names. `text` compares what a
backbone hears with what it reads of each class. `assignment` trains a
head on the source corpus and matches its outputs one to one to target classes: a diagnostic that
looks at target labels, and so comes with its level under shuffled labels, and with how well the
head's outputs tell the target's clips apart beside the embeddings that they are made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import Field, field_validator

from faunashot import options
from faunashot.backbones.base import own_classes, reading
from faunashot.data.labels import carry_several
from faunashot.errors import ParameterError
from faunashot.estimators.base import Estimator
from faunashot.estimators.class_map import (
    ClassMap,
    class_score_features,
    read_class_map,
    spelled,
)
from faunashot.estimators.prompts import PROMPTS, text_prototypes
from faunashot.estimators.text_prototypes import TextPrototypes
from faunashot.evaluation.uncertainty import bootstrap_by_group
from faunashot.params import ABSENT
from faunashot.protocols.base import Outcome, Protocol
from faunashot.protocols.support.design import Design
from faunashot.protocols.support.scoring import scored
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task

UNMATCHED = "(none)"
"""What a clip counts as whose winning output is matched to no class."""

WHERE: dict[str, Any] = {"k": 0, "labelled_least": 0, "labelled_most": 0, "episode": -1}
"""No labelled clips, no draws."""

SMALLEST = 1e-6
"""Least output whose logarithm describes a clip."""


class ZeroShot(Protocol):
    """Every clip of the target scored, by the backbone's own classes or those of a source."""

    class Options(options.Options):
        """Settings of the protocol.

        Attributes
        ----------
        mode : "ontology", "text" or "assignment"
            The backbone's classes by their names, the names as text, or the outputs of a head of
            the source corpus.
        class_map : path, optional
            A table of class names of the user's own, see `class_map`.
        shuffles : int
            Of the labels, for the chance level of an assignment.
        prompts : tuple of str
            Of text: sentences with ``{}`` in the place of a class' name.
        words : mapping of str to tuple of str
            Of text: what to say of a class in place of its name.
        transduce : bool
            Of text: whether the clips, without their labels, correct what the text says, see
            `faunashot.estimators.text_prototypes.TextPrototypes.corrected`.
        """

        mode: Literal["ontology", "text", "assignment"] = "ontology"
        class_map: Path | None = None
        shuffles: int = Field(200, ge=20)
        prompts: tuple[str, ...] = Field(PROMPTS, min_length=1)
        words: dict[str, tuple[str, ...]] = Field(default_factory=dict)
        transduce: bool = False

        @field_validator("class_map")
        @classmethod
        def _none_given(cls, class_map: Path | None) -> Path | None:
            return None if class_map == ABSENT else class_map

    learns_target = False

    def run(self, task: Task) -> Outcome:
        """Score every clip of the target.

        Raises
        ------
        ParameterError
            The backbone has no classes of its own, none of the target's is mapped, or an
            assignment has no source, or clips of several labels.
        """
        self.refuse(task.design)
        if self.settings.mode == "assignment":
            return _assignment(task, self.settings.shuffles)
        if self.settings.mode == "text":
            return self._text(task)
        return _ontology(task, self.settings.class_map)

    def _text(self, task: Task) -> Outcome:
        classes, settings = task.target.classes, self.settings
        if task.backbone is None:
            raise ParameterError("protocols.zero_shot.mode: text needs a backbone that reads text")
        backbone = task.backbone()
        said = text_prototypes(
            reading(backbone), classes, prompts=settings.prompts, words=settings.words
        )
        if said.shape[1] != (dim := task.target.spec.dim):
            raise ParameterError(
                f"layer: the features have {dim} numbers, and the texts of {backbone.card.name} "
                f"{said.shape[1]}: use its default layer"
            )
        model = TextPrototypes(classes, said, scale=backbone.text_scale)
        notes = []
        if settings.transduce:
            everything = task.target.clips["clip_id"].tolist()
            model = model.corrected(task.target.means(everything))
            notes.append("the clips that are scored have corrected the text, without their labels")
        facts = {"mode": "text", "prompts": list(settings.prompts), "words": settings.words}
        return _outcome(
            task, task.target, model, facts=facts | {"transduced": settings.transduce}, notes=notes
        )

    def refuse(self, design: Design) -> None:
        """Raise where the tables of the corpora tell that this cannot be run.

        Raises
        ------
        ParameterError
            An assignment has no source, or an assignment or text has clips of several labels.
        """
        if self.settings.mode == "text" and carry_several(design.clips):
            raise ParameterError(
                "protocols.zero_shot.mode: text tells one label a clip, and clips of this corpus "
                "carry several; use ontology"
            )
        if self.settings.mode != "assignment":
            return
        if design.source.empty:
            raise ParameterError(
                "protocols.zero_shot.mode: assignment needs a source corpus to train the head on; "
                "set source, such as `-S source=gtzan`"
            )
        if carry_several(design.clips):
            raise ParameterError(
                "protocols.zero_shot.mode: assignment matches one label a clip, and clips of this "
                "corpus carry several; use ontology"
            )


def class_map(
    vocabulary: str, known: Sequence[str], wanted: Sequence[str], *, extra: Path | None = None
) -> dict[str, list[str] | None]:
    """Names of `known` mapped to each wanted class: none where unmapped, None where not listed.

    Parameters
    ----------
    vocabulary : str
        Of the table that comes with faunashot, if one of that name does. A class that it does not
        list is mapped to those of the backbone that are spelled as it is.
    known : sequence of str
        The backbone's classes.
    wanted : sequence of str
        Target classes; case does not count, and a space or hyphen is an underscore.
    extra : Path, optional
        A table of the same columns; what it says of a label replaces what ours says.

    Raises
    ------
    ParameterError
        A table cannot be read, or maps a name that the backbone does not know.
    """
    table: dict[str, list[str]] = {}
    for name in known:
        table.setdefault(spelled(name), []).append(name)
    file = resources.files("faunashot.protocols").joinpath(f"classmaps/{vocabulary}.csv")
    if file.is_file():
        with resources.as_file(file) as path:
            table |= read_class_map(path, known)
    if extra is not None:
        table |= read_class_map(extra, known)
    return {label: table.get(spelled(label)) for label in wanted}


def _ontology(task: Task, extra: Path | None) -> Outcome:
    classes = task.target.classes
    if task.backbone is None:
        raise ParameterError(
            "protocols.zero_shot.mode: ontology needs a backbone with classes of its own; or use "
            "assignment with a source corpus"
        )
    backbone = task.backbone()
    known = own_classes(backbone).class_list
    listed = class_map(known.vocabulary, known.names, classes, extra=extra)
    mapped = {label: names or [] for label, names in listed.items()}
    unmapped = [label for label in classes if not mapped[label]]
    if len(unmapped) == len(classes):
        raise ParameterError(
            f"protocols.zero_shot.mode: none of {', '.join(classes)} is in "
            f"classmaps/{known.vocabulary}.csv; map them in a table of your own "
            "(label,source_class), protocols.zero_shot.class_map"
        )
    at = {name: i for i, name in enumerate(known.names)}
    columns = [[at[name] for name in mapped[label]] for label in classes]
    model = ClassMap(classes, columns, names=known.several)
    table = task.target.through(partial(class_score_features, backbone=backbone))
    notes = [
        _note(label, backbone.card.name, known=listed[label] is not None) for label in unmapped
    ]
    return _outcome(
        task,
        table,
        model,
        facts={"mode": "ontology", "unmapped": unmapped, "mapped": mapped},
        notes=notes,
    )


def _outcome(
    task: Task, table: WindowTable, model: Estimator, *, facts: dict[str, Any], notes: list[str]
) -> Outcome:
    """What a map of classes scores of all clips of a table."""
    everything = table.clips["clip_id"].tolist()
    found = scored(replace(task, target=table, test_conditions={}), model, everything, **WHERE)
    return Outcome(
        held_out=_with_fold(task, found.clips),
        windows=_with_fold(task, found.windows),
        classes=task.target.classes,
        headline_k=0,
        estimator=model,
        multi_label=task.target.multi_label,
        facts=facts,
        notes=notes,
    )


def _note(label: str, backbone: str, *, known: bool) -> str:
    if known:
        return f"class {label}: no class of {backbone} is mapped to it, it scores 0"
    return (
        f"class {label}: no table says which classes of {backbone} it is, it scores 0; "
        f"add `{label},<a class of {backbone}>` to a table of your own, "
        "protocols.zero_shot.class_map"
    )


def _assignment(task: Task, shuffles: int) -> Outcome:
    target, classes, head = task.target, task.target.classes, task.source_head
    features = target.means(target.clips["clip_id"].tolist())
    outputs = head.predict_proba(features)
    of_source = [str(c) for c in head.classes_]
    matched, figures = _matched(target.clips, classes, outputs, shuffles, seed=task.seed)
    columns = [[matched[i]] if i in matched else [] for i in range(len(classes))]
    described = {"source_head": np.log(np.maximum(outputs, SMALLEST)), "embedding": features}
    return _outcome(
        task,
        target,
        ClassMap(classes, columns, head=head),
        facts={
            "mode": "assignment",
            "matched": {classes[t]: of_source[s] for t, s in sorted(matched.items())},
            **figures,
            **_representations(target.clips, described, seed=task.seed),
        },
        notes=["assignment looks at target labels to match outputs: compare it with chance only"],
    )


def _matched(
    clips: pd.DataFrame, classes: list[str], outputs: npt.NDArray[Any], shuffles: int, *, seed: int
) -> tuple[dict[int, int], dict[str, float | None]]:
    """Source output by target class, and its accuracy beside that under shuffled labels."""
    guess, group = outputs.argmax(axis=1), clips["group"].to_numpy()
    truth = pd.Categorical(clips["label"], categories=classes).codes.astype(int)
    sizes = {"n_target": len(classes), "n_source": outputs.shape[1]}
    matched, accuracy = match(truth, guess, **sizes)
    rng = np.random.default_rng(seed)
    shuffled = (shuffle_by_group(truth, group, rng=rng) for _ in range(shuffles))
    chance = np.array([match(one, guess, **sizes)[1] for one in shuffled])
    named = {output: classes[at] for at, output in matched.items()}
    interval = bootstrap_by_group(
        clips["label"],
        [named.get(output, UNMATCHED) for output in guess],
        group,
        [*classes, UNMATCHED],
        seed=seed,
    )["accuracy"]
    # the labels as they are count as one shuffle (Phipson and Smyth 2010), so it is never 0
    as_good = 1 + (chance >= accuracy).sum()
    return matched, {
        "assigned_accuracy": round(accuracy, 4),
        "assigned_accuracy_low": _rounded(interval.low),
        "assigned_accuracy_high": _rounded(interval.high),
        "assigned_p_value": round(float(as_good / (1 + shuffles)), 4),
        "chance_accuracy": round(float(chance.mean()), 4),
        "chance_accuracy_high": round(float(np.quantile(chance, 0.95)), 4),
    }


def match(
    truth: npt.NDArray[Any], guess: npt.NDArray[Any], *, n_target: int, n_source: int
) -> tuple[dict[int, int], float]:
    """The one-to-one matching of source outputs to target classes with the best accuracy.

    Parameters
    ----------
    truth, guess : ndarray, shape (N,)
        Target class and winning source output of each clip.

    Returns
    -------
    tuple of dict and float
        Source output by target class, and the accuracy; clips of unmatched outputs are wrong.

    References
    ----------
    H. W. Kuhn. The Hungarian method for the assignment problem. 1955.
    """
    counts = np.zeros((n_target, n_source), dtype=int)
    np.add.at(counts, (truth, guess), 1)
    from scipy.optimize import linear_sum_assignment

    target, source = linear_sum_assignment(counts, maximize=True)
    return dict(zip(target.tolist(), source.tolist(), strict=True)), float(
        counts[target, source].sum() / len(truth)
    )


def shuffle_by_group(
    labels: npt.NDArray[Any], groups: npt.NDArray[Any], *, rng: np.random.Generator
) -> npt.NDArray[Any]:
    """Labels dealt anew, those of a source recording kept together.

    Clips of one recording are alike, so labels shuffled one by one would make chance look smaller
    than it is. The labels of whole recordings are laid end to end in a drawn order along the
    clips, sorted by recording: each class keeps its number of clips, and where recordings have
    unequal numbers of clips a run of labels may end within one.

    Parameters
    ----------
    labels, groups : ndarray, shape (N,)
        Of each clip.
    """
    _, group = np.unique(groups.astype(str), return_inverse=True)
    by_group = np.argsort(group, kind="stable")
    drawn = np.argsort(rng.permutation(group.max() + 1)[group], kind="stable")
    shuffled = np.empty_like(labels)
    shuffled[by_group] = labels[drawn]
    return shuffled


def _representations(
    clips: pd.DataFrame, described: dict[str, npt.NDArray[Any]], *, seed: int
) -> dict[str, float | None]:
    """Figures of each representation of the clips, as ``representation_NAME_FIGURE``."""
    from faunashot.evaluation.representation import representation

    return {
        f"representation_{name}_{figure}": _rounded(value)
        for name, features in described.items()
        for figure, value in representation(
            features, clips["label"], clips["group"], seed=seed
        ).items()
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _with_fold(task: Task, table: pd.DataFrame) -> pd.DataFrame:
    official = task.target.clips.set_index("clip_id")["fold"].fillna("none")
    return table.assign(fold=official.loc[table["clip_id"]].to_numpy())
