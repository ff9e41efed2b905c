"""Which recording of one set of tables is which of another: by path, else by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass
class Matched:
    """Recordings of two sides that are the same.

    Attributes
    ----------
    pairs : dict of str to str
        Of each recording of the first side, the name that the second has for it.
    only_first, only_second : list of str
        Those that the other side lacks.
    ambiguous : list of str
        Lines about names that stand for several.
    """

    pairs: dict[str, str] = field(default_factory=dict)
    only_first: list[str] = field(default_factory=list)
    only_second: list[str] = field(default_factory=list)
    ambiguous: list[str] = field(default_factory=list)


def match_recordings(first: Iterable[str], second: Iterable[str]) -> Matched:
    """Match recordings of two sides by their path, else by its last parts, else without ending.

    A name without a path or without an ending matches where it is that of one recording alone;
    the more parts of a path agree, the sooner it is matched.

    Examples
    --------
    >>> match_recordings(["/data/pond/a.wav"], ["pond/a"]).pairs
    {'/data/pond/a.wav': 'pond/a'}
    """
    left = {name: _parts(name) for name in dict.fromkeys(first)}
    right = {name: _parts(name) for name in dict.fromkeys(second)}
    found = Matched({name: name for name in left if name in right})
    for name in found.pairs:
        del left[name], right[name]
    depth = max(map(len, [*left.values(), *right.values()]), default=0)
    for without_ending in ((False, False), (True, False), (False, True), (True, True)):
        for n in range(depth, 0, -1):
            ours = _by_end(left, n, without_ending[0])
            theirs = _by_end(right, n, without_ending[1])
            for key in ours.keys() & theirs.keys():
                if len(ours[key]) == len(theirs[key]) == 1:
                    (one,), (other,) = ours[key], theirs[key]
                    found.pairs[one] = other
                    del left[one], right[other]
    ours, theirs = _by_end(left, 1, True), _by_end(right, 1, True)
    for key in sorted(ours.keys() & theirs.keys()):
        found.ambiguous.append(
            f"{key[0]}: stands for {len(ours[key])} recordings on one side ({ours[key][0]}, ...) "
            f"and {len(theirs[key])} on the other ({theirs[key][0]}, ...): give their folders"
        )
    found.only_first, found.only_second = sorted(left), sorted(right)
    return found


def _parts(name: str) -> tuple[str, ...]:
    return PurePosixPath(name.replace("\\", "/")).parts


def _by_end(
    names: dict[str, tuple[str, ...]], n: int, without_ending: bool
) -> dict[tuple[str, ...], list[str]]:
    """Names by their last `n` parts; those with fewer are left out."""
    found = defaultdict(list)
    for name, parts in names.items():
        if len(parts) >= n:
            last = PurePosixPath(parts[-1])
            end = last.stem if without_ending else last.name
            found[(*parts[-n:-1], end)].append(name)
    return found
