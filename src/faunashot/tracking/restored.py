"""What DVC knows of the workspace and of every experiment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.repo.experiments.collect import collect_rev
from dvc.repo.experiments.serialize import SerializableExp
from dvc.scm import NoSCM
from dvc.stage import PipelineStage
from pydantic import ValidationError

from faunashot.errors import TrackingError
from faunashot.params import Params
from faunashot.tracking import keys
from faunashot.tracking.experiments import Experiment, experiment_name, experiment_of, git_head
from faunashot.tracking.lockfile import Lock, parse_lock


@dataclass(frozen=True, slots=True)
class State:
    """What DVC knows of one experiment, or of the workspace.

    Attributes
    ----------
    experiment : Experiment
    lock : Lock
    metrics : mapping of str to float
    rev : str
        Git commit of the experiment, "" for the workspace.
    """

    experiment: Experiment
    lock: Lock
    metrics: Mapping[str, float]
    rev: str = ""


@contextlib.contextmanager
def repository(root: Path) -> Iterator[Repo]:
    """DVC's repository in a folder.

    Raises
    ------
    TrackingError
        There is none, or DVC cannot read it.
    """
    try:
        with Repo(str(root)) as repo:
            yield repo
    except NotDvcRepoError:
        raise TrackingError(f"{root} is no DVC repository: run `dvc init` there") from None
    except DvcException as error:
        raise TrackingError(f"{root}: DVC says: {error}") from error


def states(repo: Repo, root: Path, *, known: Mapping[str, str]) -> Iterator[State]:
    """Every experiment, and the workspace where it holds anything else.

    The workspace is passed over while its ``params.yaml`` says something else than its
    ``dvc.lock``, and where an experiment that has been applied is all that it holds.

    Parameters
    ----------
    repo : Repo
    root : Path
        The project's folder.
    known : mapping of str to str
        Digests, by the commit, of experiments that are left out.
    """
    digests = set(known.values())
    for rev, name, baseline in _experiments(repo):
        if rev in known:
            continue
        state = _state_at(repo, root, rev=rev, name=name, baseline=baseline)
        if state is not None:
            digests.add(state.lock.digest)
            yield state
    with contextlib.chdir(root):
        data = SerializableExp.from_repo(repo, rev="workspace")
    lock = _lock(repo)
    raw = _raw_params(repo)
    params, name = _described(raw)
    current = keys.flatten(raw)
    is_stale = any(
        current.get(key, value) != value
        for stage in lock.stages.values()
        for key, value in keys.flatten(stage.params).items()
    )
    if lock.stages and not is_stale and lock.digest not in digests:
        experiment = experiment_of(
            root, params=params, name=name, experiment="", baseline=git_head(root)
        )
        yield State(experiment, lock, _metrics(data))


def _experiments(repo: Repo) -> Iterator[tuple[str, str, str]]:
    """Commit, name and baseline of every DVC experiment."""
    if not isinstance(repo.scm, NoSCM):
        for baseline, found in repo.experiments.ls(all_commits=True).items():
            for name, rev in found:
                yield rev, name, baseline


def _state_at(repo: Repo, root: Path, *, rev: str, name: str, baseline: str) -> State | None:
    data = collect_rev(repo, rev).data
    if data is None:
        return None
    with repo.switch(rev):
        lock = _lock(repo)
        params, shown = _described(_raw_params(repo))
    experiment = experiment_of(root, params=params, name=shown, experiment=name, baseline=baseline)
    return State(experiment, lock, _metrics(data), rev)


def _raw_params(repo: Repo) -> dict[str, object]:
    return yaml.safe_load(_read(repo, "params.yaml")) or {}


def _described(raw: dict[str, object]) -> tuple[dict[str, object], str]:
    """Give parameters as the stages log them, and the name of their experiment.

    Those of an old experiment may not fit today's schema; they are taken as they are.
    """
    try:
        params = Params.model_validate(raw)
    except ValidationError:
        return raw, experiment_name(raw)
    return params.model_dump(mode="json"), params.run_name


def _read(repo: Repo, name: str) -> str:
    """Text of a file of the revision that `repo` is switched to, "" where there is none."""
    path = repo.fs.join(repo.root_dir, name)
    return str(repo.fs.read_text(path)) if repo.fs.isfile(path) else ""


def _lock(repo: Repo) -> Lock:
    """Stages of the lock that the pipeline still has; DVC leaves dropped ones in it."""
    present = {s.name for s in repo.index.stages if isinstance(s, PipelineStage)}
    stages = parse_lock(_read(repo, "dvc.lock"))
    local = repo.cache.local
    return Lock(
        {name: stage for name, stage in stages.items() if name in present},
        file=lambda path, md5: Path(local.oid_to_path(md5)),
    )


def _metrics(data: SerializableExp) -> dict[str, float]:
    """All metrics files as one; of two of the same name, the one in the uppermost folder."""
    merged: dict[str, float] = {}
    for name in sorted(data.metrics, key=lambda name: -name.count("/")):
        merged |= keys.as_metrics(data.metrics[name].get("data") or {})
    return merged
