"""Text prototypes of classes: what a backbone that hears and reads makes of their names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from faunashot.backbones.base import HasText
from faunashot.errors import ParameterError
from faunashot.estimators.examples import FloatArray
from faunashot.estimators.text_prototypes import unit

PROMPTS = ("{}", "the sound of {}", "a recording of {}", "{} can be heard")
"""Sentences into which the name of a class is put; their embeddings are averaged."""


def text_prototypes(
    backbone: HasText,
    classes: Sequence[str],
    *,
    prompts: Sequence[str] = PROMPTS,
    words: Mapping[str, Sequence[str]] | None = None,
) -> FloatArray:
    """The mean of the embeddings of all that is said of a class, each of length 1.

    Parameters
    ----------
    backbone : HasText
    classes : sequence of str
        An underscore in a name is read as a space.
    prompts : sequence of str
        Sentences with ``{}`` in the place of the name.
    words : mapping of str to sequence of str, optional
        What to say of a class in place of its name.

    Returns
    -------
    ndarray, shape (C, dim)

    Raises
    ------
    ParameterError
        A sentence has no place for the name, or words are given of what is no class.
    """
    words = words or {}
    for prompt in prompts:
        if "{}" not in prompt:
            raise ParameterError(f"protocols.zero_shot.prompts: {prompt!r} has no {{}} in it")
    for name in words:
        if name not in classes:
            raise ParameterError.unknown("protocols.zero_shot.words", name, classes)
    said = [
        [prompt.format(word) for word in words.get(name, [_spoken(name)]) for prompt in prompts]
        for name in classes
    ]
    embedded = unit(backbone.embed_text([sentence for of_class in said for sentence in of_class]))
    ends = np.cumsum([len(of_class) for of_class in said])[:-1]
    return unit(np.stack([of_class.mean(axis=0) for of_class in np.split(embedded, ends)]))


def _spoken(name: str) -> str:
    return " ".join(name.replace("_", " ").split())
