"""A model with other thresholds: a copy, for a model that is versioned is not changed in place."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from faunashot.download import new_folder
from faunashot.errors import ParameterError
from faunashot.systems.record import ClassThreshold, TrainedSystem


def copy_with_thresholds(
    model: Path, out: Path, thresholds: Mapping[str, ClassThreshold]
) -> TrainedSystem:
    """Copy a model's folder whole, with thresholds of some classes in place of what they had.

    DVC's files are left out: they are of the folder that was copied. Links become files, so that
    nothing in a cache can be changed by way of the copy.

    Parameters
    ----------
    model : Path
        Folder of a trained system.
    out : Path
        Folder that is not there yet, or is empty.
    thresholds : mapping
        By class; the others keep what they had.

    Returns
    -------
    TrainedSystem
        Of the copy.

    Raises
    ------
    StoreError
        The folder holds no model.
    ParameterError
        The model has no such class, or `out` holds something, lies in the model or around it.
    """
    record = TrainedSystem.read(model)
    for name in thresholds:
        if name not in record.classes:
            raise ParameterError.unknown(f"classes of {model}", name, record.classes)
    here, there = model.resolve(), out.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise ParameterError(f"--out {out}: name a folder beside {model}, which is left as it is")
    changed = record.model_copy(update={"thresholds": {**record.thresholds, **thresholds}})
    with new_folder(out, error=ParameterError) as fresh:
        shutil.copytree(
            model, fresh, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.dvc", ".gitignore")
        )
        for copied in fresh.rglob("*"):
            copied.chmod(0o755 if copied.is_dir() else 0o644)  # DVC's are read-only
        changed.write(fresh)
    return changed
