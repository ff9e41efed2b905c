"""Events in the Acoustic Objects Exchange Format (AOEF): JSON of soundevent and Whombat.

Martinez Balvanera et al., "Whombat: An open-source audio annotation tool for machine learning
assisted bioacoustics", Methods in Ecology and Evolution, 2025.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faunashot.annotations.formats.base import AnnotationFormat, RecordingInfo
from faunashot.annotations.gathering import ParsedTable
from faunashot.errors import AnnotationError, ParameterError
from faunashot.files import write_atomically

TAG = "species"
"""Key of the tag that holds a label; of others' files the first tag is taken."""

OURS = uuid.UUID("5f2c1f3e-5d0c-5c9e-9d43-3d9a4a1f7a10")
"""Below which events are numbered, so that the same table gives the same identifiers."""

HIGHEST_HZ = 5_000_000.0
"""Upper edge of a box, in soundevent, that has none."""


class SoundEvent(AnnotationFormat):
    """Predictions where there are scores, else annotations, each of a clip that is a recording."""

    suffix = ".soundevent.json"
    title = "AOEF, the JSON of soundevent and Whombat (extra [annotations])"

    def write(
        self,
        table: pd.DataFrame,
        path: Path,
        *,
        recordings: Mapping[str, RecordingInfo] | None = None,
    ) -> None:
        """As `AnnotationFormat.write`.

        Without `recordings`, a recording is said to be as long as its events, with a rate of 0 Hz.
        """
        data, aoef = _library()
        known = recordings or {}
        scored = bool(table["score"].notna().any())
        clips = []
        ends = table.groupby("file", sort=False)["end_s"].max()
        groups = {str(file): events for file, events in table.groupby("file", sort=False)}
        for file in dict.fromkeys([*known, *groups]):
            info = known.get(file) or RecordingInfo(float(ends[file]))
            recording = data.Recording(
                uuid=uuid.uuid5(OURS, file),
                path=Path(file),
                duration=info.duration_s,
                channels=info.channels,
                samplerate=info.sample_rate,
            )
            clip = data.Clip(recording=recording, start_time=0.0, end_time=info.duration_s)
            events = _events(data, recording, groups.get(file, table[:0]), scored=scored)
            ours = uuid.uuid5(OURS, f"{file} clip")
            if scored:
                clips.append(data.ClipPrediction(uuid=ours, clip=clip, sound_events=events))
            else:
                clips.append(data.ClipAnnotation(uuid=ours, clip=clip, sound_events=events))
        name = path.name.removesuffix(self.suffix)
        collection = (
            data.PredictionSet(name=name, clip_predictions=clips)
            if scored
            else data.AnnotationSet(name=name, clip_annotations=clips)
        )
        text = aoef.to_aeof(collection).model_dump_json(exclude_none=True)
        write_atomically(path, text + "\n")

    def recognises(self, head: bytes) -> bool:
        """Whether it is JSON that names a collection."""
        return head.lstrip().startswith(b"{") and b'"collection_type"' in head

    def parse(self, content: bytes) -> ParsedTable:
        """As `AnnotationFormat.parse`; of an event whose shape is no box, its ends are taken."""
        _, aoef = _library()
        try:
            found = aoef.to_soundevent(aoef.AOEFObject.model_validate_json(content))
        except (ValueError, NotImplementedError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise AnnotationError(f"soundevent cannot read it ({reason})") from error
        clips = [
            *(getattr(found, "clip_predictions", None) or []),
            *(getattr(found, "clip_annotations", None) or []),
        ]
        rows: list[list[Any]] = []
        silent = []
        for clip in clips:
            file = clip.clip.recording.path.as_posix()
            if not clip.sound_events:
                silent.append("" if file == "." else file)
            rows += (_row(file, event) for event in clip.sound_events)
        names = ("file", "start_s", "end_s", "label", "score", "low_hz", "high_hz")
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        return ParsedTable(
            {**dict(zip(names, columns, strict=True))}, range(1, len(rows) + 1), silent
        )


def _events(data: Any, recording: Any, events: pd.DataFrame, *, scored: bool) -> list[Any]:
    names = ("start_s", "end_s", "label", "score", "low_hz", "high_hz")
    made = []
    for n, row in enumerate(zip(*(events[name] for name in names), strict=True)):
        start, end, label, score, low, high = row
        shape: Any = data.TimeInterval(coordinates=[start, end])
        if not (np.isnan(low) and np.isnan(high)):
            edges = 0.0 if np.isnan(low) else low, HIGHEST_HZ if np.isnan(high) else high
            shape = data.BoundingBox(coordinates=[start, edges[0], end, edges[1]])
        ours = uuid.uuid5(recording.uuid, str(n))
        event = data.SoundEvent(uuid=ours, recording=recording, geometry=shape)
        tag = data.Tag(key=TAG, value=label)
        of = uuid.uuid5(ours, "said")
        if scored:
            value = 0.0 if np.isnan(score) else float(score)
            tags = [data.PredictedTag(tag=tag, score=value)]
            made.append(
                data.SoundEventPrediction(uuid=of, sound_event=event, score=value, tags=tags)
            )
        else:
            made.append(data.SoundEventAnnotation(uuid=of, sound_event=event, tags=[tag]))
    return made


def _row(file: str, event: Any) -> list[Any]:
    start, low, end, high = _bounds(event.sound_event.geometry)
    tags = event.tags
    best = max(tags, key=lambda tag: tag.score) if tags and hasattr(tags[0], "score") else None
    label = best.tag.value if best else tags[0].value if tags else ""
    score = best.score if best else getattr(event, "score", "")
    return ["" if file == "." else file, start, end, label, score, low, high]


def _bounds(shape: Any) -> tuple[float, float, float, float]:
    """Beginning, lowest frequency, end and highest frequency of a shape; NaN where it has none."""
    none = float("nan")
    if shape is None:
        return 0.0, none, 0.0, none
    points = np.array(_numbers(shape.coordinates), dtype=np.float64)
    if shape.type == "TimeInterval":
        return float(points[0]), none, float(points[1]), none
    if shape.type == "TimeStamp":
        return float(points[0]), none, float(points[0]), none
    times, hz = points[0::2], points[1::2]
    low, high = float(hz.min()), float(hz.max())
    return float(times.min()), low, float(times.max()), none if high >= HIGHEST_HZ else high


def _numbers(nested: Any) -> list[float]:
    if isinstance(nested, int | float):
        return [float(nested)]
    return [number for one in nested for number in _numbers(one)]


def _library() -> tuple[Any, Any]:
    try:
        from soundevent import data
        from soundevent.io import aoef
    except ImportError as error:
        raise ParameterError(
            "the format soundevent needs its library: pip install 'faunashot[annotations]'"
        ) from error
    return data, aoef
