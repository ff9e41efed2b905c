"""A trained system as one object: a recording in, class probabilities out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from faunashot.audio.altered import Shift
from faunashot.audio.decode import Audio, decode
from faunashot.audio.encode import as_wav
from faunashot.audio.perturbation import Perturbation
from faunashot.audio.reading import Reading
from faunashot.backbones.base import Backbone, load
from faunashot.errors import AudioError, ParameterError, StoreError
from faunashot.estimators.base import Estimator, columns
from faunashot.estimators.calibration import temper
from faunashot.estimators.class_map import class_score_features
from faunashot.estimators.examples import Examples, FloatArray, Scores
from faunashot.estimators.kinds import stored_class
from faunashot.estimators.stored import load_object, save_object
from faunashot.estimators.unknown import Novelty
from faunashot.features import remarks
from faunashot.features.batching import SharedThreads
from faunashot.features.extract import cores, embed_by_each
from faunashot.features.extractors import Extractor, extractors
from faunashot.features.join import join
from faunashot.features.names import BY
from faunashot.features.store import Features
from faunashot.features.streams import stream_recording
from faunashot.files import whole_folder
from faunashot.systems.record import TrainedSystem
from faunashot.targets import join_names

ESTIMATOR, NOVELTY = "estimator", "unknown.skops"
COLUMNS = ["label", "probabilities", "unknown_score", "notes", "error"]
"""Of a table of what was recognised."""

PATH = "path"
"""Column of a table of recordings."""

Sound = Path | str | bytes | npt.NDArray[Any] | Audio
"""A recording: a path, what a file holds, samples, or what was decoded."""

UNKNOWN = "unknown"
"""Label of a recording that is like none of those that were learned from."""

SURE = 0.5
"""Probability from which on a recording is said to be of a class, where it may be of several."""


@dataclass(frozen=True)
class WindowScores:
    """What is heard in windows of a recording, in their order.

    Attributes
    ----------
    start_s, end_s : ndarray, shape (N,)
        What they cover of it.
    scores : ndarray, shape (N, C)
        Tempered scores of the classes.
    unknown_score : ndarray, shape (N,), optional
        How unlike each is to what was learned from; None where the model cannot say.
    """

    start_s: FloatArray
    end_s: FloatArray
    scores: FloatArray
    unknown_score: FloatArray | None = None


@dataclass(frozen=True)
class Recognition:
    """What was found in a recording.

    Attributes
    ----------
    label : str
        The most probable class, or "unknown". Where a recording may be of several classes, those
        of a probability of `SURE` or more, joined by ``;``: none of them gives the empty label.
    probabilities : dict
        Of each class, over the whole recording. They sum to 1 and say which class it is if it is
        one of them, also where it is unknown; where a recording may be of several classes, each
        is by itself.
    windows : list of tuple
        Start and end in seconds, and the scores of each class.
    unknown_score : float, optional
        How unlike it is to what was learned from; None where the model cannot say.
    notes : tuple of str
        What of the recording cannot be heard, or is not there.
    embedding : ndarray of float32, shape (dim,), optional
        Mean feature of its windows by the seconds that they cover, where it was asked for.
    """

    label: str
    probabilities: dict[str, float]
    windows: list[tuple[float, float, dict[str, float]]]
    unknown_score: float | None = None
    notes: tuple[str, ...] = ()
    embedding: npt.NDArray[np.float32] | None = field(default=None, repr=False, compare=False)


class Recogniser:
    """Backbone and estimator, and what tells a recording of no class where there is that.

    Parameters
    ----------
    estimator : Estimator
        Fitted.
    record : TrainedSystem
        What it was trained on, and how its scores are to be read.
    novelty : Novelty, optional
        Fitted on mean features of clips.

    Raises
    ------
    ParameterError
        There is a detector without its threshold, a threshold without its detector, or a class
        named "unknown" beside one.
    """

    def __init__(
        self, estimator: Estimator, record: TrainedSystem, novelty: Novelty | None = None
    ) -> None:
        self.estimator = estimator
        self.record = record
        self.novelty = novelty
        self.classes: list[str] = record.classes
        self._shared: SharedThreads | None = None
        self.backbone_name: str = BY.join(
            dict.fromkeys(backbone.name for backbone in record.backbones)
        )
        if (novelty is None) != (record.unknown is None):
            raise ParameterError("unknown: a detector comes with its threshold, and not without")
        if novelty is not None and UNKNOWN in self.classes:
            raise ParameterError(f"classes: {UNKNOWN!r} is what none of them is called; rename it")

    @classmethod
    def load(cls, folder: Path) -> Recogniser:
        """Load what `save` wrote; the backbone's weights come when first needed.

        Raises
        ------
        StoreError
            The folder holds no model, or one of another format.
        """
        record = TrainedSystem.read(folder)
        novelty = None if record.unknown is None else load_object(folder / NOVELTY)
        if not isinstance(novelty, Novelty | None):
            raise StoreError(f"{folder / NOVELTY} is no detector of the unknown: run `dvc repro`")
        estimator = stored_class(record.estimator).load(folder / ESTIMATOR)
        return cls(estimator, record, novelty)

    def save(self, folder: Path) -> None:
        """Write the model; it is there as a whole or not at all."""
        with whole_folder(folder) as draft:
            self.estimator.save(draft / ESTIMATOR)
            if self.novelty is not None:
                save_object(self.novelty, draft / NOVELTY)
            self.record.write(draft)

    def share_threads(self) -> None:
        """Make ready for calls side by side, which share the processors from now on.

        They share the batches that go through the networks, too. What else this process computes
        on BLAS has one thread from now on.
        """
        threadpool_limits(1, "blas")
        self._shared = SharedThreads(cores())
        _ = self.extractors  # loaded once, not by each of the first calls

    @cached_property
    def extractors(self) -> list[Extractor]:
        """What yields the features that the estimator was trained on.

        Raises
        ------
        StoreError
            Their weights are not those that the estimator was trained on.
        """
        made: list[Extractor] = []
        for _, of in groupby(self.record.backbones, key=lambda listed: listed.name):
            layers = list(of)
            reading, options = Reading(**layers[0].reading), layers[0].options
            names = [listed.layer for listed in layers]
            made += extractors(layers[0].name, layers=names, options=options, reading=reading)
        for source, listed in zip(made, self.record.backbones, strict=True):
            if source.weights_hash != listed.weights_hash:
                raise StoreError(
                    f"the head was trained on {source.name} with weights "
                    f"{listed.weights_hash[:12]}, here are {source.weights_hash[:12]}"
                )
        return made

    @cached_property
    def _own_backbone(self) -> Backbone:
        """The backbone whose own classes are read."""
        (listed,) = self.record.backbones
        return load(listed.name, **listed.options)

    def recognise(
        self,
        source: Sound,
        *,
        sample_rate: int | None = None,
        threshold: float | None = None,
        longest_s: float | None = None,
        embedding: bool = False,
    ) -> Recognition:
        """Recognise a file, the bytes of one, or samples.

        Parameters
        ----------
        source : Path, str, bytes, Audio or ndarray, shape (frames,) or (frames, channels)
            A path, what a file of any readable format holds, what that was decoded to, or samples:
            floating-point ones whose full scale is 1, or signed integers.
        sample_rate : int
            Of samples, in Hz.
        threshold : float, optional
            Probability from which on it is said to be of a class: `SURE` if not given, where it
            may be of several; else the most probable class is the label, and "unknown" where that
            is less probable than a threshold that is given.
        longest_s : float, optional
            How long what `source` holds may be, where that is the bytes of a file.
        embedding : bool
            Whether its mean feature is wanted, too.

        Raises
        ------
        AudioError
            It cannot be decoded, is too long, or nothing in it can be heard.
        """
        if isinstance(source, np.ndarray):
            source = as_wav(source, sample_rate)
        source = Path(source) if isinstance(source, str) else source
        if isinstance(source, bytes):  # which is looked at several times
            source = self._decoded(source, longest_s)
        features, *shifted = self.views(source)
        found = self.scores(features, *shifted)
        (share,) = self._shares(found.clips)
        unknown_score = None
        label = self._label(share, threshold)
        mean = np.zeros((1, 0), np.float32)
        if embedding or self.novelty is not None:
            mean = Examples.of_recording(features, self.classes).means()
        if self.novelty is not None and self.record.unknown is not None:
            unknown_score = float(self.novelty.score(mean)[0])
            if unknown_score > self.record.unknown.threshold:
                label = UNKNOWN
        start_s, end_s = (features.index[name].to_numpy() for name in ("start_s", "end_s"))
        return Recognition(
            label=label,
            probabilities=self._named(share),
            windows=[
                (float(start), float(end), self._named(row))
                for start, end, row in zip(start_s, end_s, found.windows, strict=True)
            ],
            unknown_score=unknown_score,
            notes=remarks.of_recognised(source, self.extractors, features),
            embedding=mean[0] if embedding else None,
        )

    def recognise_all(
        self, sources: Iterable[Sound] | pd.DataFrame, *, sample_rate: int | None = None
    ) -> pd.DataFrame:
        """Recognise several recordings, of which some may be bad.

        Parameters
        ----------
        sources : iterable or DataFrame
            Of what `recognise` takes; of a frame, its column `path`.
        sample_rate : int
            Of samples, in Hz.

        Returns
        -------
        DataFrame
            A row a recording, under the index of the given frame: `label`, `probabilities` by
            class, `unknown_score`, `notes`, and `error`, which says why there is nothing else.

        Raises
        ------
        ParameterError
            The frame has no column `path`, or one recording is given in place of several.
        """
        index = None
        if isinstance(sources, pd.DataFrame):
            if PATH not in sources:
                raise ParameterError(f"the table has no column {PATH!r}, of the recordings' files")
            index, sources = sources.index, sources[PATH]
        elif isinstance(sources, str | bytes | Path | Audio | np.ndarray):
            raise ParameterError("give a list of recordings; `recognise` takes a single one")
        rows: list[dict[str, Any]] = []
        for source in sources:
            try:
                found = self.recognise(source, sample_rate=sample_rate)
            except AudioError as error:
                rows.append({"error": str(error)})
            else:
                rows.append({name: getattr(found, name) for name in COLUMNS[:-1]})
        return pd.DataFrame(rows, columns=COLUMNS, index=index)

    def window_scores(
        self, source: Path | bytes
    ) -> Iterator[tuple[float, float, dict[str, float]]]:
        """Start and end in seconds and the scores of each window of a recording, one by one.

        They are those of `Recognition.windows`; of a long recording few are in memory together,
        but where shifted copies of it are scored, too.

        Raises
        ------
        AudioError
            It cannot be decoded.
        """
        for found in self._scored(source):
            for start, end, row in zip(found.start_s, found.end_s, found.scores, strict=True):
                yield float(start), float(end), self._named(row)

    def _scored(self, source: Path | bytes) -> Iterator[WindowScores]:
        if self.record.shifts:
            yield self.score_windows(*self.views(source))
            return
        pool = None if self._shared is None else self._shared.pool
        for features in stream_recording(source, self.extractors, pool=pool):
            yield self.score_windows(features)

    def score_windows(self, features: Features, *shifted: Features) -> WindowScores:
        """Scores of windows that follow each other in a recording, which may be a part of it.

        What is said of a window depends on no other: estimators pool clips alone.
        """
        start_s, end_s = (features.index[name].to_numpy() for name in ("start_s", "end_s"))
        unknown = None
        if self.novelty is not None:
            unknown = np.asarray(self.novelty.score(features.windows))
        return WindowScores(start_s, end_s, self.scores(features, *shifted).windows, unknown)

    def features(
        self, recording: Path | bytes | Audio, *, perturbation: Perturbation | None = None
    ) -> Features:
        """Features of the windows of a recording."""
        return join(
            embed_by_each(
                recording, self.extractors, perturbation=perturbation, shared=self._shared
            )
        )

    def views(self, recording: Path | bytes | Audio) -> list[Features]:
        """Features of the windows of a recording, and of its shifted copies where it has some.

        Raises
        ------
        AudioError
            It cannot be decoded, or its header says another length than it has, by which the
            copies have other windows.
        """
        shifts = (None, *map(Shift, self.record.shifts))
        views = [self.features(recording, perturbation=shift) for shift in shifts]
        if len({len(view.index) for view in views}) > 1:
            raise AudioError("its header says another length than it has: it cannot be shifted")
        return views

    def scores(self, features: Features, *shifted: Features) -> Scores:
        """Tempered scores of `classes` in the windows of one recording, and in all of it.

        They are what `faunashot.protocols` scores a clip with: the estimator pools its windows,
        what it says of shifted copies is averaged, and the pooled score is tempered.
        """
        if self.estimator.reads_class_scores:
            features, *shifted = (  # type: ignore[assignment]
                class_score_features(view, self._own_backbone) for view in (features, *shifted)
            )
        multi_label = self.record.multi_label
        examples = Examples.of_recording(
            features, self.classes, multi_label=multi_label, shifted=shifted
        )
        plain = self.estimator.averaged(examples)
        temperature = 1.0 if self.record.temperature is None else self.record.temperature.value
        windows, clips = (
            temper(
                columns(of, plain.classes, self.classes, multi_label=multi_label),
                temperature,
                multi_label=multi_label,
            )
            for of in (plain.windows, plain.clips)
        )
        return Scores(tuple(self.classes), windows, clips)

    def _shares(self, scores: FloatArray) -> FloatArray:
        """Probabilities of clips from their scores: where nothing is heard, every class's alike."""
        if self.record.multi_label:
            return scores
        total = scores.sum(axis=1, keepdims=True)
        even = np.full_like(scores, 1 / scores.shape[1])
        return np.asarray(np.divide(scores, total, out=even, where=total > 0))

    def _decoded(self, content: bytes, longest_s: float | None) -> Audio:
        if self._shared is None:
            return decode(content, longest_s=longest_s)
        return self._shared.pool.submit(decode, content, longest_s=longest_s).result()

    def _label(self, share: FloatArray, threshold: float | None) -> str:
        if self.record.multi_label:
            least = SURE if threshold is None else threshold
            return join_names(n for n, p in zip(self.classes, share, strict=True) if p >= least)
        if threshold is not None and share.max() < threshold:
            return UNKNOWN
        return self.classes[int(share.argmax())]

    def _named(self, values: npt.NDArray[np.float64]) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.classes, values, strict=True)}
