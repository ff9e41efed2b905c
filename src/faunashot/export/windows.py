"""The windows of recordings as samples, cut as features are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from faunashot.audio.windows import split_windows
from faunashot.errors import AudioError
from faunashot.features.extract import embed_recording
from faunashot.features.extractors import Extractor
from faunashot.features.store import Features
from faunashot.frontends.base import FrontEnd

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LabelledClip:
    """A recording and its classes.

    Attributes
    ----------
    clip_id : str
    file : Path
    label : str
        Name of its class, or several joined by ``;``.
    """

    clip_id: str
    file: Path
    label: str


class Samples(FrontEnd):
    """Windows of another front end, as the samples that they are.

    Parameters
    ----------
    of : FrontEnd
        Whose rate, window and step these are.
    """

    name = "samples"
    citation = "none"
    packages = ()

    def __init__(self, of: FrontEnd) -> None:
        super().__init__(hop_s=of.hop_s)
        self.sample_rate, self.window_s = of.sample_rate, of.window_s  # type: ignore[misc]
        self.window_samples = of.window_samples  # type: ignore[misc]
        self.shape = (of.window_samples,)  # type: ignore[misc]

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Samples, (n,) -> (N, window_samples)."""
        return split_windows(samples, self.window_samples, hop=self.hop_samples)


def samples_of(recording: Path | bytes, extractor: Extractor) -> Features:
    """The windows of a recording that an extractor would embed, as samples.

    Raises
    ------
    AudioError
        It cannot be decoded, or there is nothing to hear in it.
    """
    front_end = Samples(extractor.front_end)
    plain = replace(
        extractor,
        front_end=front_end,
        network=np.array,
        dim=front_end.window_samples,
        dtype="float32",
        batch_size=64,
    )
    return embed_recording(recording, plain)


def some_inputs(
    clips: Sequence[LabelledClip], extractor: Extractor, *, windows: int
) -> Iterator[FloatArray]:
    """What a network reads of a few windows, drawn evenly from recordings, shape (1, ...) each.

    Parameters
    ----------
    clips : sequence of LabelledClip
        A bad one is passed over.
    windows : int
        How many at most.
    """
    each = max(1, windows // max(1, len(clips)))
    left = windows
    for clip in clips[:: max(1, len(clips) // windows)]:
        try:
            found = samples_of(clip.file, extractor).windows
        except AudioError:
            continue
        for window in found[:: max(1, len(found) // each)][: min(each, left)]:
            inputs = extractor.front_end(np.asarray(window))[:1]
            yield np.ascontiguousarray(inputs, dtype=np.float32)
            left -= 1
        if left <= 0:
            return
