"""What an experiment left in ``params.yaml``: DVC writes there what ``-S`` sets, and leaves it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

PARAMS = "params.yaml"


def changed_parameters(root: Path) -> dict[str, tuple[Any, Any]]:
    """Parameters that differ from the last commit, by dotted key: the committed value, and now's.

    None stands for a value that is not there. Empty where nothing differs, where there is no git
    repository or no git, and where a file cannot be read.
    """
    command = ["git", "-C", str(root), "show", f"HEAD:./{PARAMS}"]
    try:
        shown = subprocess.run(command, capture_output=True, check=True).stdout
        committed, now = (
            dict(_leaves(yaml.safe_load(text) or {}))
            for text in (shown.decode(), (root / PARAMS).read_text("utf-8"))
        )
    except (OSError, subprocess.CalledProcessError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    keys = dict.fromkeys([*committed, *now])
    pairs = {key: (committed.get(key), now.get(key)) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def print_changed(root: Path) -> None:
    """Print a line where parameters differ from the last commit: which, and how to go back."""
    changes = changed_parameters(root)
    if not changes:
        return
    listed = (f"{key} = {_shown(now)} (was {_shown(was)})" for key, (was, now) in changes.items())
    print(
        f"{PARAMS} differs from the last commit: {', '.join(listed)}; "
        f"to go back: git checkout HEAD {PARAMS}",
        flush=True,
    )


def _leaves(block: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Values by dotted key; a block without keys is a value."""
    for name, value in block.items() if isinstance(block, Mapping) else ():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)
