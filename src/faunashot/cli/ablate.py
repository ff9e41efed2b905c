"""``faunashot ablate``."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer
from faunashot.errors import ParameterError
from faunashot.wording import decimals, records

if TYPE_CHECKING:
    from faunashot.params import Params
    from faunashot.protocols.support.grid import Stores

CLIPS = Path("clips/audited.parquet")


def ablate(
    system: Annotated[
        str, typer.Argument(metavar="SYSTEM", help="A network trained from scratch.")
    ],
    seeds: Annotated[int, typer.Option(min=1, help="Seeds, counted on from `seed`.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of tables and plot.")] = Path(
        "reports/ablation"
    ),
    queue: Annotated[
        bool, typer.Option("--queue", help="Queue the same grid as DVC experiments instead.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Train every variant over all folds, and print the effect of each ingredient."""
    from faunashot.params import load_params
    from faunashot.systems.catalogue import system as named
    from faunashot.systems.variants import variants

    chosen = named(system)
    if len(variants(chosen)) == 1:
        raise ParameterError(f"{system} has no ingredients: name a network trained from scratch")
    params = load_params()
    every = [params.seed + n for n in range(seeds)]
    if queue:
        _queue(system, chosen.backbone, list(variants(chosen)), every)
        return
    from faunashot.data.splits import honest_folds
    from faunashot.evaluation.systems_plots import ablation_figure
    from faunashot.progress import progress
    from faunashot.protocols.support import ablation, grid
    from faunashot.storage import Storage
    from faunashot.tracking.runs import stage_run

    data = _stores(params, chosen.backbone, system=system)
    folds = honest_folds(params.protocol.folds, data.clips, seed=params.seed)
    of_cells = ablation.cells(chosen, chosen.backbone, seeds=every, folds=folds)
    classes = sorted(set(data.clips["label"]))
    tables: dict[tuple[str, int], Any] = {}
    with (
        stage_run(
            "ablate",
            params=params.model_dump(mode="json") | {"system": system, "seeds": every},
            inputs=[CLIPS],
            record=out / "mlflow.json",
            name=f"{params.corpus}-{system}-ablation",
        ) as run,
        progress(system, total=len(of_cells)) as done,
    ):
        place = Storage(out / "cells")
        for cell, table in grid.score(of_cells, data, place=place, workers=workers):
            tables[cell.name, cell.seed] = table
            done()
        runs = {name: [tables[name, seed] for seed in every] for name in variants(chosen)}
        settings = {
            "confidence_level": params.evaluation.confidence_level,
            "n_bootstrap": params.evaluation.n_bootstrap,
        }
        effect = ablation.ablation_effect(chosen, runs, classes, **settings)
        figures = ablation.figures(runs, classes, **settings)
        shown = effect.rename(
            columns={"accuracy": "difference", "accuracy_low": "low", "accuracy_high": "high"}
        )
        figure = ablation_figure(shown, title=f"{system} on {params.corpus}")
        figure.savefig(out / f"{system}.png")
        effect.to_csv(out / f"{system}-effect.csv", index=False)
        figures.to_csv(out / f"{system}.csv", index=False)
        run.figure(figure, "ablation")
        run.table(effect, "effect")
        run.table(figures, "variants")
    _show(effect, as_json=as_json)
    if not as_json:
        print(f"{out / system}.png: the same as a plot; {out / system}.csv: each variant by itself")


def _stores(params: Params, reads: str, *, system: str) -> Stores:
    """The features that a run of the pipeline left."""
    import pandas as pd

    from faunashot.data import TARGET
    from faunashot.evaluation import MAIN
    from faunashot.features.names import FeatureName
    from faunashot.features.store import META
    from faunashot.pipeline.paths import NOISE_FEATURES, features_of
    from faunashot.protocols.support.grid import Stores

    folder = features_of(MAIN, params.corpus, FeatureName(reads, ""))
    noise = NOISE_FEATURES / reads
    if not all((at / META).exists() for at in (folder, noise)) or not CLIPS.exists():
        raise ParameterError(
            f"{folder} and {noise} do not hold features: run `dvc exp run -S system={system} "
            f"-S backbone={reads} -S protocol.name=fine_tune` first"
        )
    clips = pd.read_parquet(CLIPS)
    return Stores(clips[clips["role"] == TARGET], {MAIN: {reads: folder}}, noise)


def _queue(system: str, backbone: str, names: Sequence[str], seeds: Sequence[int]) -> None:
    sets = {
        "system": system,
        "backbone": backbone,
        "protocol.name": "fine_tune",
        "variant": ",".join(names),
        "seed": ",".join(map(str, seeds)),
    }
    axes = [part for key, value in sets.items() for part in ("-S", f"{key}={value}")]
    done = subprocess.run(["dvc", "exp", "run", "--queue", *axes], check=False)
    if done.returncode:
        raise ParameterError("dvc queued nothing: see above")
    print(f"{len(names) * len(seeds)} experiments queued; run them with: dvc queue start -j 2")


def _show(effect: Any, *, as_json: bool) -> None:
    rows = records(effect)
    if as_json:
        answer(rows, as_json=True)
        return
    shown = [
        {
            "ingredient": row["ingredient"],
            "where": row["side"],
            "accuracy": decimals(row["accuracy"], sign=True),
            "interval": _interval(row),
        }
        for row in rows
    ]
    answer(shown, as_json=False)


def _interval(row: dict[str, Any]) -> str:
    low, high = row["accuracy_low"], row["accuracy_high"]
    return "" if low is None else f"{decimals(low, sign=True)} to {decimals(high, sign=True)}"
