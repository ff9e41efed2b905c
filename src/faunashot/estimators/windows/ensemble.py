"""Several systems as one: the mean of their scores, weighted by what suits the validation clips."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field

from faunashot import options
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, Level, TrainingContext, columns, most_frequent
from faunashot.estimators.examples import Examples, FloatArray, Scores
from faunashot.estimators.kinds import stored_class
from faunashot.estimators.pooling import LEAST, log_loss

FORMAT = 1
FACTS = "ensemble.json"
ROUNDS, ENOUGH = 10_000, 1e-7
"""Steps in which weights are fitted at most, and a change of them that ends it."""


Weight = Annotated[float, Field(ge=0)]


@dataclass(frozen=True)
class Member:
    """A system whose scores go into an ensemble.

    Attributes
    ----------
    name : str
        Of the system.
    make : callable
        From settings to the unfitted estimator.
    grid : mapping or sequence of mapping
        Values of the settings that are chosen on the validation clips, as scikit-learn's
        `ParameterGrid` takes them.
    packages : tuple of str
        Python packages that it needs when it is served.
    """

    name: str
    make: Callable[..., Estimator]
    grid: Any = field(default_factory=dict)
    packages: tuple[str, ...] = ()


class _Fitted(NamedTuple):
    """A fitted member, its settings, and what it says of the validation clips."""

    model: Estimator
    settings: dict[str, Any]
    scores: FloatArray | None


class Ensemble(Estimator):
    """Systems that learn the same clips, each in its own way; their scores are averaged.

    On the validation clips the settings of each member are chosen, and then weights of the
    members, which sum to 1: both are those under which the targets of these clips are the
    likeliest. Members learn from the training clips alone. Without validation clips they have the
    settings and weights that are given; else those of their systems, and equal weights.

    Parameters
    ----------
    members : sequence of Member
        Two or more.
    seed : int
        Nothing is drawn but by members, which have their own.
    **settings
        Of `Options`.

    References
    ----------
    L. Breiman. Stacked regressions. Machine Learning 24, 1996: weights, none below 0, from what
    members say of examples that they have not learned.
    """

    class Options(options.Options):
        """Settings.

        Attributes
        ----------
        prior : float
            Validation clips that each member is granted beforehand, so that few clips do not
            decide by chance.
        weights : mapping of str to float
            Of members by name, where they are not to be fitted.
        member_settings : mapping of str to mapping
            Of members by name, where they are not to be chosen.
        """

        prior: float = Field(1.0, ge=0)
        weights: dict[str, Weight] = Field(default={})
        member_settings: dict[str, dict[str, Any]] = Field(default={})

    KIND = "ensemble"
    level: ClassVar[Level] = "window"
    uses_validation = True
    multi_label = True
    least_k = 2

    def __init__(self, *, members: Sequence[Member] = (), seed: int = 0, **settings: Any) -> None:
        self.members = tuple(members)
        self.seed = seed
        self.options = self.Options.read(settings, key="head ensemble")
        names = [member.name for member in self.members]
        for key in ("weights", "member_settings"):
            for name in getattr(self.options, key):
                if name not in names:
                    raise ParameterError.unknown(f"head ensemble.{key}", name, names)
        if self.options.weights and not any(self.options.weights.values()):
            raise ParameterError("head ensemble.weights: 0 for every member; one has to count")

    @property
    def packages(self) -> tuple[str, ...]:  # type: ignore[override]
        """Python packages that the members need when they are served."""
        return tuple(sorted({package for member in self.members for package in member.packages}))

    def fit(
        self,
        train: Examples,
        *,
        unlabelled: Examples | None = None,
        validation: Examples | None = None,
        context: TrainingContext | None = None,
    ) -> Self:
        """Fit members on the training clips, and their weights on the validation clips."""
        if len(self.members) < 2:
            raise ParameterError("head ensemble: needs two systems or more as its members")
        self.classes_ = [train.classes[at] for at in np.flatnonzero(train.targets.any(axis=0))]
        self.multi_label_ = train.multi_label
        given = {"unlabelled": unlabelled, "validation": validation}
        fitted = {
            member.name: self._chosen(member, train, context=context, **given)
            for member in self.members
        }
        self.fitted_ = {name: of.model for name, of in fitted.items()}
        self.settings_ = {name: of.settings for name, of in fitted.items()}
        scores = [of.scores for of in fitted.values() if of.scores is not None]
        self.weights_ = self._weights(scores, validation)
        return self

    def predict(self, examples: Examples) -> Scores:
        """Weighted means of the members' scores of windows, and of those of clips."""
        each = [model.predict(examples) for model in self.fitted_.values()]
        windows = self._mean([self._columns(of.windows, of.classes) for of in each])
        clips = self._mean([self._columns(of.clips, of.classes) for of in each])
        return Scores(tuple(self.classes_), windows, clips)

    def predict_clips(self, examples: Examples) -> FloatArray:
        """The same of clips alone."""
        return self._mean(
            [self._columns(of.predict_clips(examples), of.classes_) for of in self.fitted_.values()]
        )

    def chosen(self) -> dict[str, Any]:
        """Weight and settings of each member, and what it has chosen itself."""
        members = {
            name: {"kind": model.KIND, "settings": self.settings_[name], **model.chosen()}
            for name, model in self.fitted_.items()
        }
        weights = dict(zip(self.fitted_, self.weights_.round(4).tolist(), strict=True))
        return {"weights": weights, "members": members}

    @classmethod
    def settled(cls, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """The mean weights, and what each member settles on.

        None where a member settles on nothing.
        """
        weights, members = {}, {}
        for name, of in chosen[0]["members"].items():
            kind = stored_class(of["kind"])
            settled = kind.settled([facts["members"][name] for facts in chosen])
            if settled is None:
                return None
            members[name] = settled
            weights[name] = float(np.mean([facts["weights"][name] for facts in chosen]))
        settings = most_frequent([facts["settings"] for facts in chosen])
        return {**settings, "weights": weights, "member_settings": members}

    def save(self, folder: Path) -> None:
        """Write each member into a folder of its own, and the weights as JSON."""
        members = []
        for number, (name, model) in enumerate(self.fitted_.items()):
            model.save(folder / str(number))
            members.append({"name": name, "kind": model.KIND, "settings": self.settings_[name]})
        facts = {
            "format": FORMAT,
            "classes": self.classes_,
            "multi_label": self.multi_label_,
            "weights": self.weights_.tolist(),
            "members": members,
        }
        (folder / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            if facts["format"] != FORMAT:
                raise StoreError(f"{folder} has format {facts['format']}, this reads {FORMAT}")
            found = cls()
            found.classes_, found.multi_label_ = facts["classes"], facts["multi_label"]
            found.weights_ = np.asarray(facts["weights"], dtype=np.float64)
            found.settings_ = {of["name"]: of["settings"] for of in facts["members"]}
            kinds = [(of["name"], of["kind"]) for of in facts["members"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"{folder} holds no ensemble ({error})") from error
        found.fitted_ = {
            name: stored_class(kind).load(folder / str(number))
            for number, (name, kind) in enumerate(kinds)
        }
        return found

    def _chosen(
        self,
        member: Member,
        train: Examples,
        *,
        context: TrainingContext | None,
        validation: Examples | None,
        **given: Any,
    ) -> _Fitted:
        """A member with the settings that suit the validation clips; ties go to the first."""
        best: _Fitted | None = None
        least = np.inf
        for number, settings in enumerate(self._candidates(member, choose=validation is not None)):
            own = None if context is None else _own(context, f"{member.name}-{number}")
            model = member.make(**settings).fit(train, validation=validation, context=own, **given)
            if validation is None:
                return _Fitted(model, settings, None)
            scores = columns(
                model.predict_clips(validation),
                model.classes_,
                validation.classes,
                multi_label=self.multi_label_,
            )
            loss = log_loss(scores, validation.targets, multi_label=self.multi_label_)
            if best is None or loss < least:
                best, least = _Fitted(model, settings, scores), loss
        assert best is not None
        return best

    def _candidates(self, member: Member, *, choose: bool) -> list[dict[str, Any]]:
        """Settings of a member that there are to choose from."""
        if member.name in self.options.member_settings:
            return [self.options.member_settings[member.name]]
        if not choose:
            return [{}]
        from sklearn.model_selection import ParameterGrid

        return [dict(sorted(each.items())) for each in ParameterGrid(member.grid)]

    def _weights(self, scores: Sequence[FloatArray], validation: Examples | None) -> FloatArray:
        """Given weights, or fitted ones, or equal ones; they sum to 1."""
        if self.options.weights:
            given = np.array([self.options.weights.get(of.name, 0.0) for of in self.members])
            return np.asarray(given / given.sum())
        if validation is None:
            return np.full(len(self.members), 1 / len(self.members))
        return simplex_weights(
            _likelihoods(scores, validation.targets, multi_label=self.multi_label_),
            prior=self.options.prior,
        )

    def _columns(self, scores: FloatArray, classes: Sequence[str]) -> FloatArray:
        return columns(scores, classes, self.classes_, multi_label=self.multi_label_)

    def _mean(self, scores: Sequence[FloatArray]) -> FloatArray:
        return np.asarray(np.tensordot(self.weights_, np.stack(scores), 1))


def simplex_weights(likelihoods: FloatArray, *, prior: float = 0.0) -> FloatArray:
    """Weights of the members of a mixture under which all that was seen is the likeliest.

    By expectation maximisation: the likelihood has no other maximum.

    Parameters
    ----------
    likelihoods : ndarray, shape (M, n)
        What each member makes of each observation, above 0.
    prior : float
        Observations that each member is granted beforehand.

    Returns
    -------
    ndarray, shape (M,)
        None below 0; they sum to 1.

    References
    ----------
    A. Dempster, N. Laird, D. Rubin. Maximum likelihood from incomplete data via the EM algorithm.
    Journal of the Royal Statistical Society B 39, 1977.

    Examples
    --------
    >>> simplex_weights(np.array([[0.9, 0.8], [0.1, 0.2]])).round(2).tolist()
    [1.0, 0.0]
    """
    n_members, n = likelihoods.shape
    weights = np.full(n_members, 1 / n_members)
    for _ in range(ROUNDS):
        share = weights[:, None] * likelihoods
        share /= share.sum(axis=0)
        before, weights = weights, (share.sum(axis=1) + prior) / (n + n_members * prior)
        if np.abs(weights - before).max() < ENOUGH:
            break
    return weights


def _likelihoods(
    scores: Sequence[FloatArray], targets: npt.NDArray[np.float32], *, multi_label: bool
) -> FloatArray:
    """Probability by each member of the class of each clip; of several, of each class being so."""
    stacked = np.clip(np.stack(scores), LEAST, 1 - LEAST)
    if multi_label:
        return np.asarray(np.where(targets > 0, stacked, 1 - stacked).reshape(len(stacked), -1))
    return np.asarray((stacked * targets).sum(axis=2))


def _own(context: TrainingContext, name: str) -> TrainingContext:
    """The context of one member, whose checkpoint is beside those of the others."""
    file = context.checkpoint
    return replace(
        context, checkpoint=None if file is None else file.with_stem(f"{file.stem}-{name}")
    )
