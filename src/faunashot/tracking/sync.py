"""Fill MLflow's gaps from DVC: a stage that DVC restores from its cache logs nothing itself."""

from __future__ import annotations

import contextlib
import json
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
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from pydantic import ValidationError

from faunashot.errors import TrackingError
from faunashot.params import Params
from faunashot.tracking import keys, store
from faunashot.tracking.comparison import SYNCED_FROM
from faunashot.tracking.experiments import (
    DVC_STAGE,
    KEY,
    KIND,
    PARENT,
    SYNCED,
    Experiment,
    create_child,
    experiment_name,
    find_runs,
    git_head,
    log_metrics,
    log_params,
    log_tags,
    parent_run,
)
from faunashot.tracking.lockfile import LockedStage, parse_lock

_MAX_RECORD = 4096  # bytes of a JSON output that may be a run's record


@dataclass(frozen=True, slots=True)
class _State:
    """What DVC knows of one experiment, or of the workspace."""

    experiment: Experiment
    stages: Mapping[str, LockedStage]
    metrics: Mapping[str, float]
    recorded: Mapping[str, str]  # run id by stage, from the records in DVC's cache


def sync(root: Path) -> list[dict[str, str]]:
    """Make the runs that are missing in MLflow, and tag runs with the hashes of ``dvc.lock``.

    Looks at the workspace and at every DVC experiment. The workspace is passed over while its
    ``params.yaml`` says something else than its ``dvc.lock``, and where an experiment that has
    been applied is all that it holds. A stage logs if its record is in DVC's cache; for the
    others no run is made.

    Parameters
    ----------
    root : Path
        The project's folder.

    Returns
    -------
    list of dict
        One for each run that was made or changed: `action` (``created``, ``updated``),
        `experiment`, `stage` ("" for the experiment's own run), `run_id`. Empty the second time.

    Raises
    ------
    TrackingError
        `root` is no DVC repository, or the store cannot be used.
    """
    client = store.connect(root)
    changes: list[dict[str, str]] = []
    try:
        with Repo(str(root)) as repo:
            for state in _states(repo, root):
                parent_id, done = _sync_parent(client, root, state)
                done += _sync_stages(client, state, parent_id=parent_id)
                changes += [{**change, "experiment": state.experiment.name} for change in done]
    except NotDvcRepoError:
        raise TrackingError(f"{root} is no DVC repository: run `dvc init` there") from None
    except DvcException as error:
        raise TrackingError(f"{root}: DVC says: {error}") from error
    return changes


def _states(repo: Repo, root: Path) -> Iterator[_State]:
    experiments = list(_experiment_states(repo))
    yield from experiments
    with contextlib.chdir(root):
        data = SerializableExp.from_repo(repo, rev="workspace")
    stages = _locked_stages(repo, _read(repo, "dvc.lock"))
    raw = _raw_params(repo)
    params, name = _described(raw)
    current = keys.flatten(raw)
    is_stale = any(
        current.get(key, value) != value
        for stage in stages.values()
        for key, value in keys.flatten(stage.params).items()
    )
    is_applied = any(dict(state.stages) == stages for state in experiments)
    if stages and not is_stale and not is_applied:
        experiment = Experiment("", git_head(root), params, name)
        yield _State(experiment, stages, _metrics(data), _recorded(repo, stages))


def _experiment_states(repo: Repo) -> Iterator[_State]:
    if isinstance(repo.scm, NoSCM):
        return
    for baseline, found in repo.experiments.ls(all_commits=True).items():
        for name, rev in found:
            data = collect_rev(repo, rev).data
            if data is None:
                continue
            with repo.switch(rev):
                stages = _locked_stages(repo, _read(repo, "dvc.lock"))
                params, _ = _described(_raw_params(repo))
            experiment = Experiment(name, baseline, params, name)
            yield _State(experiment, stages, _metrics(data), _recorded(repo, stages))


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


def _locked_stages(repo: Repo, lock: str) -> dict[str, LockedStage]:
    """Stages of the lock that the pipeline still has; DVC leaves dropped ones in it."""
    present = {s.name for s in repo.index.stages if isinstance(s, PipelineStage)}
    return {name: stage for name, stage in parse_lock(lock).items() if name in present}


def _metrics(data: SerializableExp) -> dict[str, float]:
    """All metrics files as one; of two of the same name, the one in the uppermost folder."""
    merged: dict[str, float] = {}
    for name in sorted(data.metrics, key=lambda name: -name.count("/")):
        merged |= keys.as_metrics(data.metrics[name].get("data") or {})
    return merged


def _recorded(repo: Repo, stages: Mapping[str, LockedStage]) -> dict[str, str]:
    recorded: dict[str, str] = {}
    for stage in stages.values():
        for path, md5 in stage.outs.items():
            cached = Path(repo.cache.local.oid_to_path(md5))
            if path.endswith(".json") and cached.is_file():
                recorded |= _recorded_run(stage.name, cached)
    return recorded


def _recorded_run(stage: str, file: Path) -> dict[str, str]:
    """Run id by stage where `file` is a record that `stage_run` wrote, else nothing."""
    if file.stat().st_size > _MAX_RECORD:
        return {}
    record = json.loads(file.read_text())
    is_record = isinstance(record, dict) and {"run_id", "parent_run_id"} <= record.keys()
    return {stage: str(record["run_id"])} if is_record else {}


def _sync_parent(
    client: MlflowClient, root: Path, state: _State
) -> tuple[str, list[dict[str, str]]]:
    found = find_runs(client, {KIND: "experiment", KEY: state.experiment.key})
    if found:
        parent_id, made = str(found[0].info.run_id), False
        known = found[0].data.metrics
    else:
        parent_id, made = parent_run(client, root, state.experiment)
        known = {}
    missing = {name: value for name, value in state.metrics.items() if known.get(name) != value}
    log_metrics(client, parent_id, missing)
    if made:
        client.set_tag(parent_id, SYNCED, "true")
    action = "created" if made else "updated" if missing else ""
    return parent_id, _change(action, "", parent_id)


def _sync_stages(client: MlflowClient, state: _State, *, parent_id: str) -> list[dict[str, str]]:
    runs: dict[str, list[Run]] = {}
    for run in find_runs(client, {PARENT: parent_id}):
        if run.info.status == "FINISHED":
            runs.setdefault(run.data.tags.get(DVC_STAGE, ""), []).append(run)
    changes = []
    for name, stage in state.stages.items():
        recorded = state.recorded.get(name)
        if name not in runs:
            if recorded:  # else it is a stage that logs nothing
                made = _make_child(client, state, parent_id=parent_id, stage=stage)
                changes += _change("created", name, made)
            continue
        run = next((run for run in runs[name] if run.info.run_id == recorded), runs[name][0])
        missing = {k: v for k, v in stage.tags().items() if run.data.tags.get(k) != v}
        log_tags(client, run.info.run_id, missing)
        changes += _change("updated" if missing else "", name, run.info.run_id)
    return changes


def _make_child(client: MlflowClient, state: _State, *, parent_id: str, stage: LockedStage) -> str:
    """Run of a stage that came from DVC's cache, with the figures of the run that filled it."""
    source = state.recorded[stage.name]
    tags = stage.tags() | {SYNCED: "true", SYNCED_FROM: source}
    run_id = create_child(
        client, state.experiment, parent_id=parent_id, stage=stage.name, tags=tags
    )
    log_params(client, run_id, stage.params)
    with contextlib.suppress(MlflowException):  # the store that ran it may be another machine's
        log_metrics(client, run_id, client.get_run(source).data.metrics)
    client.set_terminated(run_id)
    return run_id


def _change(action: str, stage: str, run_id: str) -> list[dict[str, str]]:
    return [{"action": action, "stage": stage, "run_id": run_id}] if action else []
