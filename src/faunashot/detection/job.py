"""Recordings to events: several models over one pass of the audio, a part a recording."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pandas as pd

from faunashot.audio.recorded import beginning_of
from faunashot.detection.events import EventFinder
from faunashot.detection.models import Model
from faunashot.detection.parts import Detected, Parts
from faunashot.detection.settings import DetectionSettings
from faunashot.detection.survey import Recording
from faunashot.features.extract import stamp
from faunashot.features.streams import FeatureStreams, Source, Stretch
from faunashot.files import sha256_of

CHANGED = "it was changed while it was read: is it still being copied? Run it again once it is not"


class Step(NamedTuple):
    """A step of a job.

    Attributes
    ----------
    seconds : float
        Of audio that were dealt with.
    detected : Detected, optional
        A recording that is done, whose part is written.
    refused : tuple of str, optional
        A recording that is bad, and why.
    """

    seconds: float
    detected: Detected | None = None
    refused: tuple[str, str] | None = None


class Engine(Protocol):
    """Who goes through recordings: this process, see `Detector`, or a cluster."""

    def __call__(self, recordings: Sequence[Recording], parts: Parts) -> Iterator[Step]:
        """Go through recordings, and write a part of each."""
        ...


@dataclass
class _Open:
    """A recording that is being gone through."""

    recording: Recording
    finders: list[EventFinder]
    sha256: Future[str]
    heard: bool = False
    until_s: float = 0.0
    last_s: float = 0.0
    ended: int = 0
    bad: list[dict[str, Any]] = field(default_factory=list)


class Detector:
    """Models that go through recordings together.

    Parameters
    ----------
    models : sequence of Model
        What they have in common of decoding and networks is done once.
    settings : DetectionSettings
    timezone : str, optional
        Of recordings that do not say it themselves.
    workers : int, optional
        Threads; as many as there are processors if not given.
    """

    def __init__(
        self,
        models: Sequence[Model],
        settings: DetectionSettings,
        *,
        timezone: str | None = None,
        workers: int | None = None,
    ) -> None:
        self._models, self._settings = models, settings
        self._timezone, self._workers = timezone, workers
        self._thresholds = [settings.of_classes(model.recogniser.record) for model in models]
        self._streams = FeatureStreams([model.recogniser.extractors for model in models])

    def __call__(self, recordings: Sequence[Recording], parts: Parts) -> Iterator[Step]:
        """As `Engine`."""
        for step, events in self.run(recordings):
            if step.detected is not None and events is not None:
                parts.write(step.detected, events)
            if step.refused is not None:
                parts.remove(step.refused[0])
            yield step

    def run(
        self, recordings: Iterable[Recording]
    ) -> Generator[tuple[Step, pd.DataFrame | None], None, None]:
        """Go through recordings; gives the events of each that is done."""
        queue: list[Recording] = []

        def sources() -> Iterator[Source]:
            for recording in recordings:
                queue.append(recording)
                yield Source(recording.file, recording.path, recording.stamp)

        now: _Open | None = None
        with (
            ThreadPoolExecutor(1) as hashing,
            closing(self._streams.run(sources(), workers=self._workers)) as stretches,
        ):
            for stretch in stretches:
                if now is None:
                    now = self._opened(queue.pop(0), hashing)
                seconds = self._add(now, stretch)
                if now.ended < len(self._models):
                    yield Step(seconds), None
                else:
                    yield self._finished(now, seconds)
                    now = None

    def _opened(self, recording: Recording, hashing: ThreadPoolExecutor) -> _Open:
        finders = []
        for model, thresholds in zip(self._models, self._thresholds, strict=True):
            unknown = model.recogniser.record.unknown
            above = None if unknown is None else unknown.threshold
            classes = model.recogniser.classes
            finders.append(
                EventFinder(classes, thresholds, self._settings, unknown_threshold=above)
            )
        return _Open(recording, finders, hashing.submit(_sha256, recording.path))

    def _add(self, now: _Open, stretch: Stretch) -> float:
        """Score what a model hears; gives the seconds of audio that are dealt with by it."""
        model = self._models[stretch.of]
        if stretch.features is not None:
            found = model.recogniser.score_windows(stretch.features)
            now.finders[stretch.of].add(found)
            now.heard = True
            now.last_s = max(now.last_s, float(found.end_s[-1]))
        if stretch.error is not None:
            end_s = None if stretch.is_last else round(stretch.end_s, 3)
            part = {"start_s": round(stretch.start_s, 3), "end_s": end_s, "reason": stretch.error}
            now.bad.append(part | {"model": model.name})
        now.ended += stretch.is_last
        if stretch.of:  # one model's progress is enough
            return 0.0
        until_s = now.recording.duration_s or now.last_s
        if not stretch.is_last:
            until_s = min(until_s, stretch.end_s)
        seconds, now.until_s = until_s - now.until_s, until_s
        return seconds

    def _finished(self, now: _Open, seconds: float) -> tuple[Step, pd.DataFrame | None]:
        recording = now.recording
        reason = None if now.heard else str(now.bad[0]["reason"] if now.bad else "holds no samples")
        with suppress(OSError):
            if stamp(recording.path) != recording.stamp:
                reason = CHANGED
        if reason is not None:
            now.sha256.cancel()
            return Step(seconds, refused=(recording.file, reason)), None
        began = beginning_of(recording.path, self._timezone)
        # what is silent at its end belongs to it, too
        duration_s = max(recording.duration_s, now.last_s) if now.bad else now.last_s
        detected = Detected(
            file=recording.file,
            below=recording.below,
            size=recording.stamp[0],
            mtime_ns=recording.stamp[1],
            sha256=now.sha256.result(),
            duration_s=round(duration_s, 6),
            sample_rate=recording.sample_rate,
            began_at="" if began is None else began.at.isoformat(),
            began_by="" if began is None else f"{began.source}, offset from UTC: {began.zone}",
            timezone="" if began is None else began.timezone,
            bad=_joined(now.bad),
            notes=[note for note in (recording.note, began and began.note) if note],
        )
        tables = [
            finder.finish().assign(model=model.name)
            for finder, model in zip(now.finders, self._models, strict=True)
        ]
        events = pd.concat(tables, ignore_index=True)
        events = events.sort_values("start_s", kind="stable", ignore_index=True)
        return Step(seconds, detected), events.assign(file=recording.file)


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError:  # its stamp will say that it is another
        return ""


def _joined(bad: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Bad parts that follow each other, and are bad for one reason, as one."""
    joined: list[dict[str, Any]] = []
    for part in sorted(bad, key=lambda part: (part["model"], part["start_s"])):
        last = joined[-1] if joined else {}
        same = all(last.get(name) == part[name] for name in ("model", "reason"))
        if same and last["end_s"] == part["start_s"]:
            last["end_s"] = part["end_s"]
        else:
            joined.append(dict(part))
    return joined
