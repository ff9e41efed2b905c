"""Target classes scored without a target label to learn from.

`ontology` reads the backbone's own class scores through a table of names. `assignment` trains a
head on the source corpus and matches its outputs one to one to target classes: a diagnostic that
looks at target labels, and so comes with its level under shuffled labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from faunashot.backbones.base import Backbone
from faunashot.classifiers.class_map import ClassMap
from faunashot.errors import ParameterError
from faunashot.params import ProtocolParams
from faunashot.protocols.base import Outcome, Task, decide

POOL = {"audioset": "mean", "birdnet": "max"}
"""AudioSet's names of a class are heard together (Dog, Bark); BirdNET's are species."""


def run(task: Task, params: ProtocolParams, *, backbone: Backbone | None = None) -> Outcome:
    """Score every clip of the target; `backbone` is needed by `ontology` alone."""
    if params.zero_shot == "assignment":
        return _assignment(task, params)
    if backbone is None or backbone.classes is None or backbone.vocabulary is None:
        name = backbone.name if backbone is not None else "this backbone"
        raise ParameterError(
            f"protocol.zero_shot: ontology needs a backbone with classes of its own, {name} has "
            "none; use yamnet or birdnet, or protocol.zero_shot=assignment with a source corpus"
        )
    return _ontology(task, backbone, backbone.classes, backbone.vocabulary)


def class_map(vocabulary: str, known: Sequence[str], wanted: Sequence[str]) -> dict[str, list[int]]:
    """Indices into `known` of the names mapped to each wanted class; none where unmapped.

    Raises
    ------
    ParameterError
        The table names a class that the backbone does not know.
    """
    file = resources.files("faunashot.protocols").joinpath(f"classmaps/{vocabulary}.csv")
    with resources.as_file(file) as path:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    at = {name: i for i, name in enumerate(known)}
    found: dict[str, list[int]] = {label: [] for label in wanted}
    for label, name in table[["label", "source_class"]].itertuples(index=False):
        if name and name not in at:
            raise ParameterError(f"classmaps/{vocabulary}.csv: {name!r} is none of its classes")
        if name and label in found:
            found[label].append(at[name])
    return found


def _ontology(task: Task, backbone: Backbone, known: Sequence[str], vocabulary: str) -> Outcome:
    classes = task.target.classes
    mapped = class_map(vocabulary, known, classes)
    unmapped = [label for label in classes if not mapped[label]]
    if len(unmapped) == len(classes):
        raise ParameterError(
            f"protocol.zero_shot: none of {', '.join(classes)} is in classmaps/{vocabulary}.csv"
        )
    head = ClassMap(classes, [mapped[label] for label in classes], pool=POOL[vocabulary])
    everything = task.target.clips["clip_id"].tolist()
    embeddings = task.target.of(everything)
    scores = np.concatenate(
        [head.predict_proba(backbone.classify(part)) for part in _blocks(embeddings)]
    )
    return Outcome(
        held_out=_all_held_out(task, everything, scores, classes),
        classes=classes,
        headline_k=0,
        head=head,
        takes="scores",
        facts={
            "mode": "ontology",
            "unmapped": unmapped,
            "mapped": {c: [known[i] for i in mapped[c]] for c in classes},
        },
        notes=[
            f"class {c}: no class of {backbone.name} is mapped to it, it scores 0" for c in unmapped
        ],
    )


def _assignment(task: Task, params: ProtocolParams) -> Outcome:
    source = task.source.clips["clip_id"].tolist()
    if not source:
        raise ParameterError(
            "protocol.zero_shot: assignment needs a source corpus to train the head on; "
            "set source, such as `-S source=gtzan`"
        )
    windows, labels, weight = task.source.learn(source)
    head = task.head().fit(windows, labels, sample_weight=weight)
    classes = task.target.classes
    everything = task.target.clips["clip_id"].tolist()
    outputs = head.predict_proba(task.target.of(everything))
    of_source = [str(c) for c in head.classes_]
    heard = decide(task.target.held_out(everything, outputs, of_source), of_source)
    guess = pd.Categorical(heard.loc[everything], categories=of_source).codes
    truth = pd.Categorical(task.target.clips["label"], categories=classes).codes
    matched, accuracy = match(truth, guess, n_target=len(classes), n_source=len(of_source))
    rng = np.random.default_rng(task.seed)
    chance = [
        match(rng.permutation(truth), guess, n_target=len(classes), n_source=len(of_source))[1]
        for _ in range(params.shuffles)
    ]
    final = ClassMap(classes, [[matched[i]] if i in matched else [] for i in range(len(classes))])
    served = ClassMap(final.classes, final.columns, head=head)
    return Outcome(
        held_out=_all_held_out(task, everything, final.predict_proba(outputs), classes),
        classes=classes,
        headline_k=0,
        head=served,
        facts={
            "mode": "assignment",
            "matched": {classes[t]: of_source[s] for t, s in sorted(matched.items())},
            "assigned_accuracy": round(accuracy, 4),
            "chance_accuracy": round(float(np.mean(chance)), 4),
            "chance_accuracy_high": round(float(np.quantile(chance, 0.95)), 4),
        },
        notes=["assignment looks at target labels to match outputs: compare it with chance only"],
    )


def match(
    truth: npt.NDArray[Any], guess: npt.NDArray[Any], *, n_target: int, n_source: int
) -> tuple[dict[int, int], float]:
    """The one-to-one matching of source outputs to target classes with the best accuracy.

    Parameters
    ----------
    truth, guess : (N,) target class and winning source output of each clip.

    Returns
    -------
    Source output by target class, and the accuracy; clips of unmatched outputs are wrong.

    References
    ----------
    H. W. Kuhn. The Hungarian method for the assignment problem. 1955.
    """
    counts = np.zeros((n_target, n_source), dtype=int)
    np.add.at(counts, (truth, guess), 1)
    target, source = linear_sum_assignment(counts, maximize=True)
    return dict(zip(target.tolist(), source.tolist(), strict=True)), float(
        counts[target, source].sum() / len(truth)
    )


def _all_held_out(
    task: Task, clip_ids: list[str], scores: npt.NDArray[Any], classes: list[str]
) -> pd.DataFrame:
    table = task.target.held_out(clip_ids, scores, classes, k=0, episode=-1)
    official = task.target.clips.set_index("clip_id")["fold"].fillna("none")
    return table.assign(fold=official.loc[table["clip_id"]].to_numpy())


def _blocks(array: npt.NDArray[Any], size: int = 4096) -> list[npt.NDArray[Any]]:
    return [array[at : at + size] for at in range(0, len(array), size)]
