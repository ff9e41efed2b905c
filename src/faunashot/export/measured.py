"""An exported file beside the system that it was made of, on the same recordings."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.errors import AudioError, CorpusError
from faunashot.estimators.calibration import temper
from faunashot.estimators.examples import Examples
from faunashot.estimators.pooling import pool
from faunashot.evaluation.decisions import THRESHOLD
from faunashot.evaluation.metrics.accuracy import Accuracy
from faunashot.evaluation.metrics.macro_f1 import MacroF1
from faunashot.evaluation.scored import ScoredClips
from faunashot.export.chain import Chain
from faunashot.export.formats.base import Runner
from faunashot.export.windows import LabelledClip, samples_of
from faunashot.targets import join_names

FloatArray = npt.NDArray[np.float64]

WARM_UP = 3
"""Windows before those that are timed."""


SCORED = ("model", "windows", "file")
"""What recordings are scored by, see `Measured`."""


@dataclass(frozen=True)
class Measured:
    """How an exported file does beside its system.

    Attributes
    ----------
    clips, bad : int
        Recordings that both scored, and that neither could read.
    windows : int
        Of them.
    learned_from : int
        How many of the recordings the system has learned from.
    largest_difference, mean_difference : float
        Of the probability of a class in a window.
    same_label : float
        Share of the recordings of which windows and file give the same label.
    accuracy, macro_f1 : dict
        Of ``model``, as it scores recordings; of ``windows``, what it gives of windows, pooled as
        those of the file are; and of ``file``.
    ms_per_window : float
        Processor time of one thread, the median.
    """

    clips: int
    bad: int
    windows: int
    learned_from: int
    largest_difference: float
    mean_difference: float
    same_label: float
    accuracy: dict[str, float]
    macro_f1: dict[str, float]
    ms_per_window: float

    def to_json(self) -> dict[str, Any]:
        """All of it, JSON-ready."""
        return asdict(self)


def measure(chain: Chain, run: Runner, clips: Sequence[LabelledClip]) -> Measured:
    """Score recordings by an exported file and by the system that it was made of.

    Parameters
    ----------
    chain : Chain
        The system.
    run : callable
        The file, see `faunashot.export.formats.base.Format.runner`.
    clips : sequence of LabelledClip

    Raises
    ------
    CorpusError
        None of the recordings can be read.
    """
    recogniser = chain.recogniser
    (extractor,) = recogniser.extractors
    differences: list[FloatArray] = []
    seconds: list[float] = []
    labels: dict[str, list[str]] = {"truth": [], "model": [], "windows": [], "file": []}
    bad = 0
    for clip in clips:
        try:
            cut = samples_of(clip.file, extractor)
            of_model = recogniser.scores(*recogniser.views(clip.file))
        except AudioError:
            bad += 1
            continue
        of_file = np.empty_like(of_model.windows)
        for at, window in enumerate(np.asarray(cut.windows)):
            began = time.thread_time()
            of_file[at] = run(window)
            seconds.append(time.thread_time() - began)
        differences.append(np.abs(of_file - of_model.windows))
        examples = Examples.of_recording(
            cut, recogniser.classes, multi_label=recogniser.record.multi_label
        )
        labels["truth"].append(clip.label)
        labels["model"].append(_label(chain, of_model.clips))
        labels["windows"].append(_label(chain, pooled(chain, of_model.windows, examples)))
        labels["file"].append(_label(chain, pooled(chain, of_file, examples)))
    if not differences:
        raise CorpusError("none of the recordings to measure on can be read")
    off = np.concatenate(differences)
    learned = set(recogniser.record.learned_from)
    same = [a == b for a, b in zip(labels["windows"], labels["file"], strict=True)]
    figures = {of: _figures(chain, labels["truth"], labels[of]) for of in SCORED}
    return Measured(
        clips=len(differences),
        bad=bad,
        windows=len(off),
        learned_from=sum(clip.clip_id in learned for clip in clips),
        largest_difference=float(off.max()),
        mean_difference=float(off.mean()),
        same_label=float(np.mean(same)),
        accuracy={of: found["accuracy"] for of, found in figures.items()},
        macro_f1={of: found["macro_f1"] for of, found in figures.items()},
        ms_per_window=1000 * float(np.median(seconds[WARM_UP:] or seconds)),
    )


def pooled(chain: Chain, windows: FloatArray, examples: Examples) -> FloatArray:
    """Probabilities of a clip from those that a file gives of its windows, shape (1, C).

    The temperature is undone, the windows are pooled, and the result is tempered: the order in
    which the system does it.
    """
    record = chain.recogniser.record
    temperature = 1.0 if record.temperature is None else record.temperature.value
    several = record.multi_label
    before = temper(windows, 1 / temperature, multi_label=several)
    whole = pool(before, examples, how=chain.pooling)
    return temper(whole, temperature, multi_label=several)


def _label(chain: Chain, scores: FloatArray) -> str:
    classes = chain.recogniser.classes
    (row,) = scores
    if chain.recogniser.record.multi_label:
        return join_names(name for name, p in zip(classes, row, strict=True) if p >= THRESHOLD)
    return classes[int(row.argmax())]


def _figures(chain: Chain, truth: Sequence[str], found: Sequence[str]) -> dict[str, float]:
    scored = ScoredClips.of_labels(
        truth, found, chain.recogniser.classes, multi_label=chain.recogniser.record.multi_label
    )
    once = scored.weighted(np.ones((1, scored.n_parts)))
    return {
        "accuracy": float(Accuracy().values(once)[0]),
        "macro_f1": float(MacroF1().values(once)[0]),
    }
