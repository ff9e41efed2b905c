"""``faunashot ablate``."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer
from faunashot.errors import ParameterError

if TYPE_CHECKING:
    from faunashot.params import Params
    from faunashot.protocols.base import Task
    from faunashot.protocols.grid import Cell

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
    """Train every variant over all folds, and print what each ingredient is worth."""
    from faunashot.params import load_params
    from faunashot.systems.catalogue import system as named
    from faunashot.systems.variants import variants

    chosen = named(system)
    if len(variants(chosen)) == 1:
        raise ParameterError(f"{system} has no ingredients: name a network trained from scratch")
    params = load_params()
    every = [params.seed + n for n in range(seeds)]
    if queue:
        _queue(system, chosen.reads, list(variants(chosen)), every)
        return
    from faunashot.cli.progress import count
    from faunashot.evaluation.systems_plots import ablation_figure
    from faunashot.places import Place
    from faunashot.protocols import ablation, grid
    from faunashot.tracking.runs import stage_run

    of_cells, load, made_of, classes = _prepared(params, system, every)
    tables: dict[tuple[str, int], Any] = {}
    with (
        stage_run(
            "ablate",
            params=params.model_dump(mode="json") | {"system": system, "seeds": every},
            inputs=[CLIPS],
            record=out / "mlflow.json",
            name=f"{params.corpus}-{system}-ablation",
        ) as run,
        count(system, total=len(of_cells)) as done,
    ):
        place = Place(out / "cells")
        for cell, table in grid.score(
            of_cells, load, made_of=made_of, place=place, workers=workers
        ):
            tables[cell.name, cell.seed] = table
            done()
        runs = {name: [tables[name, seed] for seed in every] for name in variants(chosen)}
        settings = {"level": params.evaluation.level, "draws": params.evaluation.draws}
        worth = ablation.worth(chosen, runs, classes, **settings)
        figures = ablation.figures(runs, classes, **settings)
        shown = worth.rename(
            columns={"accuracy": "difference", "accuracy_low": "low", "accuracy_high": "high"}
        )
        figure = ablation_figure(shown, title=f"{system} on {params.corpus}")
        figure.savefig(out / f"{system}.png")
        worth.to_csv(out / f"{system}-worth.csv", index=False)
        figures.to_csv(out / f"{system}.csv", index=False)
        run.figure(figure, "ablation")
        run.table(worth, "worth")
        run.table(figures, "variants")
    _show(worth, as_json=as_json)
    if not as_json:
        print(f"{out / system}.png: the same as a plot; {out / system}.csv: each variant by itself")


def _prepared(
    params: Params, system: str, seeds: Sequence[int]
) -> tuple[list[Cell], Any, str, Any]:
    """Cells, what loads the task of one, a hash of the data, and the classes."""
    import pandas as pd

    from faunashot.corpora.audit import TARGET
    from faunashot.features import store
    from faunashot.protocols import ablation
    from faunashot.systems.catalogue import system as named

    reads = named(system).reads
    folder, noise = (
        Path("features/recorded") / params.corpus / reads,
        Path("features/noise") / reads,
    )
    meta = folder / store.META
    if not meta.exists() or not CLIPS.exists():
        raise ParameterError(
            f"{folder} holds no features: run `dvc exp run -S system={system} -S backbone={reads} "
            "-S protocol.name=fine_tune` first"
        )
    official = params.protocol.folds == "official"
    of_cells = ablation.cells(named(system), reads, seeds=seeds, official=official)
    parts = [meta, noise / "recordings" / store.META]
    clips = pd.read_parquet(CLIPS)
    clips = clips[clips["role"] == TARGET]
    import hashlib

    digest = hashlib.sha256(pd.util.hash_pandas_object(clips).to_numpy().tobytes())
    for part in parts:
        digest.update(part.read_bytes() if part.exists() else b"")
    load = partial(_task, clips=clips, folder=folder, noise=noise / "recordings")
    return of_cells, load, digest.hexdigest(), sorted(set(clips["label"]))


def _task(cell: Cell, *, clips: Any, folder: Path, noise: Path) -> Task:
    import numpy as np

    from faunashot.features import store
    from faunashot.protocols.base import Task, Tuning
    from faunashot.protocols.table import WindowTable

    target = WindowTable(clips, store.load(folder))
    return Task(
        target=target,
        source=target.none(),
        system=cell.system,
        seed=cell.seed,
        official=cell.official,
        tuning=Tuning(dict, noise=lambda: np.asarray(store.load(noise).windows)),
    )


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


def _show(worth: Any, *, as_json: bool) -> None:
    rows = worth.astype(object).where(worth.notna(), None).to_dict("records")
    if as_json:
        answer(rows, as_json=True)
        return
    shown = [
        {
            "ingredient": row["ingredient"],
            "where": row["side"],
            "accuracy": f"{row['accuracy']:+.3f}",
            "interval": _interval(row, "accuracy"),
            "macro-F1": f"{row['macro_f1']:+.3f}",
            "interval ": _interval(row, "macro_f1"),
        }
        for row in rows
    ]
    answer(shown, as_json=False)


def _interval(row: dict[str, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None else f"{low:+.3f} to {high:+.3f}"
