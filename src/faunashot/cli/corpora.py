"""``faunashot corpora``."""

from __future__ import annotations

from faunashot.cli.output import AsJson, answer


def corpora(as_json: AsJson = False) -> None:
    """Print what can be read."""
    from faunashot.data.corpora import CORPORA

    rows = [
        {
            "corpus": name,
            "classes": ", ".join(["all", *corpus.class_sets]),
            "licence": corpus.licence,
            "url": corpus.url,
        }
        for name, corpus in CORPORA.classes().items()
    ]
    answer(rows, as_json=as_json, columns=["corpus", "classes", "licence"])
