"""Stage embed: recordings to all features that the run needs, those from the cache that it has."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from faunashot.audio.altered import InTurn
from faunashot.audio.noise import Noise
from faunashot.audio.perturbation import Perturbation
from faunashot.audio.recordings import recordings_in
from faunashot.conditions.base import asked_for
from faunashot.data.ingest import hashed
from faunashot.evaluation import MAIN
from faunashot.features import remarks, store
from faunashot.features.extractors import Extractor, extractors
from faunashot.features.jobs import EmbedJob, embed_jobs
from faunashot.features.names import FeatureName, layers_named_beside
from faunashot.features.plan import Recording
from faunashot.features.store import META
from faunashot.params import ABSENT, Params
from faunashot.pipeline.check import no_noise
from faunashot.pipeline.costs import write_costs
from faunashot.pipeline.paths import (
    FEATURES,
    NOISE_CLIPS,
    NOISE_FEATURES,
    RUN_RECORDS,
    clips_of,
    features_of,
)
from faunashot.progress import say

if TYPE_CHECKING:
    from faunashot.tracking.runs import StageRun

RECORD = RUN_RECORDS / "embed.json"


def run(params: Params) -> str:
    """Embed corpus and source, as they are and under each condition that alters the audio.

    A run in MLflow is opened where something has to be embedded: where all is cached, there is
    nothing to log, and nothing slow to import.
    """
    clips = {name: pd.read_parquet(clips_of(name)) for name in (params.corpus, params.source)}
    RECORD.parent.mkdir(parents=True, exist_ok=True)
    RECORD.write_text("{}\n")
    folders: list[Path] = []
    done: list[str] = []
    rates: dict[str, float] = {}
    with ExitStack() as opened:
        stage: list[StageRun] = []

        def open_run() -> None:
            if not stage:
                stage.append(opened.enter_context(_stage_run(params, clips)))

        for features, source, beside in sources(params):
            wanted = list(jobs(params, clips, features))
            folders += [job.folder for job in wanted]
            summary = embed_jobs(wanted, source, beside=beside, before_embedding=open_run)
            done += summary.lines
            for name, table in clips.items():
                folder = features_of(MAIN, name, features)
                if len(table):
                    bands = zip(table["clip_id"], table["bandwidth_hz"], strict=True)
                    by = params.audio.time_expansion
                    said = [(clip_id, remarks.of_band(hz / by, source)) for clip_id, hz in bands]
                    said += remarks.of_windows(store.load(folder))
                    for line in remarks.summed_up(said, total=len(table)):
                        say(f"{name}: {line}")
            if summary.embedded:
                rates[features.folder] = round(summary.metrics["windows_per_s"], 1)
            for run in stage:
                run.metrics({features.folder: summary.metrics})
                run.params({"backbones": {features.name: params.options_of(features.name)}})
                for name, value in summary.tags.items():
                    run.tag(f"{features.folder}.{name}", value)
        costs = write_costs("embed", {"windows_per_s": rates} if rates else {})
        for run in stage:
            run.metrics({"costs": costs})
    remove_others(folders)
    return "; ".join(done)


def sources(params: Params) -> Iterator[tuple[FeatureName, Extractor, list[Extractor]]]:
    """What yields each of the features that the run needs, and layers to be cached beside it.

    Those are the other layers of its backbone that this run needs, or that the variable
    ``FAUNASHOT_LAYERS`` names: one pass over the audio is enough for all of them.
    """
    for name, of in groupby(params.features, key=lambda features: features.name):
        named = list(of)
        layers = [features.layer for features in named] + layers_named_beside(name)
        made = extractors(
            name, layers=layers, options=params.options_of(name), reading=params.reading
        )
        for at, features in enumerate(named):
            rest = {each.layer: each for each in made[at + 1 :] if each.backbone is not None}
            rest.pop(made[at].layer, None)
            yield features, made[at], list(rest.values()) if made[at].backbone else []


@contextmanager
def _stage_run(params: Params, clips: Iterable[str]) -> Iterator[StageRun]:
    """The stage's run in MLflow, whose import takes longer than linking what is cached."""
    from faunashot.tracking.runs import stage_run

    with stage_run(
        "embed",
        params=params.model_dump(mode="json"),
        inputs=[clips_of(name) for name in clips],
        record=RECORD,
        name=params.run_name,
    ) as run:
        used = {"corpus", "source", "conditions", "augment"}
        run.params(params.model_dump(mode="json", include=used))
        yield run


def remove_others(folders: Sequence[Path]) -> None:
    """Remove features of earlier runs: what the stage leaves depends on its parameters alone."""
    for meta in FEATURES.rglob(META):
        if meta.parent not in folders:
            shutil.rmtree(meta.parent)
    for folder in sorted(FEATURES.rglob("*"), reverse=True):
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def jobs(
    params: Params, clips: dict[str, pd.DataFrame], features: FeatureName
) -> Iterator[EmbedJob]:
    """What of these features the run needs."""
    recordings = {
        name: recordings_of(table, params.root_of(name))
        for name, table in clips.items()
        if len(table)
    }

    def altered(
        condition: str, corpus: str, perturbation: Perturbation | None, *, copies: bool
    ) -> Iterator[EmbedJob]:
        """What is embedded of the corpus that is scored beside it as it is under a condition."""
        named = params.augmentation.shifted | (params.augmentation.altered if copies else {})
        for name, change in named.items() if corpus == params.corpus else ():
            yield EmbedJob(
                ", ".join([corpus, *([condition] if perturbation else []), name]),
                recordings[corpus],
                features_of(condition, corpus, features, copy=name),
                InTurn(perturbation, change) if perturbation else change,
            )

    for corpus, of_corpus in recordings.items():
        yield EmbedJob(corpus, of_corpus, features_of(MAIN, corpus, features))
        yield from altered(MAIN, corpus, None, copies=True)
    conditions = asked_for(params.conditions)
    noises = recordings_of_noise(params) if params.needs_noise else []
    if params.mixes_noise:
        yield EmbedJob("noise", noises, NOISE_FEATURES / features.folder)
    mixed = [Noise(noise.path, str(noise.sha256)) for noise in noises]
    for noise in mixed:
        noise.at()  # refuses what is no noise, by its name
    for condition in conditions:
        perturbation = condition.perturbation(mixed)
        if perturbation is None:
            continue
        for corpus, of_corpus in recordings.items():
            if condition.refits or corpus == params.corpus:
                folder = features_of(condition.name, corpus, features)
                yield EmbedJob(f"{corpus}, {condition.name}", of_corpus, folder, perturbation)
                yield from altered(condition.name, corpus, perturbation, copies=condition.refits)


def recordings_of_noise(params: Params) -> list[Recording]:
    """Recordings of noise in ``noise.root``, or those that the corpus brings.

    Raises
    ------
    ParameterError
        There are none.
    """
    if params.noise.root == ABSENT:
        root, table = params.root, pd.read_parquet(NOISE_CLIPS)
    else:
        root = params.noise.root
        table = hashed(recordings_in(root), root)
    if table.empty:
        raise no_noise(params)
    return recordings_of(table.assign(clip_id=table["path"]), root)


def recordings_of(table: pd.DataFrame, root: Path) -> list[Recording]:
    """Recordings of a table with the columns clip_id, path and sha256."""
    rows = zip(table["clip_id"], table["path"], table["sha256"], strict=True)
    return [Recording(clip_id, root / path, sha256) for clip_id, path, sha256 in rows]
