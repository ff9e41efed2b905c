"""Gradient-boosted trees on windows: LightGBM."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import expit, softmax

from faunashot import options
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import Estimator, Level, TrainingContext, columns, most_frequent
from faunashot.estimators.examples import Examples, FloatArray, Scores
from faunashot.estimators.pooling import METHODS, best_pooling, pool

FORMAT = 1
FACTS, MODEL = "lightgbm.json", "model{}.txt"
NO_OPENMP = (
    "system: LightGBM needs the library OpenMP, which this machine lacks: install libgomp1 "
    "(Debian, Ubuntu), libgomp (Fedora) or libomp (macOS), or use another system"
)
ONE_CLASS = "a classifier needs clips of at least two classes to learn from"


class LightGbm(Estimator):
    """Boosted trees on windows, stopped and pooled by what suits the validation clips.

    A clip weighs 1, shared among its windows by the seconds of it that each covers, times the
    weight of its class. The same seed gives the same trees on any number of threads. Where clips
    carry several labels there is a model a class. Without validation clips all `rounds` are
    trained, and windows are pooled by `pooling`.

    Parameters
    ----------
    seed : int
        Of the features and windows that a tree is grown on.
    **settings
        Of `Options`.

    References
    ----------
    G. Ke et al. LightGBM: a highly efficient gradient boosting decision tree. NeurIPS 2017.
    """

    class Options(options.Options):
        """Settings; those that LightGBM knows have its names.

        Attributes
        ----------
        rounds : int
            Trees a class, at most.
        patience : int
            Rounds without a lower loss of the validation windows after which to stop.
        class_weights : "balanced" or "none"
            Whether classes weigh the same, however many clips they have.
        pooling : str, optional
            One of `faunashot.estimators.pooling.METHODS`; chosen on the validation clips if not
            given, and the first of them where there are none.
        num_threads : int
            More than one pay on free cores alone: LightGBM's wait for each other at every node.
        """

        rounds: int = Field(300, ge=1)
        patience: int = Field(20, ge=1)
        learning_rate: float = Field(0.1, gt=0)
        num_leaves: int = Field(15, ge=2)
        min_data_in_leaf: int = Field(10, ge=1)
        feature_fraction: float = Field(0.05, gt=0, le=1)
        bagging_fraction: float = Field(0.8, gt=0, le=1)
        lambda_l2: float = Field(1.0, ge=0)
        max_bin: int = Field(63, ge=2)
        class_weights: Literal["balanced", "none"] = "balanced"
        pooling: str | None = None
        num_threads: int = Field(1, ge=1)

    KIND = "lightgbm"
    packages = ("lightgbm",)
    level: ClassVar[Level] = "window"
    uses_validation = True
    multi_label = True
    least_k = 2
    threads_setting = "num_threads"

    def __init__(self, *, seed: int = 0, **settings: Any) -> None:
        self.seed = seed
        self.options = self.Options.read(settings, key="head lightgbm")
        if self.options.pooling not in (None, *METHODS):
            raise ParameterError.unknown("head lightgbm.pooling", self.options.pooling, METHODS)

    @classmethod
    def require(cls) -> None:
        """Raise `ParameterError` where LightGBM cannot be loaded."""
        try:
            importlib.import_module("lightgbm")
        except OSError as error:
            raise ParameterError(NO_OPENMP) from error

    def fit(
        self,
        train: Examples,
        *,
        unlabelled: Examples | None = None,
        validation: Examples | None = None,
        context: TrainingContext | None = None,
    ) -> Self:
        """Learn from the windows of labelled clips."""
        self.require()
        self.multi_label_ = train.multi_label
        present = np.flatnonzero(train.targets.any(axis=0))
        self.classes_ = [train.classes[at] for at in present]
        if len(self.classes_) < 2:
            raise ParameterError(ONE_CLASS)
        X, held = train.windows(), None if validation is None else validation.windows()
        if self.multi_label_:
            self.boosters_ = [
                self._booster(X, train, held, validation, target=self._of(name))
                for name in self.classes_
            ]
        else:
            self.boosters_ = [self._booster(X, train, held, validation, target=self._code)]
        self.pooling_ = self.options.pooling or next(iter(METHODS))
        if validation is not None and self.options.pooling is None:
            scores = columns(
                self._proba(held), self.classes_, validation.classes, multi_label=self.multi_label_
            )
            self.pooling_ = best_pooling(scores, validation)
        return self

    def predict(self, examples: Examples) -> Scores:
        """Scores of windows, and of clips pooled from them as the validation clips chose."""
        windows = self._proba(examples.windows())
        return Scores(tuple(self.classes_), windows, pool(windows, examples, how=self.pooling_))

    def chosen(self) -> dict[str, Any]:
        """How many rounds, the most of any class, and how windows are pooled."""
        rounds = max(booster.current_iteration() for booster in self.boosters_)
        return {"rounds": rounds, "pooling": self.pooling_}

    @classmethod
    def settled(cls, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
        """The settings and pooling chosen most often and the middle number of rounds."""
        settings = most_frequent([facts["settings"] for facts in chosen])
        rounds = int(np.median([facts["rounds"] for facts in chosen]))
        return {
            **settings,
            "rounds": rounds,
            "pooling": most_frequent([f["pooling"] for f in chosen]),
        }

    def save(self, folder: Path) -> None:
        """Write the models into `folder`, which is made, as LightGBM's text and JSON."""
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "format": FORMAT,
            "settings": self.options.model_dump(),
            "seed": self.seed,
            "classes": self.classes_,
            "multi_label": self.multi_label_,
            "pooling": self.pooling_,
            "models": len(self.boosters_),
        }
        for number, booster in enumerate(self.boosters_):
            booster.save_model(folder / MODEL.format(number))
        (folder / FACTS).write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what `save` wrote; raises `StoreError` where it is something else."""
        cls.require()
        import lightgbm

        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            if facts["format"] != FORMAT:
                raise StoreError(f"{folder} has format {facts['format']}, this reads {FORMAT}")
            found = cls(seed=facts["seed"], **facts["settings"])
            found.classes_, found.multi_label_ = facts["classes"], facts["multi_label"]
            found.pooling_ = facts["pooling"]
            files = [folder / MODEL.format(number) for number in range(facts["models"])]
            found.boosters_ = [
                lightgbm.Booster(model_str=file.read_text("utf-8")) for file in files
            ]
        except (OSError, ValueError, KeyError, TypeError, lightgbm.basic.LightGBMError) as error:
            reason = " ".join(str(error).split())
            raise StoreError(
                f"{folder} holds no LightGBM model that can be read ({reason})"
            ) from error
        return found

    def _booster(
        self,
        X: npt.NDArray[np.float32],
        train: Examples,
        held: npt.NDArray[np.float32] | None,
        validation: Examples | None,
        *,
        target: Any,
    ) -> Any:
        import lightgbm

        given, (y, weight) = self._parameters(), self._rows(train, target)
        data = lightgbm.Dataset(X, y, weight=weight, params=given, free_raw_data=True)
        rounds = self.options.rounds
        if validation is None or held is None:
            return lightgbm.train(given, data, rounds)
        y, weight = self._rows(validation, target)
        learned = y >= 0  # a class of the validation clips may not be among those learned
        valid = lightgbm.Dataset(held[learned], y[learned], weight=weight[learned], reference=data)
        stop = lightgbm.early_stopping(self.options.patience, verbose=False)
        booster = lightgbm.train(given, data, rounds, valid_sets=[valid], callbacks=[stop])
        return lightgbm.Booster(
            model_str=booster.model_to_string(num_iteration=booster.best_iteration)
        )

    def _rows(self, examples: Examples, target: Any) -> tuple[npt.NDArray[Any], FloatArray]:
        """Target and weight of each window."""
        of_clip = target(examples)
        weight = np.ones(len(examples))
        if examples.clip_weights is not None:
            weight = weight * examples.clip_weights
        if self.options.class_weights == "balanced":
            _, at, counts = np.unique(of_clip, return_inverse=True, return_counts=True)
            weight = weight * len(of_clip) / (len(counts) * counts[at])
        share = examples.coverage * len(examples.rows) / len(examples)  # a whole window weighs 1
        return of_clip[examples.clip_of], share * weight[examples.clip_of]

    def _code(self, examples: Examples) -> npt.NDArray[np.intp]:
        """Number of the class of each clip, -1 where it was not learned."""
        number = {name: at for at, name in enumerate(self.classes_)}
        return np.array([number.get(str(label), -1) for label in examples.labels])

    def _of(self, name: str) -> Any:
        """Whether clips are of a class, as a function of examples."""

        def target(examples: Examples) -> npt.NDArray[np.intp]:
            if name not in examples.classes:
                return np.zeros(len(examples), dtype=np.intp)
            return examples.targets[:, examples.classes.index(name)].astype(np.intp)

        return target

    def _parameters(self) -> dict[str, Any]:
        ours = {"rounds", "patience", "class_weights", "pooling"}
        given = self.options.model_dump(exclude=ours)
        of = {"objective": "binary"} if self.multi_label_ else {"objective": "multiclass"}
        if not self.multi_label_:
            of["num_class"] = len(self.classes_)  # type: ignore[assignment]
        fixed = {"deterministic": True, "force_col_wise": True, "verbosity": -1, "bagging_freq": 1}
        return {**given, **of, **fixed, "seed": self.seed}

    def _proba(self, X: Any) -> FloatArray:
        threads = self.options.num_threads
        raw = [b.predict(X, raw_score=True, num_threads=threads) for b in self.boosters_]
        if self.multi_label_:
            return np.asarray(expit(np.stack(raw, axis=1)))
        return np.asarray(softmax(raw[0], axis=1))
