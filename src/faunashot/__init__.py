"""How many labelled recordings does it take to recognise an animal?

faunashot embeds audio with pretrained networks and measures zero-shot, few-shot and full
training on the embeddings. Importing it imports neither TensorFlow nor MLflow.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faunashot.recogniser import Recogniser

__version__ = "0.1.0"

_OF_MLFLOW = re.compile(r"models:/.+|runs:/.+|[0-9a-f]{32}")


def load_model(model: str | Path) -> Recogniser:
    """Load a trained system, to recognise files and samples with.

    Parameters
    ----------
    model : str or Path
        A folder, as ``models/birdnet-rectified``; or, out of the MLflow store of the project that
        is the current folder, ``models:/NAME@champion``, ``models:/NAME/3``, ``runs:/ID/...`` or
        the id of a run.

    Raises
    ------
    StoreError
        The folder holds no model, or one of another format.
    TrackingError
        MLflow has no such model, or there is no project here.

    Examples
    --------
    >>> model = load_model("models:/faunashot-demo@champion")  # doctest: +SKIP
    >>> model.recognise("frog.ogg").label  # doctest: +SKIP
    'frog'
    """
    from faunashot.recogniser import Recogniser

    with model_folder(model) as folder:
        return Recogniser.load(folder)


@contextmanager
def model_folder(model: str | Path) -> Iterator[Path]:
    """Folder of a trained system, named as for `load_model`; it may go when the block ends.

    Raises
    ------
    TrackingError
        MLflow has no such model, or there is no project here.
    """
    name = str(model)
    if not _OF_MLFLOW.fullmatch(name) or Path(name).is_dir():
        yield Path(model)
        return
    from faunashot.tracking.stored_models import model_from_mlflow  # MLflow takes seconds

    with model_from_mlflow(name) as folder:
        yield folder
