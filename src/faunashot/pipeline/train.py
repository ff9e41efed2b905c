"""Stage train: the protocol picks clips, the system learns, held-out clips are scored."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from faunashot.conditions.base import asked_for
from faunashot.data import SOURCE, TARGET
from faunashot.data.splits import honest_folds
from faunashot.estimators.kinds import packages_of
from faunashot.evaluation import MAIN
from faunashot.features import store
from faunashot.features.extractors import Extractor, extractor
from faunashot.features.join import join
from faunashot.features.names import FeatureName
from faunashot.features.store import Features
from faunashot.params import NO_CORPUS, Params
from faunashot.pipeline.costs import write_costs
from faunashot.pipeline.paths import (
    AUDITED,
    FEATURES,
    NOISE_FEATURES,
    PREDICTIONS,
    RUN_RECORDS,
    clips_of,
    features_of,
    model_of,
)
from faunashot.progress import say
from faunashot.protocols.base import Outcome
from faunashot.protocols.run import run_protocol
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task, Training
from faunashot.recogniser import Recogniser
from faunashot.systems.record import BackboneRecord, TrainedSystem
from faunashot.tracking.datasets import dataset_of
from faunashot.tracking.runs import StageRun, stage_run

LEARNS_FROM = {
    *("corpus", "source", "backbone", "layer", "system", "variant", "seed", "protocol"),
    *("augment", "conditions", "noise"),
}
"""Parameters of the stage, beside the options of the protocol and the backbones in use."""


def run(params: Params) -> str:
    """Run the protocol on clips as they are and under every condition that is asked for."""
    with stage_run(
        "train",
        params=params.model_dump(mode="json"),
        inputs=[AUDITED, FEATURES],
        record=RUN_RECORDS / "train.json",
        name=params.run_name,
    ) as stage:
        protocol = params.protocol.name
        stage.params(params.model_dump(mode="json", include=LEARNS_FROM))
        stage.params({"protocols": {protocol: params.protocol_options}})
        stage.params({"backbones": {n: params.options_of(n) for n in params.backbone_names}})
        for corpus in {params.corpus, params.source} - {NO_CORPUS}:
            learned = dataset_of(corpus, root=params.root_of(corpus), clips=clips_of(corpus))
            stage.dataset(learned, "training")
        clips = pd.read_parquet(AUDITED)
        task = make_task(params, clips, stage)
        began = time.perf_counter()
        outcome = run_protocol(
            task, params, task.target.spec, altered=altered_tasks(params, clips, task)
        )
        seconds = {"training_s": round(time.perf_counter() - began, 2)}
        stage.metrics({"costs": write_costs("train", seconds | (outcome.estimator.cost() or {}))})
        write(outcome, params)
        shutil.rmtree(checkpoints(stage), ignore_errors=True)
        stage.metrics({k: v for k, v in outcome.facts.items() if isinstance(v, int | float)})
        facts = {**outcome.facts, "learned_from": outcome.learned_from, "leak": outcome.leak}
        stage.text(json.dumps(facts, indent=1, ensure_ascii=False), "facts.json")
        for note in outcome.notes:
            say(f"note: {note}")
        scored = outcome.held_out["clip_id"].nunique()
        return f"{params.scored_system}: {protocol}, {scored} held-out clips scored"


def checkpoints(stage: StageRun) -> Path:
    """Where networks in training are kept, so that a run that was killed goes on."""
    return Path("checkpoints") / stage.key[:16]


def table_of(params: Params, clips: pd.DataFrame, role: str, condition: str = MAIN) -> WindowTable:
    """Clips of the target or the source with their features under a condition."""
    corpus = params.corpus if role == TARGET else params.source
    own = clips[clips["role"] == role]
    if own.empty:  # of which nothing was embedded
        return table_of(params, clips, TARGET).none()

    def features(copy: str = "") -> Features:
        folders = [features_of(condition, corpus, name, copy=copy) for name in params.features]
        return join([store.load(folder) for folder in folders])

    augmentation = params.augmentation
    scored, learned = role == TARGET, role == TARGET and _is_learned_from(params, condition)
    return WindowTable(
        own,
        features(),
        multi_label=bool(clips["multi_label"].any()),
        copies=[features(name) for name in augmentation.altered] if learned else [],
        shifted=[features(name) for name in augmentation.shifted] if scored else [],
    )


def _is_learned_from(params: Params, condition: str) -> bool:
    """Whether clips as they are under a condition are learned from."""
    refits = {MAIN, *(c.name for c in asked_for(params.conditions) if c.refits)}
    return condition in refits


def make_task(params: Params, clips: pd.DataFrame, stage: StageRun) -> Task:
    """The task that the protocol works on."""

    def on_epoch(fold: str, facts: Mapping[str, Any]) -> None:
        numbers = {k: v for k, v in facts.items() if isinstance(v, int | float) and k != "epoch"}
        stage.metrics({"epoch": {fold: numbers}}, step=facts["epoch"])

    def backbone() -> Any:
        from faunashot.backbones.base import load

        first = params.backbone_names[0]  # which reads text, where others are joined to it
        return load(first, **params.options_of(first))

    def noise() -> np.ndarray | None:
        if not params.mixes_noise:
            return None
        (features,) = params.features
        return np.asarray(store.load(NOISE_FEATURES / features.folder).windows)

    scored_only = [c for c in asked_for(params.conditions) if c.perturbs and not c.refits]
    target = table_of(params, clips, TARGET)
    return Task(
        target=target,
        source=table_of(params, clips, SOURCE),
        system=params.varied_system,
        seed=params.seed,
        folds=honest_folds(params.protocol.folds, target.clips, seed=params.seed),
        transfer=params.protocol.transfer,
        training=Training(backbone, checkpoints(stage), on_epoch, noise),
        test_conditions={c.name: table_of(params, clips, TARGET, c.name) for c in scored_only},
    )


def altered_tasks(params: Params, clips: pd.DataFrame, task: Task) -> dict[str, Task]:
    """The same task under each condition that learns anew, by name."""
    altered = {}
    for condition in asked_for(params.conditions):
        if condition.without_source:
            if task.learns_source and params.protocol.name == "few_shot":
                altered[condition.name] = task.without_source()
        elif condition.random_folds:
            if params.protocol.folds == "random":
                altered[condition.name] = replace(task, folds="random", test_conditions={})
        elif condition.perturbs and condition.refits:
            target, source = (
                table_of(params, clips, role, condition.name) for role in (TARGET, SOURCE)
            )
            altered[condition.name] = replace(
                task, target=target, source=source, test_conditions={}
            )
    return altered


def write(outcome: Outcome, params: Params) -> None:
    """Write the model that is served, and what was held out."""
    of_system = params.varied_system
    sources = [source_of(params, name) for name in params.features]
    of_runtimes = {package for source in sources for package in source.packages}
    record = TrainedSystem(
        estimator=outcome.estimator.KIND,
        packages=sorted({*packages_of(of_system.head), *outcome.estimator.packages, *of_runtimes}),
        backbones=[backbone_record(params, source) for source in sources],
        shifts=[shift.share for shift in params.augmentation.shifted.values()],
        classes=outcome.classes,
        multi_label=outcome.multi_label,
        temperature=outcome.temperature,
        unknown=outcome.threshold,
        thresholds=outcome.thresholds,
        system=described(params),
        variant=params.variant,
        corpus=params.corpus,
        source=params.source,
        protocol=params.protocol.name,
        k=outcome.headline_k,
        seed=params.seed,
        learned_from=outcome.learned_from,
        cost=outcome.estimator.cost(),
        leak=outcome.leak,
        facts=outcome.facts,
        notes=outcome.notes,
    )
    model = model_of(params)
    Recogniser(outcome.estimator, record, outcome.novelty).save(model)
    PREDICTIONS.mkdir(exist_ok=True)
    tables = {"held_out": outcome.held_out, "windows": outcome.windows, "unknown": outcome.unknown}
    for name, table in tables.items():
        (pd.DataFrame() if table is None else table).to_parquet(
            PREDICTIONS / f"{name}.parquet", index=False
        )


def described(params: Params) -> dict[str, Any]:
    """The system, with the altered copies that it learned from or is scored on, if any."""
    system, used = asdict(params.varied_system), params.augmentation
    for name in ("augment", "backbone_options"):
        if not system[name]:
            del system[name]
    if used.copies or used.tta_shifts:
        system["augment"] = used.model_dump(mode="json")
    return system


def source_of(params: Params, features: FeatureName) -> Extractor:
    """What yields features of the run, as its options have it."""
    options = params.options_of(features.name)
    return extractor(features.name, layer=features.layer, options=options)


def backbone_record(params: Params, source: Extractor) -> BackboneRecord:
    """What a model says of features that it was trained on, and where they come from."""
    return BackboneRecord(
        name=source.name,
        layer=source.layer,
        options=params.options_of(source.name),
        reading=params.reading.facts(),
        version=source.version,
        weights_hash=source.weights_hash,
        licence=source.licence,
        citation=source.citation,
        trained_on=source.trained_on,
    )
