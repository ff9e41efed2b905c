"""What ``dvc.lock`` knows, the hashes of every stage's inputs and outputs, and runs' records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from faunashot.tracking.keys import clean_name, digest

PAGES = (".csv", ".html", ".md", ".png")
"""What the names of outputs end in that a run keeps."""

_MAX_RECORD = 4096  # bytes of a JSON output that may be a run's record


@dataclass(frozen=True, slots=True)
class Record:
    """Which run of MLflow a stage logged to, as the stage's own output says it.

    Attributes
    ----------
    run_id : str
        Empty where MLflow's server went away before all was logged.
    key : str
        Of the run, see `keys.stage_key`.
    """

    run_id: str
    key: str


def read_record(file: Path) -> Record | None:
    """Read what `stage_run` wrote, None where the file is missing or anything else."""
    if not file.is_file() or file.stat().st_size > _MAX_RECORD:
        return None
    record = json.loads(file.read_text())
    if not isinstance(record, dict) or not {"run_id", "parent_run_id"} <= record.keys():
        return None
    return Record(str(record["run_id"]), str(record.get("key")))


@dataclass(frozen=True, slots=True)
class LockedStage:
    """One stage of a ``dvc.lock``.

    Attributes
    ----------
    name : str
        As DVC addresses it (``embed@birdnet``).
    deps, outs : mapping of str to str
        MD5 by path; that of a folder ends in ``.dir``.
    params : mapping of str to object
        Values by dotted name, of all parameter files.
    """

    name: str
    deps: Mapping[str, str]
    outs: Mapping[str, str]
    params: Mapping[str, object]

    def tags(self) -> dict[str, str]:
        """Tags ``dvc.in.<path>`` and ``dvc.out.<path>`` of the stage's run."""
        found = [("in", self.deps), ("out", self.outs)]
        return {
            clean_name(f"dvc.{kind}.{path}"): md5
            for kind, hashes in found
            for path, md5 in hashes.items()
        }


@dataclass(frozen=True, slots=True)
class Lock:
    """Stages with what they made.

    Attributes
    ----------
    stages : mapping of str to LockedStage
    file : callable
        Gives where an output of that path and MD5 lies; there may be nothing.
    """

    stages: Mapping[str, LockedStage]
    file: Callable[[str, str], Path]

    @property
    def digest(self) -> str:
        """Hash of what its stages read and made."""
        return digest({n: [s.deps, s.outs, s.params] for n, s in self.stages.items()})

    def record_of(self, stage: str) -> Record | None:
        """Record of a stage's run, None where it is not there."""
        files = (
            self.file(*out) for out in self.stages[stage].outs.items() if out[0][-5:] == ".json"
        )
        return next(filter(None, map(read_record, files)), None)

    def pages_of(self, stage: str) -> Iterator[tuple[str, Path]]:
        """Names and files of the tables and pages that a stage made and that are there."""
        for path, md5 in self.stages[stage].outs.items():
            if path.endswith(PAGES) and (file := self.file(path, md5)).is_file():
                yield PurePosixPath(path).name, file


def read_lock(path: Path) -> dict[str, LockedStage]:
    """Read a ``dvc.lock`` by stage name; a missing file holds no stages."""
    return parse_lock(path.read_text()) if path.is_file() else {}


def parse_lock(text: str) -> dict[str, LockedStage]:
    """Read the text of a ``dvc.lock`` by stage name, in its order."""
    stages = (yaml.safe_load(text) or {}).get("stages") or {}
    return {
        name: LockedStage(
            name,
            deps=_hashes(entry, "deps"),
            outs=_hashes(entry, "outs"),
            params={k: v for file in entry.get("params", {}).values() for k, v in file.items()},
        )
        for name, entry in stages.items()
    }


def input_tags(
    stages: Mapping[str, LockedStage], inputs: Iterable[Path], *, running: str
) -> dict[str, str]:
    """Tags ``dvc.in.<path>`` of a running stage: those inputs that earlier stages have made.

    DVC writes a stage to the lock when it has ended, so that of the running stage only what
    comes from before it is known, and only as an output: `deps` of later stages may be old.
    """
    outs = {
        path: md5
        for stage in stages.values()
        if stage.name != running
        for path, md5 in stage.outs.items()
    }
    tags = {}
    for given in inputs:
        path = PurePosixPath(given.as_posix())
        for candidate in (path, *path.parents):
            if md5 := outs.get(str(candidate)):
                tags[clean_name(f"dvc.in.{candidate}")] = md5
                break
    return tags


def _hashes(entry: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {item["path"]: item["md5"] for item in entry.get(kind, []) if "md5" in item}
