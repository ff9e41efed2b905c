"""Stage locate@NAME: the layout of one corpus, read and hashed."""

import sys
from pathlib import Path

from faunashot.data.corpora.registry import create
from faunashot.data.locate import empty, hashed, locate
from faunashot.errors import CorpusError, ends_in_one_line
from faunashot.params import ABSENT, load_params


def main(name: str) -> None:
    params = load_params().corpora[name]
    out = Path("clips/located") / f"{name}.parquet"
    noise_out = Path("clips/noise") / out.name
    for file in (out, noise_out):
        file.parent.mkdir(parents=True, exist_ok=True)
    if params.root == ABSENT:
        empty().to_parquet(out, index=False)
        hashed([], params.root).to_parquet(noise_out, index=False)
        return
    options = {"table": params.table} if params.table else {}
    corpus = create(name, reader=params.reader, classes=params.classes, **options)
    table = locate(corpus, params.root)
    if table.empty:
        raise CorpusError(f"{name}: no clips of classes {params.classes} under {params.root}")
    table.to_parquet(out, index=False)
    hashed(corpus.noise(params.root), params.root).to_parquet(noise_out, index=False)
    print(f"{name}: {len(table)} clips of {table['label'].nunique()} classes in {params.root}")


if __name__ == "__main__":
    with ends_in_one_line():
        main(*sys.argv[1:])
