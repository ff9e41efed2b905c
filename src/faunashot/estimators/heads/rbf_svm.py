"""The support vector machine with a Gaussian kernel."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from sklearn.svm import SVC

from faunashot import options
from faunashot.estimators.heads.base import HeadClassifier


class RbfSvm(SVC, HeadClassifier):
    """scikit-learn's support vector machine with a radial basis function as kernel.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty.
    gamma : float or "scale"
        Inverse width of the kernel; "scale" is 1 over dimensions times variance.
    """

    class Options(options.Options):
        """Settings of the head."""

        C: float = Field(1.0, gt=0)
        gamma: float | Literal["scale", "auto"] = "scale"

    def __init__(self, C: float = 1.0, gamma: float | str = "scale") -> None:
        super().__init__(kernel="rbf", C=C, gamma=gamma)
