"""Which version of a registered model is its champion: the one that is shown to be the best."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from faunashot.errors import TrackingError
from faunashot.tracking import pairing, store
from faunashot.tracking.experiments import KIND, PARENT, find_runs, name_of
from faunashot.tracking.models import CHALLENGER, CHAMPION, PREFIX, with_alias
from faunashot.wording import decimals, interval


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome of a contest.

    Attributes
    ----------
    model, version : str
        That challenged.
    before : str
        Version that was the champion, "" if none was.
    promoted : bool
        Whether the version is the champion now.
    reason : str
        Why, or why not.
    difference, difference_low, difference_high : float, optional
        Macro-F1 of the challenger less that of the champion, where they could be paired.
    """

    model: str
    version: str
    before: str
    promoted: bool
    reason: str
    difference: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None

    @property
    def uri(self) -> str:
        """Address of the version."""
        return f"models:/{self.model}@{CHAMPION if self.promoted else CHALLENGER}"

    def __str__(self) -> str:
        if self.promoted:
            return f"{self.uri} is version {self.version}: {self.reason}"
        return (
            f"models:/{self.model}@{CHAMPION} stays version {self.before}: {self.reason}; to "
            f"overrule that: faunashot promote {self.model}/{self.version} --force"
        )


def contest(root: Path, name: str, version: str, *, force: bool = False) -> Verdict:
    """Make a version the champion where it is shown to be better on the same clips.

    That is, where there is no champion, or where the paired interval of the difference in
    macro-F1 lies above 0, see `pairing.differences`.

    Parameters
    ----------
    root : Path
        The project's folder.
    name, version : str
        Of the registered model; the run that registered it has ended.
    force : bool
        Whatever the comparison says.

    Raises
    ------
    TrackingError
        There is no such version.
    """
    client = store.connect(root)
    try:
        challenger = client.get_model_version(name, version)
    except MlflowException as error:
        raise TrackingError(f"the registry holds no version {version} of {name}") from error
    with store.locked(root):
        verdict = _judge(client, root, challenger, with_alias(client, name, CHAMPION), force=force)
        if verdict.promoted:
            client.set_registered_model_alias(name, CHAMPION, version)
            current = with_alias(client, name, CHALLENGER)
            if current is not None and str(current.version) == version:
                client.delete_registered_model_alias(name, CHALLENGER)
    return verdict


def find_version(root: Path, challenger: str) -> tuple[str, str]:
    """Name of the registered model, and the version, that a person means.

    Parameters
    ----------
    root : Path
        The project's folder.
    challenger : str
        ``NAME/VERSION``, a registered model (its challenger), an experiment as `compare` takes it,
        or "" for the only challenger that there is.

    Raises
    ------
    TrackingError
        There is none, or there are several.
    """
    client = store.connect(root)
    text = challenger.removeprefix("models:/").removesuffix(f"@{CHALLENGER}")
    name, is_version, version = text.partition("/")
    if is_version:
        return name, version
    models = client.search_registered_models(f"name LIKE '{PREFIX}%'")
    waiting = {m.name: str(m.aliases[CHALLENGER]) for m in models if CHALLENGER in m.aliases}
    if not text and len(waiting) == 1:
        return next(iter(waiting.items()))
    if not text:
        several = ", ".join(f"{name}/{version}" for name, version in waiting.items())
        raise TrackingError(
            f"name one of the challengers: {several}" if several else "no model is a challenger"
        )
    return (text, waiting[text]) if text in waiting else _of_experiment(client, text)


def _judge(
    client: MlflowClient,
    root: Path,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    *,
    force: bool,
) -> Verdict:
    model, version = challenger.name, str(challenger.version)
    if champion is None:
        return Verdict(model, version, "", True, "it is the first champion")
    before = str(champion.version)
    if before == version:
        return Verdict(model, version, before, True, "it was the champion before")
    try:
        names = [_experiment_of(client, each) for each in (champion, challenger)]
        (row,) = pairing.differences(pairing.scored_runs(root, names))
    except TrackingError as error:
        return Verdict(model, version, before, force, f"they cannot be compared ({error})")
    low, high = row["difference_low"], row["difference_high"]
    is_better = low is not None and low > 0
    against = "above" if is_better else "not above"
    reason = (
        f"macro-F1 {decimals(row['difference'], sign=True)} ({interval(row, 'difference')}) "
        f"against version {before} on the same clips, {against} 0"
    )
    return Verdict(model, version, before, is_better or force, reason, row["difference"], low, high)


def _experiment_of(client: MlflowClient, version: ModelVersion) -> str:
    """Id of the experiment's run of a version."""
    try:
        run = client.get_run(str(version.run_id))
    except MlflowException:
        run = None
    if run is None or run.info.lifecycle_stage != LifecycleStage.ACTIVE:
        raise TrackingError(f"the run of version {version.version} is not in MLflow any more")
    return str(run.data.tags.get(PARENT, version.run_id))


def _of_experiment(client: MlflowClient, text: str) -> tuple[str, str]:
    parents = find_runs(client, {KIND: "experiment"})
    ids = [run.info.run_id for run in parents if name_of(run) == text]
    ids = ids or [run.info.run_id for run in parents if run.info.run_id.startswith(text)]
    for parent in ids:
        for run in find_runs(client, {PARENT: parent}):
            for version in client.search_model_versions(f"run_id = '{run.info.run_id}'"):
                if version.name.startswith(PREFIX):
                    return version.name, str(version.version)
    raise TrackingError(f"no experiment {text!r} has registered a model; `faunashot compare` lists")
