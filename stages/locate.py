"""Stage locate@NAME: the layout of one corpus, read and hashed."""

import sys
from pathlib import Path

from faunashot.data.corpora import create
from faunashot.data.ingest import hashed, located
from faunashot.errors import ends_in_one_line
from faunashot.params import ABSENT, NO_CORPUS, load_params


def main(name: str) -> None:
    block = load_params().corpora[name]
    root, options = block.root, block.model_dump(exclude={"root"}, exclude_none=True)
    corpus = create(NO_CORPUS) if root == ABSENT else create(name, **options)
    out = Path("clips/located") / f"{name}.parquet"
    noise_out = Path("clips/noise") / out.name
    for file in (out, noise_out):
        file.parent.mkdir(parents=True, exist_ok=True)
    located(corpus, root).to_parquet(out, index=False)
    hashed(corpus.noise(root), root).to_parquet(noise_out, index=False)


if __name__ == "__main__":
    with ends_in_one_line():
        main(*sys.argv[1:])
