"""Stages embed and equalise: recordings of one corpus to features of one backbone."""

import shutil
import sys
from pathlib import Path

from faunashot.cli.stage import run_stage

RECORDED, EQUALISED = "recorded", "equalised"
NOT_WANTED = "not_wanted"


def main(corpus: str, backbone: str, version: str = RECORDED) -> None:
    suffix = f"-{EQUALISED}" if version == EQUALISED else ""
    stage = "equalise" if suffix else "embed"
    folder = Path("features") / version / corpus / backbone
    record = Path(f"reports/mlflow/{stage}-{corpus}-{backbone}.json")
    if Path(f"features/wanted/{backbone}{suffix}").read_text() == "no\n":
        shutil.rmtree(folder, ignore_errors=True)  # DVC leaves there what was
        folder.mkdir(parents=True)
        (folder / NOT_WANTED).touch()
        record.parent.mkdir(parents=True, exist_ok=True)
        record.write_text("{}\n")  # nothing was embedded, so there is no run
        return
    (folder / NOT_WANTED).unlink(missing_ok=True)
    embed(corpus, backbone, stage=stage, folder=folder, record=record)


def embed(corpus: str, name: str, *, stage: str, folder: Path, record: Path) -> None:
    """Embed the clips of a corpus; what is slow to import is imported only now."""
    import time

    import pandas as pd

    from faunashot.audio.decode import quiet_native
    from faunashot.audio.equalise import Equaliser
    from faunashot.backbones.registry import backbone_class, load
    from faunashot.cli.progress import progress
    from faunashot.errors import StoreError
    from faunashot.features.engine import local, store_features
    from faunashot.features.plan import Recording, plan
    from faunashot.features.store import empty, save
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
        recordings = [Recording(c.clip_id, root / c.path, c.sha256) for c in clips.itertuples()]
        made = plan(recordings, backbone, equaliser=equaliser)
        with progress(f"{corpus} by {backbone.name}", total_s=made.seconds) as on_done:
            outcome = store_features(made, folder, local(backbone), replace=True, on_done=on_done)
        if outcome.bad:
            raise StoreError(
                f"{corpus}: {len(outcome.bad)} recordings cannot be embedded, though ingest read "
                f"them; the first is {outcome.bad[0]['clip_id']}: {outcome.bad[0]['reason']}"
            )
        took = time.perf_counter() - began
        rate = outcome.embedded / took
        run.metrics({"windows": outcome.windows, "windows_per_s": rate, "embed_s": took})
        run.tag("weights", backbone.weights_hash)
        run.tag("licence", backbone.licence)
        print(
            f"{corpus}: {outcome.windows} windows by {backbone.name} {backbone.version}, "
            f"{outcome.embedded} of them embedded now, {rate:.0f} a second; "
            f"licence of the weights: {backbone.licence}"
        )


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
