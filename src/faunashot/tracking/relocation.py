"""A project that was moved or copied: its own store says again where its files lie."""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from faunashot.tracking.address import database_of

ARTIFACTS = "mlruns/artifacts"
_LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the own sqlite file holds of the project's experiment.

    Attributes
    ----------
    experiment_id : str
    location : str
        URI of the folder of its artifacts.
    """

    experiment_id: str
    location: str


def known(root: Path, experiment: str) -> Known | None:
    """The active experiment of that name; asked without MLflow, which would make the file."""
    if not database_of(root).is_file():
        return None
    query = (
        "SELECT experiment_id, artifact_location FROM experiments "
        "WHERE name = ? AND lifecycle_stage = 'active'"
    )
    try:
        with contextlib.closing(sqlite3.connect(database_of(root), timeout=30)) as connection:
            row = connection.execute(query, (experiment,)).fetchone()
    except sqlite3.DatabaseError:
        return None
    return Known(str(row[0]), str(row[1])) if row else None


def relocate(root: Path, location: str) -> None:
    """Set every location that the own sqlite file holds to where the project lies now.

    MLflow stores them whole, so that a moved project would lose its models and log to where it
    was, and a copied one would log into the original.

    Parameters
    ----------
    root : Path
        Where the project lies.
    location : str
        Where its experiment's artifacts lay, as a URI.
    """
    was = location.removesuffix("artifacts")
    now = f"{root.absolute().as_uri()}/mlruns/"
    pairs = [(was, now), (was.removeprefix("file://"), now.removeprefix("file://"))]
    with contextlib.closing(sqlite3.connect(database_of(root), timeout=30)) as connection:
        for table, column in _LOCATIONS:
            for old, new in pairs:
                # names of tables and columns, which are ours
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608
                    f"WHERE substr({column}, 1, ?) = ?",
                    (new, len(old) + 1, len(old), old),
                )
        connection.commit()
