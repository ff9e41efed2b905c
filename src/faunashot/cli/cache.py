"""``faunashot cache``."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import AsJson, answer

if TYPE_CHECKING:
    from faunashot.features.pruning import CachedItem, CacheEntry

UNITS_S = {"m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}
COLUMNS = ["kind", "backbone", "layer", "perturbation", "windows", "size", "last_used"]

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def cache(context: typer.Context, as_json: AsJson = False) -> None:
    """Print what is kept on this machine so that nothing is embedded twice, and for what.

    It lies where FAUNASHOT_CACHE says, else in ~/.cache/faunashot.
    """
    if context.invoked_subcommand is not None:
        return
    from faunashot.features.pruning import entries

    found = entries()
    answer([_row(entry, entry.items) for entry in found], as_json=as_json, columns=_shown(as_json))
    if not as_json:
        from faunashot.files import cache_folder

        total = sum(entry.n_bytes for entry in found)
        print(f"{_size(total)} in {cache_folder()}; `faunashot cache prune` removes what is old")


@app.command()
def prune(
    older_than: Annotated[
        str | None, typer.Option(help="Remove what was not used for so long, as 30d, 12h or 2w.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(help="Leave no more than this, as 10GB or 500MB.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only say what would be removed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove what was not used for longest; it is made anew when it is needed.

    Features that were made stay whole: their folders keep what they link to.
    """
    from faunashot.errors import ParameterError
    from faunashot.features import pruning

    if older_than is None and max_size is None:
        raise ParameterError("say what to remove: --older-than 30d, --max-size 10GB or both")
    removed = pruning.prune(
        pruning.entries(),
        older_than_s=None if older_than is None else _seconds(older_than),
        max_bytes=None if max_size is None else _bytes(max_size),
        dry_run=dry_run,
    )
    items: dict[Any, list[CachedItem]] = {}
    entries: dict[Any, CacheEntry] = {}
    for entry, item in removed:
        entries[entry.folder] = entry
        items.setdefault(entry.folder, []).append(item)
    rows = [_row(entries[folder], of_entry) for folder, of_entry in items.items()]
    answer(rows, as_json=as_json, columns=_shown(as_json))
    if not as_json:
        would_be = "would be removed" if dry_run else "removed"
        print(f"{_size(sum(item.n_bytes for _, item in removed))} {would_be}")


def _row(entry: CacheEntry, items: Any) -> dict[str, Any]:
    n_bytes = sum(item.n_bytes for item in items)
    last_used = datetime.fromtimestamp(max(item.last_used for item in items), UTC)
    return {
        "kind": entry.kind,
        "backbone": entry.backbone or None,
        "version": entry.version or None,
        "layer": entry.layer or None,
        "perturbation": _named(entry.perturbation) if entry.perturbation else None,
        "windows": sum(item.windows for item in items),
        "size": _size(n_bytes),
        "bytes": n_bytes,
        "last_used": last_used.isoformat(" ", "minutes").removesuffix("+00:00"),
        "folder": str(entry.folder),
    }


def _shown(as_json: bool) -> list[str] | None:
    return None if as_json else COLUMNS


def _named(facts: dict[str, Any]) -> str:
    """A perturbation's settings, without the hashes of what it is done with."""
    named = []
    for key, value in facts.items():
        if isinstance(value, dict):
            named.append(f"{key} ({_named(value)})")
        elif not isinstance(value, list):
            named.append(f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(named)


def _size(n_bytes: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} GB"


def _seconds(said: str) -> float:
    from faunashot.errors import ParameterError

    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([mhdw])", said.strip())
    if found is None:
        raise ParameterError(f"--older-than {said}: must be a number and m, h, d or w, as 30d")
    return float(found[1]) * UNITS_S[found[2]]


def _bytes(said: str) -> int:
    from pydantic import ByteSize, TypeAdapter, ValidationError

    from faunashot.errors import ParameterError

    try:
        return int(TypeAdapter(ByteSize).validate_python(said.strip()))
    except ValidationError as error:
        raise ParameterError(f"--max-size {said}: must be a size, as 10GB or 500MB") from error
