"""Stage wanted@NAME: whether the parameters name a backbone: recorded, equalised, under noise."""

import sys
from pathlib import Path

from faunashot.errors import ends_in_one_line
from faunashot.params import load_params


def main(name: str) -> None:
    params = load_params()
    used = name in params.backbone_names
    folder = Path("features/wanted")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("yes\n" if used else "no\n")
    (folder / f"{name}-equalised").write_text("yes\n" if used and params.audio.equalise else "no\n")
    noisy = used and (params.mixes_noise or params.noise.test_snr_db)
    (folder / f"{name}-noisy").write_text("yes\n" if noisy else "no\n")


if __name__ == "__main__":
    with ends_in_one_line():
        main(*sys.argv[1:])
