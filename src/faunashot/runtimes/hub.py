"""Models of TF Hub and Kaggle: from TF Hub's cache, or downloaded into it."""

from __future__ import annotations

import hashlib
import os
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

from faunashot.download import download, new_folder
from faunashot.errors import WeightsError
from faunashot.weights.files import own_folder

MODEL = "saved_model.pb"

KAGGLE = "https://www.kaggle.com/models/"
KAGGLE_API = "https://www.kaggle.com/api/v1/models/"


def model_folder(handle: str) -> Path:
    """Folder of the SavedModel that `handle` names, in the layout that tensorflow_hub caches.

    Parameters
    ----------
    handle : str
        URL of the model on TF Hub, ``https://tfhub.dev/OWNER/MODEL/VERSION``, or on Kaggle,
        ``https://www.kaggle.com/models/OWNER/MODEL/FRAMEWORK/VARIATION/VERSION``, or a folder that
        holds it.

    Raises
    ------
    WeightsError
        The model is neither in the cache (``TFHUB_CACHE_DIR``) nor reachable, or is damaged.
    """
    if not handle.startswith(("https://", "http://")):
        if not (Path(handle) / MODEL).is_file():
            raise WeightsError(f"{handle} is not a folder with a {MODEL}")
        return Path(handle)
    if cached(handle) is None:
        _fetch(handle, _folder(handle))
    return _folder(handle)


def cached(handle: str) -> Path | None:
    """Folder of the model that a URL names, or None where it is not in the cache."""
    folder = _folder(handle)
    return folder if (folder / MODEL).is_file() else None


def _folder(handle: str) -> Path:
    return cache_folder() / hashlib.sha1(handle.encode(), usedforsecurity=False).hexdigest()


def cache_folder() -> Path:
    """``TFHUB_CACHE_DIR``, ``tfhub`` in ``FAUNASHOT_WEIGHTS``, or one in the user's cache."""
    if os.environ.get("TFHUB_CACHE_DIR"):
        return Path(os.environ["TFHUB_CACHE_DIR"])
    own = own_folder()
    return own / "tfhub" if own else Path.home() / ".cache" / "faunashot" / "tfhub"


def _archive(handle: str) -> str:
    """Address of the model's files in one archive."""
    if handle.startswith(KAGGLE):
        return f"{KAGGLE_API}{handle.removeprefix(KAGGLE)}/download"
    return f"{handle}?tf-hub-format=compressed"


def _fetch(handle: str, folder: Path) -> None:
    name = urlsplit(handle).path.strip("/").replace("/", "-")
    archive = download(
        _archive(handle),
        folder.with_name(f"{name}.tar.gz"),
        checksum=None,  # neither publishes one
        error=WeightsError,
        hint=f"set TFHUB_CACHE_DIR to a cache that has {handle}; {folder.parent} has not",
    )
    try:
        with tarfile.open(archive) as packed, new_folder(folder, error=WeightsError) as fresh:
            packed.extractall(fresh, filter="data")
            if not (fresh / MODEL).is_file():
                raise WeightsError(f"{handle}: what was downloaded holds no {MODEL}")
    except (tarfile.TarError, EOFError) as error:
        raise WeightsError(f"{handle}: {archive} is not the archive of a model") from error
    finally:
        archive.unlink(missing_ok=True)
