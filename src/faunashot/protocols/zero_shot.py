"""Target classes scored without a target label to learn from.

`ontology` reads the backbone's own class scores through a table of names. `assignment` trains a
head on the source corpus and matches its outputs one to one to target classes: a diagnostic that
looks at target labels, and so comes with its level under shuffled labels, and with how well the
head's outputs tell the target's clips apart beside the embeddings that they are made from.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linear_sum_assignment

from faunashot.backbones.base import Backbone, ClassList, class_scores, own_classes
from faunashot.errors import ParameterError
from faunashot.estimators.class_map import ClassMap, read_class_map, spelled
from faunashot.evaluation.representation import representation
from faunashot.evaluation.uncertainty import bootstrap_by_group
from faunashot.params import ProtocolParams
from faunashot.protocols.base import Outcome, Task

UNMATCHED = "(none)"
"""What a clip counts as whose winning output is matched to no class."""

WHERE = {"k": 0, "episode": -1}
"""No labelled clips, no draws."""

SMALLEST = 1e-6
"""Least output whose logarithm describes a clip."""


def run(
    task: Task,
    params: ProtocolParams,
    *,
    backbone: Backbone | None = None,
    extra: Path | None = None,
) -> Outcome:
    """Score every clip of the target.

    Parameters
    ----------
    backbone : needed by `ontology` alone.
    extra : a table of class names of the user's own, see `class_map`.
    """
    if params.zero_shot == "assignment":
        return _assignment(task, params)
    if backbone is None:
        raise ParameterError(
            "protocol.zero_shot: ontology needs a backbone with classes of its own; or use "
            "protocol.zero_shot=assignment with a source corpus"
        )
    return _ontology(task, backbone, own_classes(backbone).class_list, extra)


def class_map(
    vocabulary: str, known: Sequence[str], wanted: Sequence[str], *, extra: Path | None = None
) -> dict[str, list[str] | None]:
    """Names of `known` mapped to each wanted class: none where unmapped, None where not listed.

    Parameters
    ----------
    vocabulary : of the table that comes with faunashot.
    known : the backbone's classes.
    wanted : target classes; case does not count, and a space or hyphen is an underscore.
    extra : a table of the same columns; what it says of a label replaces what ours says.

    Raises
    ------
    ParameterError
        A table cannot be read, or maps a name that the backbone does not know.
    """
    file = resources.files("faunashot.protocols").joinpath(f"classmaps/{vocabulary}.csv")
    with resources.as_file(file) as path:
        table = read_class_map(path, known)
    if extra is not None:
        table |= read_class_map(extra, known)
    return {label: table.get(spelled(label)) for label in wanted}


def _ontology(task: Task, backbone: Backbone, known: ClassList, extra: Path | None) -> Outcome:
    classes = task.target.classes
    listed = class_map(known.vocabulary, known.names, classes, extra=extra)
    mapped = {label: names or [] for label, names in listed.items()}
    unmapped = [label for label in classes if not mapped[label]]
    if len(unmapped) == len(classes):
        raise ParameterError(
            f"protocol.zero_shot: none of {', '.join(classes)} is in "
            f"classmaps/{known.vocabulary}.csv; map them in a table of your own "
            "(label,source_class), protocol.class_map"
        )
    at = {name: i for i, name in enumerate(known.names)}
    columns = [[at[name] for name in mapped[label]] for label in classes]
    head = ClassMap(classes, columns, pool=known.several)
    everything = task.target.clips["clip_id"].tolist()
    embeddings = task.target.of(everything)
    scores = np.concatenate(
        [head.predict_proba(class_scores(backbone, part)) for part in _blocks(embeddings)]
    )
    return Outcome(
        held_out=_with_fold(task, task.target.held_out(everything, scores, classes, **WHERE)),
        classes=classes,
        headline_k=0,
        head=head,
        takes="scores",
        facts={"mode": "ontology", "unmapped": unmapped, "mapped": mapped},
        notes=[
            _note(label, backbone.card.name, known=listed[label] is not None) for label in unmapped
        ],
    )


def _note(label: str, backbone: str, *, known: bool) -> str:
    if known:
        return f"class {label}: no class of {backbone} is mapped to it, it scores 0"
    return (
        f"class {label}: no table says which classes of {backbone} it is, it scores 0; "
        f"add `{label},<a class of {backbone}>` to a table of your own, protocol.class_map"
    )


def _assignment(task: Task, params: ProtocolParams) -> Outcome:
    if task.source.clips.empty:
        raise ParameterError(
            "protocol.zero_shot: assignment needs a source corpus to train the head on; "
            "set source, such as `-S source=gtzan`"
        )
    target, classes, head = task.target, task.target.classes, task.source_head
    everything = target.clips["clip_id"].tolist()
    embeddings = target.means(everything)
    heard = head.predict_proba(embeddings)
    of_source = [str(c) for c in head.classes_]
    matched, figures = _matched(target.clips, classes, heard, params.shuffles, seed=task.seed)
    columns = [[matched[i]] if i in matched else [] for i in range(len(classes))]
    final = ClassMap(classes, columns, head=head)
    described = {"source_head": np.log(np.maximum(heard, SMALLEST)), "embedding": embeddings}
    of_windows = final.predict_proba(target.of(everything))
    return Outcome(
        held_out=_with_fold(
            task,
            target.held_out_clips(everything, final.predict_proba(embeddings), classes, **WHERE),
        ),
        windows=_with_fold(task, target.held_out(everything, of_windows, classes, **WHERE)),
        classes=classes,
        headline_k=0,
        head=final,
        facts={
            "mode": "assignment",
            "matched": {classes[t]: of_source[s] for t, s in sorted(matched.items())},
            **figures,
            **_representations(target.clips, described, seed=task.seed),
        },
        notes=["assignment looks at target labels to match outputs: compare it with chance only"],
    )


def _matched(
    clips: pd.DataFrame, classes: list[str], heard: npt.NDArray[Any], shuffles: int, *, seed: int
) -> tuple[dict[int, int], dict[str, float | None]]:
    """Source output by target class, and its accuracy beside that under shuffled labels."""
    guess, group = heard.argmax(axis=1), clips["group"].to_numpy()
    truth = pd.Categorical(clips["label"], categories=classes).codes.astype(int)
    sizes = {"n_target": len(classes), "n_source": heard.shape[1]}
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
    labels, groups : (N,) of each clip.
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


def _blocks(array: npt.NDArray[Any], size: int = 4096) -> list[npt.NDArray[Any]]:
    return [array[at : at + size] for at in range(0, len(array), size)]
