"""What is searched for: a sound, or words where the backbone reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from faunashot.audio.reading import Reading
from faunashot.backbones.base import default_layer, load, reading
from faunashot.errors import AudioError, FaunashotError, ParameterError, StoreError
from faunashot.estimators.examples import clip_means
from faunashot.features.cut import TOO_SHORT, ChunkSpan
from faunashot.features.extract import Chunk, embed, embed_recording
from faunashot.features.extractors import Extractor, extractor
from faunashot.features.spec import FeatureSpec

LONGEST_S = 60.0
"""Length from which on the mean of a recording says little of a sound in it."""


def query_embedding(
    query: str, spec: FeatureSpec, *, start_s: float | None = None
) -> npt.NDArray[np.float32]:
    """Embed what is searched for as the windows that are searched were embedded.

    Parameters
    ----------
    query : str
        A file, or else words such as "a frog calling".
    spec : FeatureSpec
        Of the windows that are searched.
    start_s : float, optional
        Where the sound is in the file: the window there is taken. The mean of all windows if not
        given.

    Returns
    -------
    ndarray of float32, shape (dim,)

    Raises
    ------
    AudioError
        There is no such file, nothing can be heard in it, or it is too long to have one mean.
    ParameterError
        The backbone reads no text, or `start_s` is given beside words.
    StoreError
        The backbone that is here is not the one that made the windows.
    """
    file = Path(query)
    if file.is_dir():
        raise AudioError(f"{query} is a folder: name one recording of it")
    if file.exists():
        return _of_audio(file, spec, start_s=start_s)
    if os.sep in query or (file.suffix and " " not in query):
        raise AudioError(f"{query}: there is no such file")
    if start_s is not None:
        raise ParameterError(f"--start is of a recording, and {query!r} is no file")
    return _of_text(query, spec)


def extractor_of(spec: FeatureSpec) -> Extractor:
    """What made features of a specification.

    Raises
    ------
    StoreError
        It is not here: its weights or settings are others by now.
    ParameterError, WeightsError
        There is no such backbone, or its weights are not here.
    """
    read = Reading(spec.channel, spec.time_expansion)
    every: tuple[dict[str, Any], ...] = ({}, {"hop_s": spec.hop_s * spec.time_expansion})
    for options in every:
        try:
            found = extractor(spec.backbone, layer=spec.layer, options=options, reading=read)
        except ParameterError:
            if not options:
                raise
            break  # it has no such option
        if FeatureSpec.of(found) == spec:
            return found
    raise StoreError(
        f"the features are of {spec}, which is not what is here: {FeatureSpec.of(found)}; "
        "embed the recordings again"
    )


def _of_audio(file: Path, spec: FeatureSpec, *, start_s: float | None) -> npt.NDArray[np.float32]:
    network = extractor_of(spec)
    try:
        if start_s is not None:
            return _window_at(file, network, start_s)
        found = embed_recording(file, network)
    except FaunashotError as error:
        raise AudioError(f"{file}: {error}") from error
    length_s = float(found.index["end_s"].max())
    if length_s > LONGEST_S:
        raise AudioError(
            f"{file} lasts {length_s:.0f} s, and over {LONGEST_S:.0f} s its mean says little: "
            "say by --start at which second the sound is"
        )
    n = len(found.index)
    return np.asarray(clip_means(found, np.arange(n), np.array([n]))[0])


def _window_at(file: Path, network: Extractor, start_s: float) -> npt.NDArray[np.float32]:
    """Embedding of the last window that begins at a second or before it."""
    first = int(start_s / FeatureSpec.of(network).hop_s + 1e-6)
    for stop in (first + 1, None):  # the last one may be padded, which ends at no full window
        (done,) = embed([Chunk("", file, ChunkSpan(first, stop))], network, workers=1)
        if done.error is None:
            return np.asarray(done.windows[0])
        if done.error != TOO_SHORT:
            raise AudioError(done.error)
    raise AudioError(f"it ends before --start {start_s:g}")


def _of_text(query: str, spec: FeatureSpec) -> npt.NDArray[np.float32]:
    backbone = load(spec.backbone)
    reader = reading(backbone)
    if spec.layer != default_layer(backbone):
        raise ParameterError(
            f"the features are of the layer {spec.layer} of {spec.backbone}, and words are "
            f"embedded beside {default_layer(backbone)}: embed that one"
        )
    if backbone.weights_hash != spec.weights_hash:
        raise StoreError(
            f"the features are of {spec.backbone} with weights {spec.weights_hash[:12]}, here are "
            f"{backbone.weights_hash[:12]}: embed the recordings again"
        )
    return np.asarray(reader.embed_text([query])[0])
