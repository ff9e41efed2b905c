"""The contract of a protocol, and what it hands on: scores of clips that were held out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import pandas as pd

from faunashot import options
from faunashot.estimators.base import Estimator
from faunashot.params import Params
from faunashot.protocols import PROTOCOLS
from faunashot.protocols.support.design import Design
from faunashot.protocols.support.task import Task
from faunashot.systems.record import ClassThreshold, Temperature, UnknownThreshold

if TYPE_CHECKING:
    from faunashot.estimators.unknown import Novelty


class Protocol(ABC):
    """Picks clips to learn from and clips to score; a module of this folder holds one.

    Parameters
    ----------
    settings : Options
        Of the protocol, as its own class `Options` declares them.
    k : int
        Labelled clips a class whose figures are the run's, where the protocol draws clips.

    Attributes
    ----------
    Options : type
        Its block of ``params.yaml``.
    learns_target : bool
        Whether it learns from labelled clips of the corpus that is scored.
    scores_every_fold : bool
        Whether it scores each clip of the test folds once, so that random folds compare with them.
    """

    Options: ClassVar[type[options.Options]] = options.Options
    learns_target: ClassVar[bool] = True
    scores_every_fold: ClassVar[bool] = False

    settings: Any

    def __init__(self, settings: options.Options | None = None, *, k: int = 1) -> None:
        self.settings = self.Options() if settings is None else settings
        self.k = k

    def refuse(self, design: Design) -> None:  # noqa: B027 (one with nothing to refuse)
        """Raise where the tables of the corpora tell that this cannot be run.

        It is called before anything is embedded, and once more by `run`, after the audit.

        Raises
        ------
        ParameterError
            The corpus or the system does not suit the protocol.
        SplitError
            The corpus cannot be split as it has to be.
        """

    @abstractmethod
    def run(self, task: Task) -> Outcome:
        """Learn, and score what was held out.

        Raises
        ------
        ParameterError
            The corpus or the system does not suit the protocol.
        SplitError
            The corpus cannot be split as it has to be.
        """


class Rotation(NamedTuple):
    """What one head, of those scored at the headline k, learned from, and what it was tested on."""

    episode: int
    learned: Sequence[str]
    tested: Sequence[str]


@dataclass(frozen=True)
class Outcome:
    """What a protocol hands on.

    Attributes
    ----------
    held_out : DataFrame
        Scores of clips that the estimator had not seen; columns k (labelled clips a class),
        labelled_least and labelled_most (labelled clips of the class that had the fewest and the
        most), episode (-1 where nothing is drawn), fold, temperature (that the scores were tempered
        by; or not there) and those of `WindowTable.held_out_clips`.
    windows : DataFrame
        Scores of the windows of the same clips at the headline k, not tempered.
    classes : list of str
        Target classes, in the order of the ``p_`` columns.
    headline_k : int
        The k whose figures are the run's.
    estimator : Estimator
        Fitted, to be served.
    multi_label : bool
        Whether a clip may carry several classes: scores need not sum to 1.
    temperature : Temperature, optional
        That the scores of clips are tempered by where `estimator` is served.
    thresholds : dict of ClassThreshold
        By class, for detection by `estimator`, where clips that it had not learned could set them.
    test_conditions : dict of DataFrame
        The same as `held_out` under each of the task's test conditions, by name.
    rotations : list of Rotation
        Of the heads that `held_out` was scored by, where they learn from whole clips.
    novelty : Novelty, optional
        Detector of recordings of none of the classes.
    threshold : UnknownThreshold, optional
        Of `novelty`.
    leak : dict, optional
        How leakage would inflate the figures, see `leakage_inflation`.
    unknown : DataFrame, optional
        Its scores of held-out clips, less the threshold: columns clip_id, group, known, score,
        correct.
    learned_from : list of str
        Clips of the target that `estimator` learned from.
    facts : dict
        What else is worth saying, JSON-ready.
    notes : list of str
        One line each, for the person who runs it.
    """

    held_out: pd.DataFrame
    windows: pd.DataFrame
    classes: list[str]
    headline_k: int
    estimator: Estimator
    multi_label: bool = False
    temperature: Temperature | None = None
    thresholds: dict[str, ClassThreshold] = field(default_factory=dict)
    test_conditions: dict[str, pd.DataFrame] = field(default_factory=dict)
    rotations: list[Rotation] = field(default_factory=list)
    novelty: Novelty | None = None
    threshold: UnknownThreshold | None = None
    leak: dict[str, Any] | None = None
    unknown: pd.DataFrame | None = None
    learned_from: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def protocol_of(params: Params) -> Protocol:
    """The protocol with its options."""
    name = params.protocol.name
    kind: type[Protocol] = PROTOCOLS[name]
    settings = kind.Options.read(params.protocol_options, key=f"protocols.{name}")
    return kind(settings, k=params.protocol.k)
