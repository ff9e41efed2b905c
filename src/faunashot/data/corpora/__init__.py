"""Corpora as published: one module each, found by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from faunashot.errors import ParameterError
from faunashot.registry import Registry

if TYPE_CHECKING:
    from faunashot.data.corpora.base import Corpus

CORPORA: Registry[Corpus] = Registry(
    "corpus", "faunashot.data.corpora", contract="faunashot.data.corpora.base:Corpus"
)
"""Every corpus by name; a module is imported when its corpus is asked for."""


def create(name: str, *, reader: str | None = None, **options: Any) -> Corpus:
    """Make the corpus `name`.

    Parameters
    ----------
    name : str
        One of `CORPORA`; with a `reader`, any name.
    reader : str, optional
        The one of `CORPORA` whose layout the corpus has; `name` unless told.
    **options
        What the reader's `Options` declare.

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
    if reader is not None and reader not in CORPORA:
        raise ParameterError.unknown(f"corpora.{name}.reader", reader, CORPORA)
    return CORPORA[reader or name](name, **options)
