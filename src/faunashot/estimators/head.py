"""A head on frozen features: steps that bring them into shape, then a classifier."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from joblib import Parallel, delayed
from scipy.special import softmax
from sklearn.base import clone
from sklearn.utils import gen_batches

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, LearningSet, Level, TrainingContext
from faunashot.estimators.examples import Examples, FloatArray, MeanRows, Scores
from faunashot.estimators.heads import HEADS
from faunashot.estimators.heads.base import HeadClassifier
from faunashot.estimators.pooling import pool
from faunashot.estimators.steps import AT_ONCE, WHOLE, Steps
from faunashot.estimators.stored import load_object, save_object
from faunashot.estimators.support import Support
from faunashot.features.store import Rows
from faunashot.targets import target_matrix

SOURCE_WEIGHT = 0.5
"""Weight of the outputs of the source head; at 1 they drown the features where k is small."""

LARGE = 1000
"""Labelled clips from which on two heads are fitted side by side."""

FILE = "head.skops"


class Head(Estimator):
    """Steps that bring features into shape, then a classifier, on mean features of clips.

    Parameters
    ----------
    classifier : HeadClassifier
        Unfitted.
    steps : sequence of str
        Names of `faunashot.estimators.steps.STEPS`.
    fit_steps_on : "unlabelled" or "labelled"
        Whether all rows of the training side may be used, labelled or not, or those that are
        learned from alone.
    blocks : sequence of int, optional
        Widths of the backbones' parts of a row; each has its own steps.
    windows_per_clip : int
        Windows of a labelled clip that are learned beside its mean, for a half of its weight.
    source_head : Head, optional
        Fitted on a source corpus; its outputs are a further block.

    References
    ----------
    Y. Wang et al. SimpleShot: revisiting nearest-neighbor classification for few-shot learning.
    arXiv:1911.04623, 2019: centring and unit length before any head.
    """

    KIND = "head"
    level: ClassVar[Level] = "clip"
    takes_source = True
    multi_label = True
    classifier_: Any
    steps_: Steps

    def __init__(
        self,
        classifier: HeadClassifier,
        *,
        steps: Sequence[str] = ("standardise",),
        fit_steps_on: str = "unlabelled",
        blocks: Sequence[int] | None = None,
        windows_per_clip: int = 0,
        source_head: Head | None = None,
    ) -> None:
        self.classifier = classifier
        self.steps = steps
        self.fit_steps_on = fit_steps_on
        self.blocks = blocks
        self.windows_per_clip = windows_per_clip
        self.source_head = source_head

    def fit(
        self,
        train: Examples,
        *,
        unlabelled: Examples | None = None,
        validation: Examples | None = None,
        context: TrainingContext | None = None,
    ) -> Self:
        """Learn from labelled clips, and the steps from the others, too."""
        (fitted,) = self.fit_many([self], [LearningSet(train, unlabelled)])
        return fitted

    @classmethod
    def fit_many(cls, estimators: Sequence[Self], sets: Sequence[LearningSet]) -> Iterator[Self]:
        """Fit heads of equal settings at once where the classifier can."""
        half = (len(sets) + 1) // 2  # dealt in two in the same way on every machine
        kind = estimators[0].classifier
        threads = 2 if kind.in_threads and _rows(sets[0]) > kind.threads_above else 1
        Parallel(n_jobs=threads, backend="threading")(
            delayed(_fit)(estimators[part], sets[part])
            for part in (slice(half), slice(half, None))
            if estimators[part]
        )
        yield from estimators

    def fits_beside_others(self, n_clips: int) -> bool:
        """Where the products of matrices are large, they leave the interpreter to another."""
        return self.classifier.in_threads and n_clips >= LARGE

    def support(self, one: LearningSet) -> Support:
        """The rows to learn from, before any steps."""
        train, windows, window_of = one.train, None, None
        if self.windows_per_clip:
            own = np.arange(len(train)) if train.of_target is None else train.of_target.nonzero()[0]
            windows, window_of = train.some_windows(self.windows_per_clip, of=own)
        return Support(
            train.means(),
            train.labels,
            train.clip_weights,
            None if one.unlabelled is None else MeanRows(one.unlabelled),
            train.of_target,
            windows=windows,
            window_of=window_of,
            group=train.groups,
        )

    def shaped(self, support: Support, *, steps: Steps | None = None) -> Support:
        """Fit the steps on a support, unless they are given fitted, and put it through them."""
        self.n_features_in_ = support.X.shape[1]
        blocks, weights = list(self.blocks or [self.n_features_in_]), None
        if self.source_head is not None:
            weights = [1.0] * len(blocks) + [SOURCE_WEIGHT]
            blocks += [len(self.source_head.classes_)]
            support = support.through(self._with_source)
        if steps is None:
            within: Any = support.X
            if self.fit_steps_on == "unlabelled" and support.unlabelled is not None:
                within = Rows([support.X, support.unlabelled])
            steps = Steps(self.steps, blocks, weights).fit(within)
        self.steps_ = steps
        if not self.classifier.reads_unlabelled:
            support = support._replace(unlabelled=None)  # of a large corpus they are most rows
        return support.through(steps.transform)._replace(blocks=blocks)

    def predict(self, examples: Examples) -> Scores:
        """Scores of clips by their mean features, and of windows as if each were one."""
        windows, means = examples.windows(), examples.means()
        if len(windows) + len(means) > WHOLE:
            return Scores(self._names, self.predict_proba(windows), self.predict_proba(means))
        # together: of one recording, scikit-learn's checks take longer than the arithmetic
        found = self.predict_proba(np.concatenate([windows, means]))
        return Scores(self._names, found[: len(windows)], found[len(windows) :])

    def predict_clips(self, examples: Examples) -> FloatArray:
        """Scores of clips by their mean features."""
        return self.predict_proba(examples.means())

    def predict_proba(self, X: npt.NDArray[Any]) -> FloatArray:
        """Probabilities of `classes_`, (N, dim) -> (N, C); of one label a clip, rows sum to 1."""
        if len(X) > WHOLE:
            return np.concatenate([self._proba(X[at]) for at in gen_batches(len(X), AT_ONCE)])
        return self._proba(X)

    def save(self, folder: Path) -> None:
        """Write the head into `folder`, which is made, by skops."""
        folder.mkdir(parents=True, exist_ok=True)
        save_object(self, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
        found = load_object(folder / FILE)
        if type(found) is not cls:
            raise StoreError(
                f"{folder / FILE} holds a {type(found).__name__}, not a {cls.__name__}"
            )
        return found

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(str(name) for name in self.classes_)

    def _proba(self, X: npt.NDArray[Any]) -> FloatArray:
        return probabilities(self.classifier_, self.steps_.transform(self._with_source(X)))

    def _with_source(self, X: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.source_head is None:
            return X
        return np.hstack([X, self.source_head.predict_proba(X)])


class HeadOnWindows(Head):
    """The same on windows; a clip's score is pooled from theirs.

    A clip weighs 1, shared among its windows by the seconds of it that each covers.
    """

    KIND = "head_on_windows"
    level: ClassVar[Level] = "window"
    takes_source = False

    def support(self, one: LearningSet) -> Support:
        """The windows to learn from, before any steps."""
        train = one.train
        weight = train.coverage
        if train.clip_weights is not None:
            weight = weight * train.clip_weights[train.clip_of]
        return Support(
            train.windows(),
            train.labels[train.clip_of],
            weight,
            None if one.unlabelled is None else one.unlabelled.windows(),
            group=train.groups[train.clip_of],
        )

    def predict(self, examples: Examples) -> Scores:
        """Scores of windows, and of clips their mean."""
        windows = self.predict_proba(examples.windows())
        return Scores(self._names, windows, pool(windows, examples))

    def predict_clips(self, examples: Examples) -> FloatArray:
        """Scores of clips, pooled."""
        return self.predict(examples).clips


class OneVsRest:
    """A classifier a class, where clips carry several labels: is the clip of the class or not.

    Attributes
    ----------
    classes_ : ndarray of str, shape (C,)
    fitted : list
        A classifier a class, or its share of the clips where all or none of them are of it.
    """

    def __init__(self, classes: Sequence[str], fitted: Sequence[Any]) -> None:
        self.classes_ = np.asarray(classes)
        self.fitted = list(fitted)

    def predict_proba(self, X: npt.NDArray[Any]) -> FloatArray:
        """Probability of each class by itself, (N, dim) -> (N, C)."""
        scores = np.empty((len(X), len(self.fitted)))
        for column, one in enumerate(self.fitted):
            if isinstance(one, float):
                scores[:, column] = one
            else:
                scores[:, column] = probabilities(one, X)[:, 1]
        return scores


def _fit(heads: Sequence[Head], sets: Sequence[LearningSet]) -> None:
    """Fit heads of equal settings, each on its own set."""
    if sets[0].train.multi_label:
        _fit_one_vs_rest(heads, sets)
        return
    fitted = [clone(head.classifier) for head in heads]
    type(fitted[0]).fit_stack(fitted, _shaped(heads, sets))
    for head, classifier in zip(heads, fitted, strict=True):
        head.classifier_, head.classes_ = classifier, classifier.classes_


def _fit_one_vs_rest(heads: Sequence[Head], sets: Sequence[LearningSet]) -> None:
    kind = type(heads[0].classifier)
    if not kind.multi_label:
        name = kind.__module__.rpartition(".")[2]
        raise ParameterError(
            f"system: the head {name} learns one label a clip, and clips of this corpus carry "
            "several: use another, such as logistic"
        )
    shares = [one.train.targets.mean(axis=0) for one in sets]
    fitted: list[list[Any]] = [
        [float(share) if share in (0, 1) else clone(head.classifier) for share in of_head]
        for head, of_head in zip(heads, shares, strict=True)
    ]

    def supports() -> Iterator[Support]:
        for support, one, of_head in zip(_shaped(heads, sets), sets, fitted, strict=True):
            classes = one.train.classes
            of = target_matrix(list(support.y), classes, multi_label=True).astype(int)
            for column, classifier in enumerate(of_head):
                if not isinstance(classifier, float):
                    yield support._replace(y=np.array(["no", "yes"])[of[:, column]])

    kind.fit_stack([c for row in fitted for c in row if not isinstance(c, float)], supports())
    for head, one, of_head in zip(heads, sets, fitted, strict=True):
        head.classifier_ = OneVsRest(one.train.classes, of_head)
        head.classes_ = head.classifier_.classes_


def _shaped(heads: Sequence[Head], sets: Sequence[LearningSet]) -> Iterator[Support]:
    """Supports, each put through its head's steps; those fitted on the same rows are shared."""
    known: dict[Hashable, Steps] = {}
    for head, one in zip(heads, sets, strict=True):
        support = head.support(one)
        if len(np.unique(support.y)) < 2:
            raise ParameterError("a head needs clips of at least two classes to learn from")
        key = _clips(one)
        yield head.shaped(
            support, steps=known.get(key) if head.fit_steps_on == "unlabelled" else None
        )
        known[key] = head.steps_


def _rows(one: LearningSet) -> int:
    """How many clips a set is of, labelled or not."""
    return len(one.train) + (0 if one.unlabelled is None else len(one.unlabelled))


def _clips(one: LearningSet) -> Hashable:
    """What clips a set is of, whichever of them are labelled."""
    of_target = one.train.of_target
    ids = np.asarray(one.train.clip_ids, dtype=object)
    own = ids if of_target is None else ids[of_target]
    spare = () if one.unlabelled is None else one.unlabelled.clip_ids
    others = () if of_target is None else ids[~of_target]
    return frozenset((*own, *spare)), frozenset(others)


def probabilities(classifier: Any, X: npt.NDArray[Any]) -> FloatArray:
    """Probabilities of a classifier's classes, (N, dim) -> (N, C)."""
    if hasattr(classifier, "predict_proba"):
        return np.asarray(classifier.predict_proba(X), dtype=np.float64)
    margin = classifier.decision_function(X)
    if margin.ndim == 1:
        margin = np.stack([-margin, margin], axis=1)
    return np.asarray(softmax(margin, axis=1), dtype=np.float64)


def make_head(
    name: str, settings: Mapping[str, Any] | None = None, *, seed: int = 0, **how: Any
) -> Head:
    """An unfitted head on clips; `how` are the arguments of `Head`.

    Raises
    ------
    ParameterError
        There is no such head, or it has no such setting.
    """
    return Head(make_classifier(name, settings or {}, seed=seed), **how)


def make_classifier(name: str, settings: Mapping[str, Any], *, seed: int) -> HeadClassifier:
    """The unfitted classifier of a head; raises `ParameterError` as `make_head` does."""
    kind: type[HeadClassifier] = HEADS[name]
    return kind.make(kind.Options.read(settings, key=f"head {name}"), seed=seed)
