"""Stages embed and equalise: recordings of one corpus to features of one backbone."""

import sys
from pathlib import Path

from faunashot.cli.stage import run_stage

RECORDED, EQUALISED = "recorded", "equalised"


def main(corpus: str, backbone: str, version: str = RECORDED) -> None:
    suffix = f"-{EQUALISED}" if version == EQUALISED else ""
    stage = "equalise" if suffix else "embed"
    folder = Path("features") / version / corpus / backbone
    record = Path(f"reports/mlflow/{stage}-{corpus}-{backbone}.json")
    if Path(f"features/wanted/{backbone}{suffix}").read_text() == "no\n":
        folder.mkdir(parents=True)
        (folder / "not_wanted").touch()
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text("{}\n")  # nothing was embedded, so there is no run
        return
    embed(corpus, backbone, stage=stage, folder=folder, record=record)


def embed(corpus: str, name: str, *, stage: str, folder: Path, record: Path) -> None:
    """Embed the clips of a corpus; what is slow to import is imported only now."""
    import time

    import pandas as pd
    from rich.console import Console
    from rich.progress import Progress

    from faunashot.audio.decode import quiet_native
    from faunashot.audio.equalise import Equaliser
    from faunashot.backbones.extract import embed_clips
    from faunashot.backbones.registry import backbone_class, load
    from faunashot.backbones.store import empty, save
    from faunashot.params import load_params

    params = load_params()
    options = params.options_of(name)
    file = Path(f"clips/{corpus}.parquet")
    clips = pd.read_parquet(file)
    if clips.empty:
        save(empty(backbone_class(name), hop_s=options["hop_s"]), folder)
        record.write_text("{}\n")
        return
    from faunashot.tracking.runs import stage_run

    equaliser = None
    if stage == "equalise":
        equaliser = Equaliser(**params.audio.equaliser.model_dump())
    with (
        quiet_native(),
        stage_run(
            stage,
            params=params.model_dump(mode="json"),
            inputs=[file],
            record=record,
            name=params.run_name,
        ) as run,
    ):
        run.params({"corpus": corpus, "backbone": name, "backbones": {name: options}})
        backbone = load(name, **options)
        root = params.corpora[corpus].root
        began = time.perf_counter()
        paths = [(c.clip_id, root / c.path) for c in clips.itertuples()]
        quiet = not sys.stderr.isatty()
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
            seen = bar.add_task(f"{corpus} by {backbone.name}", total=len(paths))
            features = embed_clips(
                paths, backbone, equaliser=equaliser, on_clip=lambda clip_id: bar.advance(seen)
            )
        took = time.perf_counter() - began
        save(features, folder)
        rate = len(features.windows) / took
        run.metrics({"windows": len(features.windows), "windows_per_s": rate, "embed_s": took})
        run.tag("weights", backbone.weights_hash)
        run.tag("licence", backbone.licence)
        print(
            f"{corpus}: {len(features.windows)} windows by {backbone.name} {backbone.version}, "
            f"{rate:.0f} a second; licence of the weights: {backbone.licence}"
        )


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
