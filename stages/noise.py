"""Stage noise@NAME: recordings of noise, and clips under it, to features of one backbone."""

import shutil
import sys
from pathlib import Path
from typing import Any

from faunashot.cli.embedding import Wish, embed_all, is_wanted
from faunashot.errors import ends_in_one_line

LEARNS_WITH_NOISE = "logmel_frames"
"""The backbone whose features of the noise itself are mixed into what a network learns from."""


def main(backbone: str) -> None:
    folder = Path("features/noise") / backbone
    record = Path(f"reports/mlflow/noise-{backbone}.json")
    if is_wanted(Path(f"features/wanted/{backbone}-noisy"), folder=folder, record=record):
        embed(backbone, folder=folder, record=record)


def embed(name: str, *, folder: Path, record: Path) -> None:
    """Embed noise and noisy clips; what is slow to import is imported only now."""
    import pandas as pd

    from faunashot.audio.decode import quiet_native
    from faunashot.audio.noise import Noise, NoiseMixer
    from faunashot.backbones.registry import load
    from faunashot.features.plan import Recording
    from faunashot.params import load_params
    from faunashot.tracking.runs import stage_run

    params = load_params()
    options = params.options_of(name)
    clips_file = Path(f"clips/{params.corpus}.parquet")
    root = params.corpora[params.corpus].root
    clips = [
        Recording(clip.clip_id, root / clip.path, clip.sha256)
        for clip in pd.read_parquet(clips_file).itertuples()
    ]
    sources, listed = noise_of(params)
    noises = tuple(Noise(source.path, source.sha256) for source in sources)
    wishes = [Wish("noise", sources, folder / "recordings")] if name == LEARNS_WITH_NOISE else []
    for snr_db in params.noise.test_snr_db:
        title, mixer = f"{params.corpus} at {snr_db:g} dB", NoiseMixer(snr_db, noises)
        wishes.append(Wish(title, clips, folder / f"{snr_db:g}", mixer))
    with (
        quiet_native(),
        stage_run(
            "noise",
            params=params.model_dump(mode="json"),
            inputs=[clips_file, listed],
            record=record,
            name=params.run_name,
        ) as run,
    ):
        run.params({"corpus": params.corpus, "backbone": name, "backbones": {name: options}})
        run.params({"noise": params.noise.model_dump(mode="json")})
        for noise in noises:
            noise.at()  # refuses what is no noise, by its name
        folder.mkdir(parents=True, exist_ok=True)
        for other in set(folder.iterdir()) - {wish.folder for wish in wishes}:
            shutil.rmtree(other)
        embed_all(wishes, load(name, **options), run)


def noise_of(params: Any) -> tuple[list[Any], Path]:
    """Recordings of noise, and what lists them: a folder, or the table of the corpus' own."""
    import pandas as pd

    from faunashot.audio.decode import recordings_in
    from faunashot.data.ingest import hashed
    from faunashot.errors import ParameterError
    from faunashot.features.plan import Recording
    from faunashot.params import ABSENT

    root = listed = params.noise.root
    if root == ABSENT:
        root, listed = (
            params.corpora[params.corpus].root,
            Path(f"clips/noise/{params.corpus}.parquet"),
        )
        table, lack = pd.read_parquet(listed), f"{params.corpus} has no Noise/Wind of its own"
    else:
        table, lack = hashed(recordings_in(root), root), f"{root} holds no recordings"
    if table.empty:
        raise ParameterError(f"noise.root: {lack}; name a folder of recordings of noise")
    return [Recording(row.path, root / row.path, row.sha256) for row in table.itertuples()], listed


if __name__ == "__main__":
    with ends_in_one_line():
        main(*sys.argv[1:])
