"""Fill MLflow's gaps from DVC: a stage that DVC restores from its cache logs nothing itself."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from faunashot.errors import TrackingError
from faunashot.files import link, write_atomically
from faunashot.tracking import keys, store
from faunashot.tracking.address import address_of, database_of
from faunashot.tracking.comparison import SYNCED_FROM
from faunashot.tracking.experiments import (
    DVC_STAGE,
    KEY,
    KIND,
    PARENT,
    SYNCED,
    Experiment,
    create_child,
    current_experiment,
    find_runs,
    git_refs,
    log_metrics,
    log_params,
    log_tags,
    parent_run,
)
from faunashot.tracking.lockfile import Lock, read_lock
from faunashot.tracking.runs import StageRun

if TYPE_CHECKING:
    from faunashot.tracking.restored import State

_DONE = "mlruns/.synced.json"


def sync(root: Path) -> list[dict[str, str]]:
    """Make the runs that are missing in MLflow, and tag runs with the hashes of ``dvc.lock``.

    Looks at the workspace and at every DVC experiment, see `restored.states`. A stage logs if its
    record is in DVC's cache; for the others no run is made. Where the run that a record names is
    not in this store, or its server went away, tables and pages come from DVC's cache.

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
    return _sync(root, known={})


def sync_new(root: Path) -> None:
    """Fill the gaps of what has changed since the last time; says so in a line where it cannot.

    Takes milliseconds where nothing has.
    """
    if not (root / ".dvc").is_dir():
        return
    done = _Done.read(root)
    if done.of == _Done.now(root, {}).of:
        return
    try:
        _sync(root, known=done.experiments)
    except TrackingError as error:
        print(f"faunashot: warning: runs may be missing: {error}", file=sys.stderr)


def fill_experiment(
    run: StageRun, *, params: Mapping[str, object], name: str, metrics: Mapping[str, object]
) -> None:
    """Log what the stages before this one did not, because they came from DVC's cache.

    Parameters
    ----------
    run : StageRun
        Of the last stage.
    params, name
        As `stage_run` takes them.
    metrics : mapping
        The experiment's final figures.
    """

    def fill() -> None:
        experiment = current_experiment(store.root(), params=params, name=name)
        stages = read_lock(Path("dvc.lock"))
        before = {name: stage for name, stage in stages.items() if name != run.stage}
        _log_missing(run.client, run.client.get_run(run.parent_id), keys.as_metrics(metrics))
        lock = Lock(before, file=lambda path, md5: Path(path))
        _sync_stages(run.client, experiment, lock, parent_id=run.parent_id)

    run.outage.attempt(fill)


def _sync(root: Path, *, known: Mapping[str, str]) -> list[dict[str, str]]:
    from faunashot.tracking.restored import repository, states

    client = store.connect(root)
    done = _Done.now(root, known)
    changes: list[dict[str, str]] = []
    with repository(root) as repo:
        for state in states(repo, root, known=known):
            parent_id, made = _sync_parent(client, root, state)
            made += _sync_stages(client, state.experiment, state.lock, parent_id=parent_id)
            name = state.experiment.experiment or state.experiment.name
            changes += [{**change, "experiment": name} for change in made]
            if state.rev:
                done.experiments[state.rev] = state.lock.digest
    done.write(root)
    return changes


def _sync_parent(
    client: MlflowClient, root: Path, state: State
) -> tuple[str, list[dict[str, str]]]:
    # by its key alone: what older code logged of its parameters may differ
    found = find_runs(client, {KIND: "experiment", KEY: state.experiment.key})
    if found:
        missing = _log_missing(client, found[0], state.metrics)
        run_id = found[0].info.run_id
        return run_id, _change("updated" if missing else "", "", run_id)
    parent_id, _ = parent_run(client, root, state.experiment)
    log_metrics(client, parent_id, state.metrics)
    client.set_tag(parent_id, SYNCED, "true")
    return parent_id, _change("created", "", parent_id)


def _log_missing(client: MlflowClient, run: Run, metrics: Mapping[str, float]) -> bool:
    """Log the metrics that a run lacks; gives whether there were any."""
    known = run.data.metrics
    missing = {name: value for name, value in metrics.items() if known.get(name) != value}
    log_metrics(client, run.info.run_id, missing)
    return bool(missing)


def _sync_stages(
    client: MlflowClient, experiment: Experiment, lock: Lock, *, parent_id: str
) -> list[dict[str, str]]:
    runs: dict[str, list[Run]] = {}
    for run in find_runs(client, {PARENT: parent_id}):
        runs.setdefault(run.data.tags.get(DVC_STAGE, ""), []).append(run)
    changes = []
    for name, stage in lock.stages.items():
        record = lock.record_of(name)
        of_stage = runs.get(name, [])
        finished = [run for run in of_stage if run.info.status == "FINISHED"]
        if not finished:
            if record:  # else it is a stage that logs nothing
                _drop(client, of_stage, key=record.key)
                made = _make_child(client, experiment, lock, parent_id=parent_id, stage=name)
                changes += _change("created", name, made)
            continue
        recorded = record.run_id if record else ""
        run = next((run for run in finished if run.info.run_id == recorded), finished[0])
        missing = {k: v for k, v in stage.tags().items() if run.data.tags.get(k) != v}
        log_tags(client, run.info.run_id, missing)
        changes += _change("updated" if missing else "", name, run.info.run_id)
    return changes


def _drop(client: MlflowClient, runs: Iterable[Run], *, key: str) -> None:
    """Delete what a stage had logged when its server went away; another's run is left alone."""
    for run in runs:
        if run.data.tags.get(KEY) == key:
            client.delete_run(run.info.run_id)


def _make_child(
    client: MlflowClient, experiment: Experiment, lock: Lock, *, parent_id: str, stage: str
) -> str:
    """Run of a stage that came from DVC's cache.

    It has the figures of the run that filled the cache, whose tables are found by its tag. Where
    that run is not in this store, the tables and pages are logged as they are in the cache.
    """
    locked, record = lock.stages[stage], lock.record_of(stage)
    source = _run_or_none(client, record.run_id) if record else None
    tags = locked.tags() | {SYNCED: "true"}
    if source:
        tags[SYNCED_FROM] = source.info.run_id
    run_id = create_child(client, experiment, parent_id=parent_id, stage=stage, tags=tags)
    log_params(client, run_id, locked.params)
    pages = list(lock.pages_of(stage))
    if source:
        log_metrics(client, run_id, source.data.metrics)
        if source.inputs:
            for each in (run_id, parent_id):
                client.log_inputs(each, datasets=source.inputs.dataset_inputs)
        if source.outputs:
            client.log_outputs(parent_id, source.outputs.model_outputs)
    else:
        _log_pages(client, run_id, pages)
    _log_pages(client, parent_id, [page for page in pages if page[0].endswith(".html")])
    client.set_terminated(run_id)
    return run_id


def _run_or_none(client: MlflowClient, run_id: str) -> Run | None:
    if not run_id:  # its server went away before all was logged
        return None
    with contextlib.suppress(MlflowException):  # the store that ran it may be another machine's
        return client.get_run(run_id)
    return None


def _log_pages(client: MlflowClient, run_id: str, pages: Sequence[tuple[str, Path]]) -> None:
    if not pages:
        return
    with tempfile.TemporaryDirectory() as folder:
        for name, file in pages:  # which DVC's cache calls by their hash
            link(file, Path(folder) / name)
        client.log_artifacts(run_id, folder)


def _change(action: str, stage: str, run_id: str) -> list[dict[str, str]]:
    return [{"action": action, "stage": stage, "run_id": run_id}] if action else []


@dataclass(frozen=True, slots=True)
class _Done:
    """What has been synced, kept beside the project's lock.

    Attributes
    ----------
    of : str
        Hash of the store's address and of all that may have changed since.
    experiments : dict of str to str
        Digest of the stages of each DVC experiment, by its commit.
    """

    of: str
    experiments: dict[str, str]

    @classmethod
    def now(cls, root: Path, experiments: Mapping[str, str]) -> _Done:
        """What there is to sync in a project."""
        address = address_of(root)
        found: list[object] = [address.tracking, address.experiment]
        if address.is_embedded and (database := database_of(root)).is_file():
            found.append(database.stat().st_ino)  # one that was made anew holds nothing
        for name in ("dvc.lock", "params.yaml", "metrics.json"):
            file = root / name
            found.append(file.read_text("utf-8") if file.is_file() else "")
        return cls(keys.digest([*found, git_refs(root, "refs/exps")]), dict(experiments))

    @classmethod
    def read(cls, root: Path) -> _Done:
        """What was synced the last time."""
        try:
            return cls(**json.loads((root / _DONE).read_text()))
        except (OSError, ValueError, TypeError):
            return cls("", {})

    def write(self, root: Path) -> None:
        """Note it for the next time."""
        write_atomically(root / _DONE, json.dumps({"of": self.of, "experiments": self.experiments}))
