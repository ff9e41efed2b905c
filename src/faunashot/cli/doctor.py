"""``faunashot doctor``."""

from __future__ import annotations

import configparser
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import typer

from faunashot.cli.output import AsJson, answer

PACKAGES = ("faunashot", "dvc", "mlflow", "numpy", "scikit-learn", "tensorflow", "ai-edge-litert")
"""Those whose versions are given; more are needed, which come with them."""

LEAST_DISK_GB, LEAST_MEMORY_GB = 1, 2
"""What a run on the embedded corpus needs."""


@dataclass(frozen=True)
class Finding:
    """What is known of one thing.

    Attributes
    ----------
    what : str
        The thing.
    found : str
        What is here of it.
    needed : bool
        Whether `make run` fails for it.
    mend : str
        The line that mends it; none where nothing is missing.
    """

    what: str
    found: str
    needed: bool = False
    mend: str = ""


def doctor(as_json: AsJson = False) -> None:
    """Print what is here and what is missing, in this folder and on this machine.

    Exits with 1 where the pipeline would not run; nothing is downloaded, no server is asked.
    """
    found = list(_findings(Path.cwd()))
    fatal = [finding for finding in found if finding.needed]
    if as_json:
        import json

        checks = [asdict(finding) for finding in found]
        print(json.dumps({"runs": not fatal, "checks": checks}, indent=1, ensure_ascii=False))
    else:
        answer([{"": f.what, "found": f.found} for f in found], as_json=False)
        for finding in found:
            if finding.mend:
                print(f"{'missing' if finding.needed else 'note'}: {finding.what}: {finding.mend}")
        print("The pipeline does not run here." if fatal else "The pipeline runs here.")
    if fatal:
        raise typer.Exit(1)


def _findings(project: Path) -> Iterator[Finding]:
    yield _python()
    yield from _machine(project)
    yield from _versions()
    params = None
    if (project / "params.yaml").is_file() and (project / "dvc.yaml").is_file():
        params, read = _params(project)
        yield read
    else:
        mend = "change to a project's folder, or make one: faunashot init RECORDINGS"
        yield Finding("project", f"none in {project}", True, mend)
    yield from _weights(params)
    if params is not None:
        yield _corpus(project, params)
        yield from _remotes(project)
        yield _mlflow(project)
        yield _git(project)


def _python() -> Finding:
    fits = (3, 11, 4) <= sys.version_info[:3] < (3, 14)
    mend = "" if fits else "install Python 3.11.4 or later, 3.12 or 3.13"
    return Finding("Python", f"{platform.python_version()}, {sys.executable}", not fits, mend)


def _machine(project: Path) -> Iterator[Finding]:
    from faunashot.files import CACHE, cache_folder

    yield Finding("cores", str(os.cpu_count()))
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory_gb = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
        mend = f"a run needs {LEAST_MEMORY_GB} GB" if memory_gb < LEAST_MEMORY_GB else ""
        yield Finding("memory", f"{memory_gb:.1f} GB", bool(mend), mend)
    for what, folder in (("disk", project), ("disk of the cache", cache_folder())):
        there = next(one for one in (folder, *folder.parents) if one.exists())
        free_gb = shutil.disk_usage(there).free / 1e9
        mend = f"make room: a run needs {LEAST_DISK_GB} GB" if free_gb < LEAST_DISK_GB else ""
        if mend and what != "disk":
            mend += f", or set {CACHE} to another folder; faunashot cache prune makes room"
        yield Finding(what, f"{free_gb:.1f} GB free in {folder}", bool(mend), mend)
    gpu = _output("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")
    yield Finding("GPU", gpu or "none")


def _versions() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, "not installed", True, f"pip install {name}, or make setup")


def _params(project: Path) -> tuple[Any, Finding]:
    from faunashot.errors import FaunashotError
    from faunashot.params import load_params

    try:
        params = load_params(project / "params.yaml")
    except FaunashotError as error:
        return None, Finding("params.yaml", "cannot be used", True, str(error))
    return params, Finding("params.yaml", params.run_name)


def _weights(params: Any) -> Iterator[Finding]:
    """Of the backbones of the parameters, which are needed, and of others that are here."""
    from faunashot.backbones.base import BACKBONES
    from faunashot.errors import WeightsError

    used = params.backbone_names if params else ()
    absent = 0
    for name, kind in BACKBONES.classes().items():
        what, lack, needed = f"weights of {name}", "", False
        try:
            path = kind.weights_here()
        except WeightsError as error:
            path, lack, needed = None, str(error), True
        if path is not None:
            files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
            size_mb = sum(file.stat().st_size for file in files) / 1e6
            yield Finding(what, f"{size_mb:.0f} MB in {path}")
        elif name in used:
            brings = lack or f"their first use brings {kind.card.source}"
            yield Finding(what, "not here", needed, brings)
        else:
            absent += 1
    if absent:
        yield Finding("other weights", f"of {absent} backbones not here, see faunashot backbones")


def _corpus(project: Path, params: Any) -> Finding:
    root = project / params.root
    what = f"corpus {params.corpus}"
    if root.is_dir():
        return Finding(what, str(root))
    if (project / "data.dvc").is_file() and params.root.parts[:1] == ("data",):
        return Finding(what, f"{root} is not here", False, "make run, or dvc pull data.dvc")
    mend = f"faunashot fetch {params.corpus}, or set root in params.yaml to its folder"
    return Finding(what, f"{root} is not here", True, mend)


def _remotes(project: Path) -> Iterator[Finding]:
    """DVC's remotes as they are configured; only folders are looked at."""
    config = configparser.ConfigParser(interpolation=None)
    config.read([project / ".dvc" / "config", project / ".dvc" / "config.local"], "utf-8")
    remotes = {
        section.split('"')[1]: config[section].get("url", "")
        for section in config.sections()
        if section.strip("'").startswith("remote ")
    }
    if not remotes:
        mend = "dvc remote add -d NAME FOLDER, to share data"
        yield Finding("DVC remote", "none", False, mend)
    for name, url in remotes.items():
        scheme = urlsplit(url).scheme
        if scheme in ("", "file") or len(scheme) == 1:
            folder = (project / ".dvc" / url.removeprefix("file://")).resolve()
            mend = "" if folder.is_dir() else "it is made by the first dvc push"
            yield Finding(f"DVC remote {name}", str(folder), False, mend)
            continue
        plugin = {"https": "http", "azure": "azure"}.get(scheme, scheme)
        here = importlib.util.find_spec(f"dvc_{plugin}") is not None
        mend = "" if here else f"pip install 'dvc[{plugin}]'"
        yield Finding(f"DVC remote {name}", f"{_without_password(url)}, not asked", False, mend)


def _mlflow(project: Path) -> Finding:
    from faunashot.tracking.address import address_of, database_of

    address = address_of(project)
    if not address.is_embedded:
        return Finding("MLflow store", f"{_without_password(address.tracking)}, not asked")
    database = database_of(project)
    if not database.exists():
        return Finding("MLflow store", f"{database}, made by the first run")
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
            (runs,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    except sqlite3.DatabaseError as error:
        mend = f"move {database} away ({error}); the next run makes a new one"
        return Finding("MLflow store", "cannot be opened", True, mend)
    return Finding("MLflow store", f"{database}, {runs} runs")


def _without_password(address: str) -> str:
    parts = urlsplit(address)
    host = parts.netloc.rpartition("@")[2]
    user = parts.username or ""
    return parts._replace(netloc=f"{user}:***@{host}").geturl() if parts.password else address


def _git(project: Path) -> Finding:
    what = "git"
    if shutil.which("git") is None:
        return Finding(what, "not on the path", False, "install git: experiments are commits")
    if not _output("git", "-C", str(project), "rev-parse", "--git-dir"):
        mend = "git init && git add --all && git commit -m Start: experiments are commits"
        return Finding(what, "no repository", False, mend)
    commit = _output("git", "-C", str(project), "rev-parse", "--short", "HEAD")
    if not commit:
        mend = "git add --all && git commit -m Start: experiments are commits"
        return Finding(what, "a repository without a commit", False, mend)
    changed = len(_output("git", "-C", str(project), "status", "--porcelain").splitlines())
    return Finding(what, f"commit {commit}, {changed} files changed since")


def _output(*command: str) -> str:
    """What a program prints; nothing where it is not here or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return "" if done.returncode else done.stdout.strip()
