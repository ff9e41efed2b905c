"""The support vector machine with planes between classes."""

from __future__ import annotations

from pydantic import Field
from sklearn.svm import LinearSVC

from faunashot import options
from faunashot.estimators.heads.base import HeadClassifier


class LinearSvm(LinearSVC, HeadClassifier):
    """scikit-learn's linear support vector machine, one class against the rest.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    random_state : int
        Seed of the order in which clips are looked at.
    """

    class Options(options.Options):
        """Settings of the head."""

        C: float = Field(1.0, gt=0)

    in_threads = False  # liblinear has one generator for the whole process

    def __init__(self, C: float = 1.0, random_state: int = 0) -> None:
        super().__init__(C=C, random_state=random_state)
