"""``faunashot corpora``."""

from __future__ import annotations

from faunashot.cli.output import AsJson, answer


def corpora(as_json: AsJson = False) -> None:
    """Print what can be read."""
    from faunashot.data.corpora.registry import CORPORA, create

    read = [create(name) for name in CORPORA]
    rows = [
        {
            "corpus": corpus.name,
            "classes": ", ".join(["all", *corpus.class_sets]),
            "licence": corpus.licence,
            "url": corpus.url,
        }
        for corpus in read
    ]
    answer(rows, as_json=as_json, columns=["corpus", "classes", "licence"])
