"""The multi-layer perceptron."""

from __future__ import annotations

from pydantic import Field
from sklearn.neural_network import MLPClassifier

from faunashot import options
from faunashot.estimators.heads.base import HeadClassifier


class Mlp(MLPClassifier, HeadClassifier):
    """scikit-learn's perceptron with one hidden layer of 128.

    Parameters
    ----------
    alpha : float
        Strength of the penalty.
    random_state : int
        Seed of the weights.
    """

    class Options(options.Options):
        """Settings of the head."""

        alpha: float = Field(0.0001, ge=0)

    threads_above = 0  # a fit is long, and mostly outside the interpreter: a quarter less time
    stored_types = ("sklearn.neural_network._stochastic_optimizers.AdamOptimizer",)

    def __init__(self, alpha: float = 0.0001, random_state: int = 0) -> None:
        super().__init__((128,), alpha=alpha, random_state=random_state, max_iter=1000)
