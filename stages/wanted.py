"""Stage wanted@NAME: whether the parameters name a backbone, recorded and equalised."""

import sys
from pathlib import Path

from faunashot.cli.stage import run_stage
from faunashot.params import load_params


def main(name: str) -> None:
    params = load_params()
    used = name in params.backbone_names
    folder = Path("features/wanted")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("yes\n" if used else "no\n")
    (folder / f"{name}-equalised").write_text("yes\n" if used and params.audio.equalise else "no\n")


if __name__ == "__main__":
    run_stage(main, *sys.argv[1:])
