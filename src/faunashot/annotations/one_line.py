"""Names in files that know no quotes: a control character is written as ``%`` and two digits."""

from __future__ import annotations

import re
from collections.abc import Iterable

_CODE = r"%(?:[01][0-9A-F]|7F|20|22|25|5C)"
_HAS_CODE = re.compile(_CODE)
_CONTROL = r"[\x00-\x1f\x7f]"
_LABEL = re.compile(rf'{_CONTROL}|^"|{_CODE}')
_PATH = re.compile(rf'{_CONTROL}|^"|\\|{_CODE}')


def written_label(text: str) -> str:
    r"""A label as it stands in a line between tabs.

    Control characters, such as a tab or a line break, and a quote at the beginning are written as
    in a URL, ``%09``, and where there is one, each ``%`` as ``%25``; all else stays.

    Examples
    --------
    >>> written_label('frog, "green", 100 %'), written_label("frog\t5 %")
    ('frog, "green", 100 %', 'frog%095 %25')
    """
    return _written(text) if _LABEL.search(text) else text


def written_path(text: str) -> str:
    """As `written_label`, of a path, in which a backslash would be taken for one of Windows."""
    return _written(text, backslash=True) if _PATH.search(text) else text


def read_labels(texts: Iterable[str]) -> list[str]:
    """What `written_label` was given, or another program wrote between quotes."""
    return [_read(_unquoted(text)) if text[:1] == '"' or "%" in text else text for text in texts]


def read_paths(texts: Iterable[str]) -> list[str]:
    """What `written_path` was given; other programs' paths get ``/`` between folders."""
    return [
        _read(_unquoted(text).replace("\\", "/")) if "\\" in text or "%" in text else text
        for text in texts
    ]


def _written(text: str, *, backslash: bool = False) -> str:
    text = text.replace("%", "%25")
    if text.startswith('"'):
        text = "%22" + text[1:]
    special = rf"{_CONTROL}|\\" if backslash else _CONTROL
    return re.sub(special, lambda found: f"%{ord(found[0]):02X}", text)


def _read(text: str) -> str:
    return _HAS_CODE.sub(lambda found: chr(int(found[0][1:], 16)), text)


def _unquoted(text: str) -> str:
    """A field that was quoted as in CSV, without its quotes."""
    if len(text) < 2 or not (text[0] == text[-1] == '"'):
        return text
    inner = text[1:-1]
    return inner.replace('""', '"') if '"' not in inner.replace('""', "") else text
