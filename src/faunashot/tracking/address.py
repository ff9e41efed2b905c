"""Where runs and models go: what the environment names, or the project's own sqlite file."""

from __future__ import annotations

import getpass
import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from dotenv import load_dotenv

TRACKING, REGISTRY, NAME = (
    f"MLFLOW_{name}" for name in ("TRACKING_URI", "REGISTRY_URI", "EXPERIMENT_NAME")
)
EXPERIMENT = "faunashot"
"""MLflow experiment of the project, where the environment names no other."""

_SQLITE = "sqlite:///"
_CREDENTIALS = re.compile(r"://\S*@")


@dataclass(frozen=True, slots=True)
class Address:
    """Where MLflow keeps the runs and models of a project.

    Attributes
    ----------
    root : Path
        The project's folder.
    tracking, registry : str
        URIs of the runs and of the models; they may hold a password, see `without_password`.
    experiment : str
        Name of the MLflow experiment that holds the runs.
    """

    root: Path
    tracking: str
    registry: str
    experiment: str

    @property
    def is_embedded(self) -> bool:
        """Whether the runs are in the project's own sqlite file."""
        return self.tracking == embedded(self.root)

    @property
    def owner(self) -> str:
        """Whose runs these are among those of others, "" where no others can be."""
        return "" if self.is_embedded else f"{user()}@{platform.node()}:{self.root}"

    def __str__(self) -> str:
        return without_password(self.tracking)


def address_of(root: Path) -> Address:
    """Where the runs of a project go.

    ``MLFLOW_TRACKING_URI``, ``MLFLOW_REGISTRY_URI`` and ``MLFLOW_EXPERIMENT_NAME`` win over the
    project's own sqlite file. What the environment lacks is taken from the file ``.env`` in the
    project's folder, whatever it sets, because a store needs its credentials too.

    Parameters
    ----------
    root : Path
        The project's folder; a relative sqlite file lies in it.
    """
    root = root.absolute()
    load_dotenv(root / ".env", override=False)
    tracking = _from_root(os.environ.get(TRACKING) or embedded(root), root)
    registry = _from_root(os.environ.get(REGISTRY) or tracking, root)
    return Address(root, tracking, registry, os.environ.get(NAME) or EXPERIMENT)


def database_of(root: Path) -> Path:
    """Sqlite file of a project that nothing else is named for."""
    return root.absolute() / "mlruns" / "mlflow.db"


def embedded(root: Path) -> str:
    """URI of the project's own sqlite file."""
    return f"{_SQLITE}{database_of(root)}"


def without_password(text: str) -> str:
    """Text without the user and password of the URIs in it."""
    return _CREDENTIALS.sub("://", text)


def user() -> str:
    """Name of who runs this process, as far as the machine knows one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have none
        return "unknown"


def _from_root(uri: str, root: Path) -> str:
    """URI as given, or that of the own sqlite file, which ``mlflow run`` names by its link."""
    if not uri.startswith(_SQLITE):
        return uri
    file = root / unquote(uri.removeprefix(_SQLITE))
    return embedded(root) if file.resolve() == database_of(root).resolve() else f"{_SQLITE}{file}"
