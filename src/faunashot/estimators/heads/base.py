"""The contract of a head: a scikit-learn classifier of shaped features, one module each."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import has_fit_parameter

from faunashot import options
from faunashot.estimators.steps import WHOLE
from faunashot.estimators.support import Support


class HeadClassifier(ClassifierMixin, BaseEstimator):
    """What a module of this folder holds; `faunashot.estimators.head.Head` puts it on clips.

    It has ``predict_proba`` or ``decision_function``, the softmax of which then stands for
    probabilities: it ranks but does not calibrate.

    Attributes
    ----------
    Options : type
        Its settings; those that it shares with ``__init__`` are given to that.
    reads_unlabelled : bool
        Whether it learns from rows without labels, too.
    multi_label : bool
        Whether one a class, against the rest, makes sense where clips carry several labels.
    stored_types : tuple of str
        Dotted names of types that a stored one holds, beside its own and those that skops trusts.
    in_threads : bool
        Whether two may be fitted at once: not where all draw from one generator of a library.
    threads_above : int
        With more rows than so many two are fitted at once. With fewer, threads wait for each
        other: it takes as long, for a third more processor time.
    """

    Options: ClassVar[type[options.Options]] = options.Options
    reads_unlabelled: ClassVar[bool] = False
    multi_label: ClassVar[bool] = True
    stored_types: ClassVar[tuple[str, ...]] = ()
    in_threads: ClassVar[bool] = True
    threads_above: ClassVar[int] = WHOLE

    @classmethod
    def make(cls, settings: options.Options, *, seed: int) -> Self:
        """An unfitted one; `seed` goes to those that draw, as ``random_state``."""
        given = settings.model_dump()
        if "random_state" in inspect.signature(cls).parameters:
            given["random_state"] = seed
        return cls(**given)

    @classmethod
    def fit_stack(cls, heads: Sequence[Self], supports: Iterable[Support]) -> None:
        """Fit each on its support; all have the settings of the first.

        Parameters
        ----------
        heads : sequence of HeadClassifier
        supports : iterable of Support
            One a head, read one by one, so that they need not be in memory together.
        """
        for head, support in zip(heads, supports, strict=True):
            takes_weight = support.weight is not None and has_fit_parameter(head, "sample_weight")
            known = {"sample_weight": support.weight} if takes_weight else {}
            head.fit(support.X, support.y, **known)
