"""Experiments: the parent runs, and what is logged on any run."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Dataset, Metric, Param, Run, RunTag

from faunashot.tracking import keys, store
from faunashot.tracking.address import address_of, user

KEY, KIND, PARAMS = "faunashot.key", "faunashot.kind", "faunashot.params"
DVC_EXPERIMENT, DVC_BASELINE, DVC_STAGE = "dvc.exp", "dvc.baseline", "dvc.stage"
SYNCED = "synced"
PARENT = "mlflow.parentRunId"
WORKSPACE = "workspace"
_BATCH = 100  # most parameters or tags that MLflow takes at once


@dataclass(frozen=True, slots=True)
class Experiment:
    """What a parent run stands for.

    Attributes
    ----------
    experiment : str
        DVC's name of it, "" for what ``dvc repro`` makes in the workspace.
    baseline : str
        Git commit that it starts from, "" without git.
    params : mapping of str to object
        All parameters, nested or flat.
    name : str
        Shown in MLflow.
    owner : str
        Whose it is, where a store holds the experiments of several people.
    """

    experiment: str
    baseline: str
    params: Mapping[str, object]
    name: str
    owner: str = ""

    @property
    def key(self) -> str:
        """Key that its parent run is found by."""
        key = keys.experiment_key(
            experiment=self.experiment, baseline=self.baseline, params=self.params
        )
        return keys.digest([self.owner, key]) if self.owner else key

    def tags(self) -> dict[str, str]:
        """Tags that its parent run and the children carry."""
        return {
            DVC_EXPERIMENT: self.experiment or WORKSPACE,
            DVC_BASELINE: self.baseline,
            "mlflow.source.git.commit": self.baseline,
            "mlflow.user": user(),
        }


def parent_run(client: MlflowClient, root: Path, experiment: Experiment) -> tuple[str, bool]:
    """Find or make the parent run of an experiment; returns its id, and whether it was made.

    It is never left open: each stage that ends sets its end anew.
    """
    experiment_id = store.experiment_id(client)
    params = keys.digest(keys.as_params(experiment.params))
    with store.locked(root):
        found = find_runs(client, {KIND: "experiment", KEY: experiment.key})
        if found and found[0].data.tags.get(PARAMS) == params:
            return found[0].info.run_id, False
        for run in found:  # DVC has overwritten the experiment with other parameters
            _delete_with_children(client, run.info.run_id)
        tags = experiment.tags() | {KIND: "experiment", KEY: experiment.key, PARAMS: params}
        tags |= described(experiment.params)
        run = client.create_run(experiment_id, tags=tags | outer_tags(), run_name=experiment.name)
        log_params(client, run.info.run_id, experiment.params)
        client.set_terminated(run.info.run_id)
        return run.info.run_id, True


def create_child(
    client: MlflowClient,
    experiment: Experiment,
    *,
    parent_id: str,
    stage: str,
    tags: Mapping[str, str],
) -> str:
    """Make a run of a stage under a parent run and return its id."""
    known = {KIND: "stage", PARENT: parent_id, DVC_STAGE: stage, "mlflow.source.name": stage}
    run = client.create_run(
        store.experiment_id(client), tags=experiment.tags() | known | dict(tags), run_name=stage
    )
    return str(run.info.run_id)


def find_runs(client: MlflowClient, tags: Mapping[str, str], *, status: str = "") -> list[Run]:
    """Find the runs of the project that carry all of `tags`, newest first; of a status if given."""
    wanted = [f"tags.`{key}` = '{value}'" for key, value in tags.items()]
    wanted += [f"attributes.status = '{status}'"] if status else []
    text = " and ".join(wanted)
    found: list[Run] = []
    token: str | None = ""
    while token is not None:
        page = client.search_runs(
            [store.experiment_id(client)],
            filter_string=text,
            order_by=["attributes.start_time DESC"],
            page_token=token or None,
        )
        found += page
        token = page.token or None
    return found


def log_params(client: MlflowClient, run_id: str, values: Mapping[str, object]) -> None:
    """Log parameters on a run; one that the run has with another value becomes a tag.

    MLflow never changes a parameter; a run that is logged into again may need to.
    """
    known = client.get_run(run_id).data.params
    wanted = keys.as_params(values)
    new = [Param(key, value) for key, value in wanted.items() if key not in known]
    for start in range(0, len(new), _BATCH):
        client.log_batch(run_id, params=new[start : start + _BATCH])
    changed = {k: value for k, value in wanted.items() if known.get(k, value) != value}
    log_tags(client, run_id, {f"param.{key}": value for key, value in changed.items()})


def log_metrics(
    client: MlflowClient,
    run_id: str,
    values: Mapping[str, object],
    *,
    step: int | None = None,
    model_id: str | None = None,
    dataset: Dataset | None = None,
) -> None:
    """Log the numbers among `values` on a run, and on a logged model with what they are of."""
    now = time.time_ns() // 1_000_000
    of = {"dataset_name": dataset.name, "dataset_digest": dataset.digest} if dataset else {}
    metrics = [
        Metric(key, value, now, step or 0, model_id=model_id, **of)
        for key, value in keys.as_metrics(values).items()
    ]
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])


def log_tags(client: MlflowClient, run_id: str, values: Mapping[str, str]) -> None:
    """Set tags of a run."""
    tags = [RunTag(key, value) for key, value in values.items()]
    for start in range(0, len(tags), _BATCH):
        client.log_batch(run_id, tags=tags[start : start + _BATCH])


def git_head(root: Path) -> str:
    """Commit that `root` is at, "" without git or without a commit."""
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD")


def git_refs(root: Path, under: str) -> str:
    """All references below one, with their commits, "" without git."""
    return _git(root, "for-each-ref", under)


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def current_experiment(root: Path, *, params: Mapping[str, object], name: str) -> Experiment:
    """Experiment that this process is a stage of."""
    experiment = os.environ.get("DVC_EXP_NAME", "")
    baseline = os.environ.get("DVC_EXP_BASELINE_REV") or git_head(root)
    return experiment_of(root, params=params, name=name, experiment=experiment, baseline=baseline)


def experiment_of(
    root: Path, *, params: Mapping[str, object], name: str, experiment: str, baseline: str
) -> Experiment:
    """Experiment of a project; what DVC calls it stands behind what its parameters call it."""
    name = name or experiment_name(params)
    shown = f"{name} ({experiment})" if experiment else name
    return Experiment(experiment, baseline, params, shown, address_of(root).owner)


def experiment_name(params: Mapping[str, object]) -> str:
    """Name of an experiment that DVC has none for: ``<corpus>-<backbone>-<protocol>-k<k>``."""
    flat = keys.flatten(params)
    parts = [flat.get(key) for key in ("corpus", "backbone", "protocol.name")]
    parts.append(f"k{flat['protocol.k']}" if "protocol.k" in flat else None)
    return "-".join(str(part) for part in parts if part is not None) or WORKSPACE


def described(params: Mapping[str, object]) -> dict[str, str]:
    """Tags that tell a stranger what an experiment is, the first a sentence."""
    flat = keys.as_params(params)
    of = {"corpus": "corpus", "system": "backbone", "protocol": "protocol.name", "k": "protocol.k"}
    tags = {tag: flat[key] for tag, key in of.items() if key in flat}
    mode = flat.get("protocols.zero_shot.mode", "ontology")
    if (flat.get("protocol.name"), mode) != ("zero_shot", "ontology"):  # else no head is used
        parts = [flat[key] for key in ("backbone", "system") if key in flat]
        tags |= {"system": "-".join(parts)} if parts else {}
    words = ", ".join(f"{tag} {value}" for tag, value in tags.items())
    sentence = f"How well animals are recognised from few labelled recordings: {words}."
    return {"mlflow.note.content": sentence} | tags if tags else {}


def name_of(run: Run) -> str:
    """Name of an experiment as a person types it: DVC's where it has one, else that of its run."""
    by_dvc = run.data.tags.get(DVC_EXPERIMENT, WORKSPACE)
    return str(run.info.run_name if by_dvc == WORKSPACE else by_dvc)


def outer_tags() -> dict[str, str]:
    """Tag that names the run that ``mlflow run`` opened around this process."""
    run_id = os.environ.get(store.OUTER_RUN)
    return {"mlflow_run.id": run_id} if run_id else {}


def _delete_with_children(client: MlflowClient, run_id: str) -> None:
    for run in find_runs(client, {PARENT: run_id}):
        client.delete_run(run.info.run_id)
    client.delete_run(run_id)
