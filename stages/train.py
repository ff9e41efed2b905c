"""Stage train: the protocol picks clips, the head learns, held-out windows are scored."""

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from faunashot.backbones import registry, store
from faunashot.cli.stage import run_stage
from faunashot.corpora.audit import SOURCE, TARGET
from faunashot.params import Params, load_params
from faunashot.protocols.base import Outcome, Task, WindowTable
from faunashot.protocols.registry import run_protocol
from faunashot.systems.catalogue import system
from faunashot.systems.recogniser import Recogniser
from faunashot.tracking.runs import stage_run

LEARNS_FROM = {"corpus", "source", "backbone", "system", "seed", "protocol"}
"""Parameters of the stage, beside the backbone's own."""


def main() -> None:
    params = load_params()
    stores = [Path("features") / name / params.backbone for name in (params.corpus, params.source)]
    clips_file = Path("clips/audited.parquet")
    with stage_run(
        "train",
        params=params.model_dump(mode="json"),
        inputs=[clips_file, *stores],
        record=Path("reports/mlflow/train.json"),
        name=params.run_name,
    ) as run:
        run.params(params.model_dump(mode="json", include=LEARNS_FROM))
        run.params({"backbones": {params.backbone: params.backbone_options()}})
        clips = pd.read_parquet(clips_file)
        target, source = (store.load(folder) for folder in stores)
        task = Task(
            target=WindowTable(clips[clips["role"] == TARGET], target),
            source=WindowTable(clips[clips["role"] == SOURCE], source),
            system=system(params.system),
            seed=params.seed,
        )
        outcome = run_protocol(task, params, target.maker)
        write(outcome, params, target.maker)
        run.metrics({k: v for k, v in outcome.facts.items() if isinstance(v, int | float)})
        run.text(json.dumps(outcome.facts, indent=1, ensure_ascii=False), "facts.json")
        for note in outcome.notes:
            print(f"note: {note}")
        scored = outcome.held_out["clip_id"].nunique()
        print(f"{params.full_system}: {params.protocol.name}, {scored} held-out clips scored")


def write(outcome: Outcome, params: Params, maker: store.Maker) -> None:
    """Write the model that is served, and what was held out."""
    backbone = registry.backbone_class(params.backbone)
    facts = {
        "backbone": {
            "name": params.backbone,
            "options": params.backbone_options(),
            "version": maker.version,
            "weights_hash": maker.weights_hash,
            **{key: getattr(backbone, key) for key in ("licence", "citation", "trained_on")},
        },
        "system": asdict(system(params.system)),
        "takes": outcome.takes,
        "classes": outcome.classes,
        "corpus": params.corpus,
        "source": params.source,
        "protocol": params.protocol.name,
        "k": outcome.headline_k,
        "seed": params.seed,
        "facts": outcome.facts,
        "notes": outcome.notes,
    }
    Recogniser(outcome.head, facts).save(Path("models") / params.full_system)
    held_out = Path("predictions/held_out.parquet")
    held_out.parent.mkdir(exist_ok=True)
    outcome.held_out.to_parquet(held_out, index=False)


if __name__ == "__main__":
    run_stage(main)
