"""The corpora by name; a module is imported when its corpus is asked for."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

from faunashot.data.corpora.base import Corpus
from faunashot.errors import ParameterError

CORPORA: dict[str, str] = {
    "animals_sounds": "faunashot.data.corpora.animals_sounds:AnimalsSounds",
    "demo": "faunashot.data.corpora.demo:Demo",
    "esc50": "faunashot.data.corpora.esc50:Esc50",
    "folder": "faunashot.data.corpora.folder:Folder",
    "gtzan": "faunashot.data.corpora.gtzan:Gtzan",
    "none": "faunashot.data.corpora.none:NoCorpus",
    "urbansound8k": "faunashot.data.corpora.urbansound8k:UrbanSound8K",
}


def create(
    name: str,
    *,
    reader: str | None = None,
    classes: str | list[str] = "all",
    **options: Any,
) -> Corpus:
    """Make the corpus `name`.

    Parameters
    ----------
    name : str
        A key of `CORPORA`; with a `reader`, any name.
    reader : str, optional
        The key of `CORPORA` whose layout the corpus has; `name` unless told.
    classes : str or list of str
        "all", a set that the corpus names, or class names.
    **options
        What the corpus' class takes besides.

    Returns
    -------
    Corpus
        Carries `name`, whichever reader it has.

    Raises
    ------
    ParameterError
        The name, the reader or an option is unknown; the message names the nearest one.

    Examples
    --------
    >>> create("meadow", reader="folder", table="labels.csv").name
    'meadow'
    """
    key = reader or name
    if key not in CORPORA:
        raise ParameterError.unknown(f"corpora.{name}.reader" if reader else "corpus", key, CORPORA)
    module, _, attribute = CORPORA[key].partition(":")
    kind: type[Corpus] = getattr(import_module(module), attribute)
    accepted = inspect.signature(kind).parameters
    for option in options:
        if option not in accepted:
            raise ParameterError.unknown(f"corpora.{name}", option, accepted)
    corpus = kind(classes, **options)
    corpus.name = name
    return corpus
