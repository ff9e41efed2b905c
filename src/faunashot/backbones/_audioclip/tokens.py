"""CLIP's tokens: words in lower case, put together of bytes by merges that were learned."""

from __future__ import annotations

import gzip
import html
import unicodedata
import zlib
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from faunashot.errors import ParameterError, WeightsError
from faunashot.weights.files import WeightsFile

MERGES = WeightsFile(
    "bpe_simple_vocab_16e6.txt.gz",
    "https://github.com/openai/CLIP/raw/main/clip/bpe_simple_vocab_16e6.txt.gz",
    "sha256:924691ac288e54409236115652ad4aa250f48203de50a9e4722a6ecd48d6804a",
)
LENGTH = 77
"""Tokens of a text, its start and end among them, zeros after them."""

VOCABULARY = 49_408
BYTES = 256
END_OF_WORD = "</w>"
STRAIGHT = str.maketrans("‘’‛“”‟", "'''\"\"\"")  # noqa: RUF001
"""Quotation marks as they are typed."""
CONTRACTED = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


class Tokeniser:
    """Numbers of the tokens of texts.

    Texts are as CLIP has them, but that nothing mends letters which were decoded wrongly.

    Parameters
    ----------
    merges : sequence of (str, str)
        Pairs of neighbours that become one token, from the first that was learned.

    References
    ----------
    A. Radford et al. Learning transferable visual models from natural language supervision. ICML
    2021; R. Sennrich et al. Neural machine translation of rare words with subword units. ACL 2016.
    """

    def __init__(self, merges: Sequence[tuple[str, str]]) -> None:
        letters = list(_letters().values())
        tokens = [*letters, *(f"{letter}{END_OF_WORD}" for letter in letters)]
        tokens += ["".join(pair) for pair in merges]
        self._numbers = {token: number for number, token in enumerate(tokens)}
        self._ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.start, self.end = len(tokens), len(tokens) + 1

    def __call__(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """Numbers of the tokens of each text, shape (P, 77).

        Raises
        ------
        ParameterError
            A text has more than 75 tokens.
        """
        rows = np.zeros((len(texts), LENGTH), dtype=np.int32)
        for row, text in zip(rows, texts, strict=True):
            inner = [number for word in _words(text) for number in self._of_word(word)]
            if len(inner) > LENGTH - 2:
                raise ParameterError(
                    f"prompt: {text[:40]!r}... has {len(inner)} tokens, at most {LENGTH - 2} fit"
                )
            row[: len(inner) + 2] = [self.start, *inner, self.end]
        return rows

    def _of_word(self, word: str) -> list[int]:
        *parts, last = (_letters()[byte] for byte in word.encode())
        parts.append(f"{last}{END_OF_WORD}")
        while known := [pair for pair in pairwise(parts) if pair in self._ranks]:
            parts = list(_merged(parts, min(known, key=self._ranks.__getitem__)))
        return [self._numbers[part] for part in parts]


def read_merges(file: Path) -> list[tuple[str, str]]:
    """The merges that CLIP was trained with, of a file as it is published.

    Raises
    ------
    WeightsError
        It is torn, or another file.
    """
    wanted = VOCABULARY - 2 - 2 * BYTES
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            pairs = [tuple(line.split()) for line in lines][1 : 1 + wanted]
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise WeightsError(f"{file} cannot be read: {error}; remove it") from error
    merges = [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]
    if len(merges) != wanted:
        raise WeightsError(f"{file} has {len(merges)} merges of CLIP's {wanted}")
    return merges


def _merged(parts: Sequence[str], pair: tuple[str, str]) -> Iterator[str]:
    at = 0
    while at < len(parts):
        both = tuple(parts[at : at + 2]) == pair
        yield "".join(pair) if both else parts[at]
        at += 2 if both else 1


def _words(text: str) -> Iterator[str]:
    """What is never merged across: contracted endings, letters, a digit, other characters."""
    plain = unicodedata.normalize("NFC", text.translate(STRAIGHT))
    for chunk in html.unescape(html.unescape(plain)).lower().split():
        at = 0
        while at < len(chunk):
            ending = next((e for e in CONTRACTED if chunk.startswith(e, at)), "")
            end = at + (len(ending) or _run(chunk[at:]))
            yield chunk[at:end]
            at = end


def _run(text: str) -> int:
    kinds = [_kind(character) for character in text]
    if kinds[0] == "N":
        return 1
    return next((at for at, kind in enumerate(kinds) if kind != kinds[0]), len(kinds))


def _kind(character: str) -> str:
    kind = unicodedata.category(character)[0]
    return kind if kind in "LN" else "other"


@cache
def _letters() -> dict[int, str]:
    """A character that can be seen for each byte; in the order of the vocabulary."""
    seen = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1)]
    seen += range(ord("®"), ord("ÿ") + 1)
    others = [byte for byte in range(BYTES) if byte not in seen]
    return {byte: chr(byte) for byte in seen} | {
        byte: chr(BYTES + at) for at, byte in enumerate(others)
    }
