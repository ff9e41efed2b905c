"""The registry: versions of the model `faunashot`, and its champion."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models.model import ModelInfo

import faunashot.serving
from faunashot.errors import TrackingError
from faunashot.serving import schema
from faunashot.tracking import store
from faunashot.tracking.experiments import KEY
from faunashot.tracking.keys import hash_path
from faunashot.tracking.runs import StageRun

MODEL = "faunashot"
CHAMPION = "champion"
CONTENT = "faunashot.content"
MACRO_F1 = "macro_f1"


def log_and_register(
    run: StageRun,
    model_folder: Path,
    *,
    card: str,
    requirements: Sequence[str],
    example_audio: bytes,
    tags: Mapping[str, object],
) -> str:
    """Log a trained system as a model that can be served, and register it.

    A run that is logged again registers nothing new where the model is the same, byte by byte;
    where it is not, the new version takes the old one's place and aliases. The newest version
    is ``models:/faunashot/latest``: MLflow reserves that name.

    Parameters
    ----------
    run : StageRun
        The stage's open run.
    model_folder : Path
        ``models/<system>/``, what `Recogniser.load` reads.
    card : str
        The model card, in Markdown; the version's description, and a file of the model.
    requirements : sequence of str
        Pip requirements of the serving environment.
    example_audio : bytes
        Bytes of a short audio file, the request that comes with the model.
    tags : mapping of str to object
        Of the version: `corpus`, `protocol`, `k`, and what else tells it apart.

    Returns
    -------
    str
        The version, for `promote`.
    """
    content = hash_path(model_folder)
    old = _versions(run.client, run.key)
    for version in old:
        if version.tags.get(CONTENT) == content:
            return str(version.version)
    logged = _log_model(
        model_folder, card=card, requirements=requirements, example_audio=example_audio
    )
    known = {KEY: run.key, CONTENT: content}
    with store.locked(store.root()):
        _ensure_registered(run.client)
        made = run.client.create_model_version(
            MODEL,
            source=logged.model_uri,
            run_id=run.run_id,
            tags={name: str(value) for name, value in tags.items()} | known,
            description=card,
            model_id=logged.model_id,
        )
        for before in old:
            for alias in before.aliases:
                run.client.set_registered_model_alias(MODEL, alias, made.version)
            run.client.delete_model_version(MODEL, before.version)
    return str(made.version)


def promote(version: str, macro_f1: float, *, root: Path | None = None) -> bool:
    """Note a version's score, and make it the champion if it is the best of its corpus.

    The rule: a version becomes `champion` when there is no champion, when the champion was
    trained on another corpus (the newest corpus is the one that is worked on), or when its
    macro-F1 is at least the champion's. A score that is not a number never wins.

    Parameters
    ----------
    version : str
        As returned by `log_and_register`.
    macro_f1 : float
        Of the evaluation, in [0, 1].
    root : Path, optional
        The project's folder, `store.root()` if not given.

    Returns
    -------
    bool
        Whether the version is the champion now.

    Raises
    ------
    TrackingError
        There is no such version.
    """
    root = root or store.root()
    client = store.connect(root)
    with store.locked(root):
        try:
            candidate = client.get_model_version(MODEL, version)
        except MlflowException as error:
            raise TrackingError(f"the registry holds no version {version} of {MODEL}") from error
        client.set_model_version_tag(MODEL, version, MACRO_F1, repr(float(macro_f1)))
        champion = _champion(client)
        if champion is None or champion.version == candidate.version:
            wins = champion is not None or not math.isnan(macro_f1)
        else:
            other_corpus = champion.tags.get("corpus") != candidate.tags.get("corpus")
            wins = macro_f1 >= _score(champion) or (other_corpus and not math.isnan(macro_f1))
        if wins:
            client.set_registered_model_alias(MODEL, CHAMPION, version)
        return wins


def _log_model(
    model_folder: Path, *, card: str, requirements: Sequence[str], example_audio: bytes
) -> ModelInfo:
    code = Path(faunashot.serving.__path__[0]) / "model.py"
    with tempfile.TemporaryDirectory() as folder:
        card_file = Path(folder) / "MODEL_CARD.md"
        card_file.write_text(card)
        info: ModelInfo = mlflow.pyfunc.log_model(
            name="model",
            python_model=str(code),
            artifacts={"model": str(model_folder), "card": str(card_file)},
            signature=schema.signature(),
            input_example=schema.input_example(example_audio),
            pip_requirements=list(requirements),
        )
        return info


def _versions(client: MlflowClient, key: str) -> list[ModelVersion]:
    """Versions that runs with this key have registered, newest first."""
    found = client.search_model_versions(f"name = '{MODEL}' and tags.`{KEY}` = '{key}'")
    return sorted(
        (client.get_model_version(MODEL, version.version) for version in found),
        key=lambda version: -int(version.version),
    )


def _ensure_registered(client: MlflowClient) -> None:
    if not client.search_registered_models(f"name = '{MODEL}'"):
        client.create_registered_model(
            MODEL, description="Recognises animals in recordings; see each version's model card."
        )


def _champion(client: MlflowClient) -> ModelVersion | None:
    try:
        return client.get_model_version_by_alias(MODEL, CHAMPION)
    except MlflowException:
        return None


def _score(version: ModelVersion) -> float:
    return float(version.tags.get(MACRO_F1, "-inf"))
