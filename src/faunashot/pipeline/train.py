"""Stage train: the protocol picks clips, the system learns, held-out clips are scored."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from faunashot.backbones import registry
from faunashot.data.audit import SOURCE, TARGET
from faunashot.features import store
from faunashot.features.join import join
from faunashot.params import Params
from faunashot.protocols.base import Outcome
from faunashot.protocols.run import run_protocol
from faunashot.protocols.support.table import WindowTable
from faunashot.protocols.support.task import Task, Training
from faunashot.recogniser import Recogniser
from faunashot.systems.catalogue import System, system
from faunashot.systems.record import BackboneRecord, TrainedSystem
from faunashot.systems.variants import variant
from faunashot.tracking.runs import StageRun, stage_run

LEARNS_FROM = {"corpus", "source", "backbone", "system", "variant", "seed", "protocol", "noise"}
"""Parameters of the stage, beside the backbones' own."""

NOISE = Path("features/noise")


def run(params: Params) -> None:
    """Run the stage."""
    clips_file = Path("clips/audited.parquet")
    versions = ["recorded", *(["equalised"] if params.audio.equalise else [])]
    folders = {
        (version, corpus): [Path("features") / version / corpus / n for n in params.backbone_names]
        for version in versions
        for corpus in (params.corpus, params.source)
    }
    with stage_run(
        "train",
        params=params.model_dump(mode="json"),
        inputs=[clips_file, *(folder for parts in folders.values() for folder in parts), NOISE],
        record=Path("reports/mlflow/train.json"),
        name=params.run_name,
    ) as run:
        run.params(params.model_dump(mode="json", include=LEARNS_FROM))
        of_backbones = {n: params.options_of(n) for n in params.backbone_names}
        run.params({"backbones": of_backbones, "audio": {"equalise": params.audio.equalise}})
        clips = pd.read_parquet(clips_file)
        parts = {key: [store.load(folder) for folder in f] for key, f in folders.items()}
        tasks = {}
        for version in versions:
            target, source = (
                WindowTable(clips[clips["role"] == role], join(parts[version, corpus]))
                for role, corpus in ((TARGET, params.corpus), (SOURCE, params.source))
            )
            others = under_noise(params, target.clips) if version == "recorded" else {}
            tasks[version] = make_task(
                params, target, source, run, version=version, test_conditions=others
            )
        makers = [part.maker for part in parts["recorded", params.corpus]]
        outcome = run_protocol(
            tasks["recorded"],
            params,
            tasks["recorded"].target.maker,
            equalised=tasks.get("equalised"),
        )
        write(outcome, params, makers)
        shutil.rmtree(checkpoints(run), ignore_errors=True)
        run.metrics({k: v for k, v in outcome.facts.items() if isinstance(v, int | float)})
        facts = {**outcome.facts, "learned_from": outcome.learned_from, "leak": outcome.leak}
        run.text(json.dumps(facts, indent=1, ensure_ascii=False), "facts.json")
        for note in outcome.notes:
            print(f"note: {note}")
        scored = outcome.held_out["clip_id"].nunique()
        print(f"{params.full_system}: {params.protocol.name}, {scored} held-out clips scored")


def checkpoints(run: StageRun) -> Path:
    """Where networks in training are kept, so that a run that was killed goes on."""
    return Path("checkpoints") / run.key[:16]


def under_noise(params: Params, clips: pd.DataFrame) -> dict[str, WindowTable]:
    """The clips under noise, a table each test SNR."""
    return {
        f"snr_{snr_db:g}": WindowTable(
            clips,
            join([store.load(NOISE / name / f"{snr_db:g}") for name in params.backbone_names]),
        )
        for snr_db in params.noise.test_snr_db
    }


def make_task(
    params: Params,
    target: WindowTable,
    source: WindowTable,
    run: StageRun,
    *,
    version: str,
    test_conditions: dict[str, WindowTable],
) -> Task:
    """The task that the protocol works on."""

    def on_epoch(fold: str, facts: Mapping[str, Any]) -> None:
        numbers = {k: v for k, v in facts.items() if isinstance(v, int | float) and k != "epoch"}
        run.metrics({"epoch": {version: {fold: numbers}}}, step=facts["epoch"])

    def backbone() -> Any:
        from faunashot.backbones.yamnet.network import build

        return SimpleNamespace(build=partial(build, handle=params.backbones.yamnet.handle))

    def noise() -> np.ndarray | None:
        if not params.mixes_noise:
            return None
        return np.asarray(store.load(NOISE / params.backbone / "recordings").windows)

    return Task(
        target=target,
        source=source,
        system=varied(params),
        seed=params.seed,
        official=params.protocol.folds == "official",
        transfer=params.protocol.transfer,
        training=Training(backbone, checkpoints(run) / version, on_epoch, noise),
        test_conditions=test_conditions,
    )


def varied(params: Params) -> System:
    """The system, with the ingredient changed that the parameters name."""
    return variant(system(params.system), params.variant).system


def write(outcome: Outcome, params: Params, makers: list[store.FeatureSpec]) -> None:
    """Write the model that is served, and what was held out."""
    record = TrainedSystem(
        estimator=outcome.estimator.KIND,
        backbones=[of_backbone(params, maker) for maker in makers],
        classes=outcome.classes,
        multi_label=outcome.multi_label,
        temperature=outcome.temperature,
        unknown=outcome.threshold,
        system=asdict(varied(params)),
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
    model = Path("models") / params.full_system
    Recogniser(outcome.estimator, record, outcome.novelty).save(model)
    folder = Path("predictions")
    folder.mkdir(exist_ok=True)
    tables = {"held_out": outcome.held_out, "windows": outcome.windows, "unknown": outcome.unknown}
    for name, table in tables.items():
        if table is None:
            table = pd.DataFrame()
        table.to_parquet(folder / f"{name}.parquet", index=False)


def of_backbone(params: Params, maker: store.FeatureSpec) -> BackboneRecord:
    """What a model says of a backbone that it was trained on."""
    backbone = registry.backbone_class(maker.backbone)
    return BackboneRecord(
        name=maker.backbone,
        options=params.options_of(maker.backbone),
        version=maker.version,
        weights_hash=maker.weights_hash,
        licence=backbone.licence,
        citation=backbone.citation,
        trained_on=backbone.trained_on,
    )
