"""Further layers of a backbone, cached from the pass over the audio that embeds another one."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import numpy as np

from faunashot.audio.perturbation import Perturbation
from faunashot.features import cache, shards
from faunashot.features.extract import EmbeddedChunk
from faunashot.features.extractors import Extractor, side_by_side
from faunashot.features.shards import ChunkKey
from faunashot.features.spec import Derivation
from faunashot.storage import Storage


@dataclass
class _Layer:
    """What is embedded of a layer, and where it will be cached."""

    extractor: Extractor
    derivation: Derivation
    cached: Storage
    parts: list[EmbeddedChunk] = field(default_factory=list)


class LayersBeside:
    """Layers that the cache lacks of chunks, split off what the network gives with the one asked.

    Each is cached under its own key, as if it had been embedded by itself. A cache that cannot be
    written holds none of them: they are embedded in their turn.

    Parameters
    ----------
    extractor : Extractor
        Of the layer that is asked for.
    others : sequence of Extractor
        Further layers of the same backbone; those that the cache has are left out.
    perturbation : Perturbation, optional
        Done to the audio.
    missing : collection of ChunkKey
        The chunks that are embedded.

    Attributes
    ----------
    extractor : Extractor
        That gives all the layers side by side.
    """

    def __init__(
        self,
        extractor: Extractor,
        others: Sequence[Extractor],
        *,
        perturbation: Perturbation | None,
        missing: Collection[ChunkKey],
    ) -> None:
        self._layers = [
            layer
            for layer in (_layer(other, perturbation) for other in others if missing)
            if not {*missing} <= _cached(layer)
        ]
        every = [extractor, *(layer.extractor for layer in self._layers)]
        self.extractor = side_by_side(every) if self._layers else extractor
        self._ends = np.cumsum([each.dim for each in every])[:-1]

    def split(self, part: EmbeddedChunk) -> EmbeddedChunk:
        """The chunk with the layer that was asked for; the others' rows are kept for `write`."""
        if not self._layers:
            return part
        own, *others = (
            replace(part, windows=np.ascontiguousarray(windows))
            for windows in np.split(part.windows, self._ends, axis=1)
        )
        if part.error is None:
            for layer, other in zip(self._layers, others, strict=True):
                layer.parts.append(other)
        return own

    def write(self) -> None:
        """Cache what was kept since the last call, a shard a layer."""
        for layer in self._layers:
            if layer.parts:
                with suppress(OSError):
                    cache.note(layer.cached, layer.derivation)
                    shards.write_shard(
                        layer.cached, layer.derivation, *shards.as_shard(layer.parts)
                    )
                layer.parts = []


def _layer(extractor: Extractor, perturbation: Perturbation | None) -> _Layer:
    derivation = Derivation.of(extractor, perturbation)
    return _Layer(extractor, derivation, cache.shards_of(derivation))


def _cached(layer: _Layer) -> set[ChunkKey]:
    found = shards.shards_in(layer.cached, layer.derivation)
    return {(sha256, span) for facts in found for sha256, span, _ in facts.chunks}
