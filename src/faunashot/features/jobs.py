"""What a stage embeds: several sets of recordings by one extractor, each into its folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faunashot.audio.perturbation import Perturbation
from faunashot.errors import StoreError
from faunashot.features.build import StoredFeatures, store_features
from faunashot.features.engine import Engine, Progress, ShardIndex, ShardTarget, local
from faunashot.features.extractors import Extractor
from faunashot.features.plan import Plan, Recording, Shard, plan
from faunashot.progress import progress


@dataclass(frozen=True)
class EmbedJob:
    """Which recordings are embedded, and where the result goes.

    Attributes
    ----------
    name : str
        For messages.
    recordings : sequence of Recording
        In the order of the result.
    folder : Path
        Made anew, whatever it holds.
    perturbation : Perturbation, optional
        Done to the audio before.
    """

    name: str
    recordings: Sequence[Recording]
    folder: Path
    perturbation: Perturbation | None = None


@dataclass(frozen=True)
class EmbedSummary:
    """What became of jobs, for a log.

    Attributes
    ----------
    windows, embedded : int
        Windows in all folders, and how many of them were embedded now.
    seconds : float
        How long it took.
    weights_hash, licence : str
        Of the weights.
    lines : tuple of str
        How many windows each job has, and how many of them were embedded now.
    """

    windows: int
    embedded: int
    seconds: float
    weights_hash: str
    licence: str
    lines: tuple[str, ...]

    @property
    def metrics(self) -> dict[str, float]:
        """Figures by name."""
        rate = self.embedded / self.seconds
        return {
            "windows": self.windows,
            "embedded": self.embedded,
            "windows_per_s": rate,
            "embed_s": self.seconds,
        }

    @property
    def tags(self) -> dict[str, str]:
        """What the weights are."""
        return {"weights": self.weights_hash, "licence": self.licence}


def embed_jobs(
    jobs: Sequence[EmbedJob],
    extractor: Extractor,
    *,
    beside: Sequence[Extractor] = (),
    before_embedding: Callable[[], None] = lambda: None,
) -> EmbedSummary:
    """Store the features of recordings that could be read before.

    Where all are cached, nothing of the extractor is touched but its attributes.

    Parameters
    ----------
    jobs : sequence of EmbedJob
        One after the other.
    extractor : Extractor
        Of all of them.
    beside : sequence of Extractor
        Further layers of its backbone, which are cached where something has to be embedded.
    before_embedding : callable
        Called before each job of which something has to be embedded; of others it is not.

    Raises
    ------
    StoreError
        A recording cannot be embedded.
    """
    windows, embedded, began, lines = 0, 0, time.perf_counter(), []
    for job in jobs:
        planned = plan(job.recordings, extractor, perturbation=job.perturbation)
        title = f"{job.name} by {extractor.name}"
        engine = _announced(local(extractor, beside=beside), before_embedding)
        stored = shown(title, planned, job.folder, engine, replace=True)
        if stored.bad:
            first = stored.bad[0]
            raise StoreError(
                f"{job.name}: {len(stored.bad)} recordings cannot be embedded, though they were "
                f"read before; the first is {first['clip_id']}: {first['reason']}"
            )
        windows, embedded = windows + stored.windows, embedded + stored.embedded
        lines.append(
            f"{job.name}: {stored.windows} windows by {extractor.name} {extractor.version}, "
            f"{stored.embedded} of them embedded now"
        )
    took_s = time.perf_counter() - began
    weights, licence = extractor.weights_hash, extractor.licence
    return EmbedSummary(windows, embedded, took_s, weights, licence, tuple(lines))


def _announced(engine: Engine, before: Callable[[], None]) -> Engine:
    """The engine, and a call before it begins."""

    def run(
        shards: Sequence[Shard], plan: Plan, target: ShardTarget, known: ShardIndex
    ) -> Iterator[Progress]:
        before()
        yield from engine(shards, plan, target, known)

    return run


def shown(
    title: str, planned: Plan, url: str | Path, engine: Engine, *, replace: bool = False
) -> StoredFeatures:
    """`store_features` with a bar of the hours of audio that are dealt with."""
    with progress(title, total=planned.seconds / 3600, unit="h of audio") as advance:

        def on_progress(step: Progress) -> None:
            advance(step.seconds / 3600, was_done=not step.embedded)

        return store_features(planned, url, engine, replace=replace, on_progress=on_progress)
