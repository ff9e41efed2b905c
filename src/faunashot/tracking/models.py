"""The registry: a registered model a corpus, and what a version says of itself."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, LoggedModelOutput
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

import faunashot.serving
from faunashot.serving import schema
from faunashot.serving.limits import Limits
from faunashot.tracking import store
from faunashot.tracking.experiments import KEY, log_metrics
from faunashot.tracking.keys import hash_path
from faunashot.tracking.runs import StageRun

PREFIX = "faunashot-"
CHAMPION, CHALLENGER = "champion", "challenger"
CONTENT = "faunashot.content"

_FORBIDDEN = re.compile(r"[^\w+-]")
_VERSIONS = "mlflow.modelVersions"  # by which a logged model's page says that it is registered


@dataclass(frozen=True, slots=True)
class Registration:
    """How a trained system is registered.

    Attributes
    ----------
    name : str
        Of the registered model, see `registered_name`.
    title : str
        What the logged model is called: corpus, system, protocol and k.
    sentence : str
        What it is, for a stranger.
    card : str
        The model card, in Markdown; the version's description, and a file of the model.
    tags : mapping
        Of the version: `corpus`, `protocol`, `k`, and what else tells it apart.
    metrics : mapping
        Figures, which MLflow ranks logged models by.
    dataset : Dataset, optional
        That they were computed on.
    """

    name: str
    title: str
    sentence: str
    card: str
    tags: Mapping[str, object]
    metrics: Mapping[str, Any]
    dataset: Dataset | None = None


def registered_name(corpus: str, root: Path) -> str:
    """Name of the registered model of a corpus; each folder of one's own is a corpus.

    Examples
    --------
    >>> registered_name("demo", Path("data/demo"))
    'faunashot-demo'
    >>> registered_name("folder", Path("/recordings/owls 2024"))
    'faunashot-folder-owls_2024'
    """
    own = f"{corpus}-{root.absolute().name}" if corpus == "folder" else corpus
    return PREFIX + _FORBIDDEN.sub("_", own)


def log_and_register(
    run: StageRun,
    model_folder: Path,
    registration: Registration,
    *,
    requirements: Sequence[str],
    example_audio: bytes,
) -> str:
    """Log a trained system as a model that can be served, and register it as the challenger.

    A run that is logged again registers nothing new where the model is the same, byte by byte;
    where it is not, the new version takes the old one's place and aliases.

    Parameters
    ----------
    run : StageRun
        The stage's open run.
    model_folder : Path
        ``models/<system>/``, what `Recogniser.load` reads.
    registration : Registration
    requirements : sequence of str
        Pip requirements of the serving environment.
    example_audio : bytes
        Bytes of a short audio file, the request that comes with the model.

    Returns
    -------
    str
        The version, for `champions.contest`.
    """
    content = hash_path(model_folder)
    name = registration.name
    old = _versions(run.client, name, run.key)
    for same in old:
        if same.tags.get(CONTENT) == content:
            _challenge(run.client, name, str(same.version))
            return str(same.version)
    logged = _log_model(model_folder, registration, requirements, example_audio)
    log_metrics(
        run.client,
        run.run_id,
        registration.metrics,
        model_id=logged.model_id,
        dataset=registration.dataset,
    )
    run.client.log_outputs(run.parent_id, [LoggedModelOutput(logged.model_id, step=0)])
    known = {KEY: run.key, CONTENT: content}
    with store.locked(store.root()):
        _ensure_registered(run.client, registration)
        made = run.client.create_model_version(
            name,
            source=logged.model_uri,
            run_id=run.run_id,
            tags={key: str(value) for key, value in registration.tags.items()} | known,
            description=f"{registration.sentence}\n\n{registration.card}",
            model_id=logged.model_id,
        )
        version = str(made.version)
        shown = json.dumps([{"name": name, "version": version}])
        run.client.set_logged_model_tags(logged.model_id, {_VERSIONS: shown})
        for before in old:
            for alias in before.aliases:
                run.client.set_registered_model_alias(name, alias, version)
            run.client.delete_model_version(name, before.version)
        _challenge(run.client, name, version)
    return version


def with_alias(client: MlflowClient, name: str, alias: str) -> ModelVersion | None:
    """Version that an alias names, None where there is none."""
    try:
        return client.get_model_version_by_alias(name, alias)
    except MlflowException:
        return None


def _challenge(client: MlflowClient, name: str, version: str) -> None:
    champion = with_alias(client, name, CHAMPION)
    if champion is None or str(champion.version) != version:
        client.set_registered_model_alias(name, CHALLENGER, version)


def _log_model(
    model_folder: Path,
    registration: Registration,
    requirements: Sequence[str],
    example_audio: bytes,
) -> ModelInfo:
    code = Path(faunashot.serving.__path__[0]) / "model.py"
    with tempfile.TemporaryDirectory() as folder:
        card_file = Path(folder) / "MODEL_CARD.md"
        card_file.write_text(registration.card)
        info: ModelInfo = mlflow.pyfunc.log_model(
            name=_FORBIDDEN.sub("_", registration.title),
            python_model=str(code),
            artifacts={"model": str(model_folder), "card": str(card_file)},
            signature=schema.signature(),
            model_config=Limits().model_dump(),
            input_example=schema.input_example(example_audio),
            pip_requirements=list(requirements),
            params=dict(registration.tags),
            tags={"mlflow.note.content": registration.sentence},
        )
        return info


def _versions(client: MlflowClient, name: str, key: str) -> list[ModelVersion]:
    """Versions that runs with this key have registered, newest first."""
    found = client.search_model_versions(f"name = '{name}' and tags.`{KEY}` = '{key}'")
    return sorted(
        (client.get_model_version(name, version.version) for version in found),
        key=lambda version: -int(version.version),
    )


def _ensure_registered(client: MlflowClient, registration: Registration) -> None:
    name = registration.name
    if client.search_registered_models(f"name = '{name}'"):
        return
    corpus = str(registration.tags["corpus"])
    client.create_registered_model(
        name,
        tags={"corpus": corpus, "task": "audio-classification"},
        description=(
            f"Recognises animals and other sounds in recordings, learned from the corpus {corpus}. "
            "`champion` is the best version by a comparison on the same clips, `challenger` the "
            "newest that has not shown that it is better. Each version's card tells its figures, "
            "limits and licences."
        ),
    )
