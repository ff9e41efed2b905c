"""A threshold a class for detection, set on clips that an estimator had not learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from faunashot.estimators.base import Estimator, columns
from faunashot.estimators.calibration import temper
from faunashot.estimators.examples import Examples, FloatArray
from faunashot.protocols.support.task import Task
from faunashot.systems.record import ClassThreshold

VALIDATION = "validation"
"""Source of thresholds that are set here."""


def validated_thresholds(
    task: Task, models: Sequence[tuple[Estimator, Sequence[str]]], *, temperature: float
) -> dict[str, ClassThreshold]:
    """Thresholds by class from clips that fitted estimators had not learned.

    Parameters
    ----------
    task : Task
    models : sequence of (Estimator, sequence of str)
        Estimators, each with the ids of clips that it had not learned from.
    temperature : float
        That scores are tempered by.
    """
    scores, targets = [], []
    for model, clip_ids in models:
        if clip_ids:
            examples = task.target.examples(clip_ids)
            scores.append(highest_scores(model, examples, temperature=temperature))
            targets.append(examples.targets)
    if not scores:
        return {}
    return fit_thresholds(np.concatenate(scores), np.concatenate(targets), task.target.classes)


def highest_scores(model: Estimator, examples: Examples, *, temperature: float) -> FloatArray:
    """The highest score of each class in any window of each clip, (n, C).

    It is what detection goes by: a class is found in a clip where one window reaches its threshold.
    """
    multi_label = examples.multi_label
    windows = columns(
        model.averaged(examples).windows,
        model.classes_,
        examples.classes,
        multi_label=multi_label,
    )
    windows = temper(windows, temperature, multi_label=multi_label)
    return np.asarray(np.maximum.reduceat(windows, examples.first))


def fit_thresholds(
    scores: FloatArray, targets: npt.NDArray[np.float32], classes: Sequence[str]
) -> dict[str, ClassThreshold]:
    """The threshold of each class under which the F1 over clips is highest.

    It lies in the middle between the lowest score that it takes and the highest that it does not;
    of several that are as good, the highest, which raises the fewest false alarms. A class that no
    clip is of has none.

    Parameters
    ----------
    scores : ndarray, shape (n, C)
        Highest of each clip.
    targets : ndarray, shape (n, C)
        1 where a clip is of the class.
    classes : sequence of str, length C

    Examples
    --------
    >>> scores = np.array([[0.9], [0.7], [0.3], [0.1]])
    >>> fit_thresholds(scores, np.array([[1.0], [1.0], [0.0], [0.0]]), ["frog"])["frog"].value
    0.5
    """
    from sklearn.metrics import precision_recall_curve

    found: dict[str, ClassThreshold] = {}
    for name, of_class, target in zip(classes, scores.T, targets.T, strict=True):
        if not (target > 0).any():
            continue
        precision, recall, cuts = precision_recall_curve(target > 0, of_class)
        precision, recall = precision[:-1], recall[:-1]  # the last pair is of no threshold
        f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
        best = len(f1) - 1 - int(f1[::-1].argmax())
        below = cuts[best - 1] if best else cuts[best]
        found[str(name)] = ClassThreshold(
            value=float((cuts[best] + below) / 2),
            source=VALIDATION,
            precision=float(precision[best]),
            recall=float(recall[best]),
            n=len(of_class),
        )
    return found
