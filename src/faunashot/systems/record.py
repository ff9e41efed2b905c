"""What a trained system says of itself: the file ``model.json`` beside what was learned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from faunashot.errors import StoreError
from faunashot.options import first_fault

FORMAT = 3
FILE = "model.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Temperature(_Record):
    """That probabilities are scaled by.

    Attributes
    ----------
    value : float
        Above 1 it takes confidence away, below 1 it gives more.
    clips : int
        Clips that it was fitted on, which the estimator had not learned from.
    """

    value: float = 1.0
    clips: int = 0


class UnknownThreshold(_Record):
    """From which score on a recording is said to be of no class, and how that was set.

    Attributes
    ----------
    threshold : float
    false_alarm_rate : float
        Share of the background recordings that are still taken for one of the classes.
    recordings : int
        Of the background.
    background : str
        What they are of.
    """

    threshold: float
    false_alarm_rate: float
    recordings: int
    background: str


class ClassThreshold(_Record):
    """From which score on a window is taken for one of a class, and how that was set.

    Attributes
    ----------
    value : float
        A score of the class, tempered as the system's scores are.
    source : str
        What it was set by: "validation", which is clips that the system was not learned from, or
        "checked by ear", which is detections that a person listened to.
    precision, recall : float, optional
        Of the class at the threshold, on what it was set by; None where that cannot say.
    n : int
        Clips, or detections, that it was set by.
    """

    value: float
    source: str
    precision: float | None = None
    recall: float | None = None
    n: int


class BackboneRecord(_Record):
    """A backbone, or a front end by itself, that a system was trained on.

    Attributes
    ----------
    name, layer, version : str
        The layer is empty for a front end by itself.
    options : dict
        That it is loaded with.
    reading : dict
        How recordings are read for it, where that is not as usual, see
        `faunashot.audio.reading.Reading`.
    weights_hash : str
    licence, citation, trained_on : str
    """

    name: str
    layer: str = ""
    options: dict[str, Any]
    reading: dict[str, Any] = {}
    weights_hash: str
    version: str = ""
    licence: str = ""
    citation: str = ""
    trained_on: str = ""


class TrainedSystem(_Record):
    """What there is to know of a trained system, beside what it has learned.

    Attributes
    ----------
    format : int
        Of the file.
    estimator : str
        ``KIND`` of the estimator, by which it is loaded.
    packages : list of str
        Python packages that the estimator needs beside ours.
    backbones : list of BackboneRecord
        Several where they are joined.
    shifts : list of float
        By which shares a recording is moved to be scored once more, see
        `faunashot.audio.altered.Shift`; its scores are the mean.
    classes : list of str
    multi_label : bool
        Whether a recording may be of several classes.
    temperature : Temperature, optional
        Of its probabilities, where it was fitted.
    unknown : UnknownThreshold, optional
        Of its detector of recordings of no class, where it has one.
    thresholds : dict of ClassThreshold
        By class, for detection; of a class that is not there, none could be set.
    system : dict
        Name, head, settings and so on, see `faunashot.systems.catalogue.System`.
    variant : str
    corpus, source, protocol : str
    k : int
        Labelled clips a class whose figures are the run's.
    seed : int
    learned_from : list of str
        Clips of the corpus.
    cost : dict, optional
        ``parameters`` and ``macs`` of a network.
    leak : dict, optional
        How leakage would inflate the figures.
    facts : dict
        What else the protocol says, JSON-ready.
    notes : list of str
    """

    format: int = FORMAT
    estimator: str
    packages: list[str] = []
    backbones: list[BackboneRecord]
    shifts: list[float] = []
    classes: list[str]
    multi_label: bool = False
    temperature: Temperature | None = None
    unknown: UnknownThreshold | None = None
    thresholds: dict[str, ClassThreshold] = {}
    system: dict[str, Any] = {}
    variant: str = ""
    corpus: str = ""
    source: str = "none"
    protocol: str = ""
    k: int = 0
    seed: int = 0
    learned_from: list[str] = []
    cost: dict[str, int] | None = None
    leak: dict[str, float | None] | None = None
    facts: dict[str, Any] = {}
    notes: list[str] = []

    @property
    def figures(self) -> dict[str, int | float]:
        """What the protocol says in single numbers."""
        return {k: v for k, v in self.facts.items() if isinstance(v, int | float)}

    def write(self, folder: Path) -> None:
        """Write it into the folder of a model."""
        left_out = None if self.shifts else {"shifts"}
        text = self.model_dump_json(indent=1, exclude=left_out)
        (folder / FILE).write_text(text + "\n", "utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read what `write` wrote.

        Raises
        ------
        StoreError
            The folder holds no model, or one of another format.
        """
        try:
            text = (folder / FILE).read_text("utf-8")
            of_format = _Format.model_validate_json(text).format
            if of_format != FORMAT:
                raise StoreError(
                    f"{folder} has format {of_format}, this reads {FORMAT}: run `dvc repro`"
                )
            return cls.model_validate_json(text)
        except ValidationError as error:
            raise StoreError(
                f"{folder / FILE} is no model: run `dvc repro` ({first_fault(error)})"
            ) from error
        except (OSError, ValueError) as error:
            raise StoreError(f"{folder} holds no model: run `dvc repro` ({error})") from error


class _Format(BaseModel):
    format: int
