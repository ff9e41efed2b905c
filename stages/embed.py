"""Stages embed and equalise: recordings of one corpus to features of one backbone."""

import sys
from pathlib import Path

from faunashot.cli.embedding import Wish, embed_all, is_wanted
from faunashot.errors import ends_in_one_line

RECORDED, EQUALISED = "recorded", "equalised"


def main(corpus: str, backbone: str, version: str = RECORDED) -> None:
    suffix = f"-{EQUALISED}" if version == EQUALISED else ""
    stage = "equalise" if suffix else "embed"
    folder = Path("features") / version / corpus / backbone
    record = Path(f"reports/mlflow/{stage}-{corpus}-{backbone}.json")
    if is_wanted(Path(f"features/wanted/{backbone}{suffix}"), folder=folder, record=record):
        embed(corpus, backbone, stage=stage, folder=folder, record=record)


def embed(corpus: str, name: str, *, stage: str, folder: Path, record: Path) -> None:
    """Embed the clips of a corpus; what is slow to import is imported only now."""
    import pandas as pd

    from faunashot.audio.decode import quiet_native
    from faunashot.audio.equalise import Equaliser
    from faunashot.backbones.registry import backbone_class, load
    from faunashot.features.plan import Recording
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
        root = params.corpora[corpus].root
        recordings = [Recording(c.clip_id, root / c.path, c.sha256) for c in clips.itertuples()]
        embed_all([Wish(corpus, recordings, folder, equaliser)], load(name, **options), run)


if __name__ == "__main__":
    with ends_in_one_line():
        main(*sys.argv[1:])
