"""Stage embed@NAME: recordings of one corpus to features; the costly one."""

import sys
import time
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.progress import Progress

from faunashot.audio.decode import quiet_native
from faunashot.backbones.extract import embed_clips
from faunashot.backbones.registry import backbone_class, load
from faunashot.backbones.store import empty, save
from faunashot.cli.stage import run_stage
from faunashot.params import load_params
from faunashot.tracking.runs import stage_run


def main(name: str) -> None:
    params = load_params()
    clips = pd.read_parquet(f"clips/{name}.parquet")
    folder = Path("features") / name / params.backbone
    record = Path(f"reports/mlflow/embed-{name}.json")
    if clips.empty:
        hop_s = params.backbone_options()["hop_s"]
        save(empty(backbone_class(params.backbone), hop_s=hop_s), folder)
        record.write_text("{}\n")  # nothing was embedded, so there is no run
        return
    with (
        quiet_native(),
        stage_run(
            "embed",
            params=params.model_dump(mode="json"),
            inputs=[Path(f"clips/{name}.parquet")],
            record=record,
            name=params.run_name,
        ) as run,
    ):
        own = {params.backbone: params.backbone_options()}
        run.params({"corpus": name, "backbone": params.backbone, "backbones": own})
        backbone = load(params.backbone, **params.backbone_options())
        root = params.corpora[name].root
        began = time.perf_counter()
        paths = [(c.clip_id, root / c.path) for c in clips.itertuples()]
        quiet = not sys.stderr.isatty()
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
            seen = bar.add_task(f"{name} by {backbone.name}", total=len(paths))
            features = embed_clips(paths, backbone, on_clip=lambda clip_id: bar.advance(seen))
        took = time.perf_counter() - began
        save(features, folder)
        rate = len(features.windows) / took
        run.metrics({"windows": len(features.windows), "windows_per_s": rate, "embed_s": took})
        run.tag("weights", backbone.weights_hash)
        run.tag("licence", backbone.licence)
        print(
            f"{name}: {len(features.windows)} windows by {backbone.name} {backbone.version}, "
            f"{rate:.0f} a second; licence of the weights: {backbone.licence}"
        )


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
