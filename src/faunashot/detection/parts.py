"""What was detected, a file a recording, so that a job that was killed goes on where it was.

They lie in a hidden folder beside the tables, which are made of them. A part is there as a whole or
not at all, and is of one state of its recording's file.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from faunashot.annotations.table import as_table
from faunashot.audio.recorded import zone_called
from faunashot.errors import StoreError
from faunashot.files import locked, write_atomically

FOLDER, JOB, PARTS, LOCK = ".detection", "job.json", "parts", ".lock"
FACTS = b"faunashot"
"""Key of the facts of a recording in the metadata of its part."""


@dataclass(frozen=True)
class Detected:
    """What is known of a recording that was gone through.

    Attributes
    ----------
    file : str
        Its path as it was given, with ``/`` between folders.
    below : str
        The same below the folder that was named, after which its tables are named.
    size, mtime_ns : int
        Of the file, by which it is known again.
    sha256 : str
    duration_s : float
        Up to where it was listened to.
    sample_rate : int
        In Hz, as its header says; 0 where it does not.
    began_at : str
        When it began, ISO 8601, empty where that is not known.
    began_by : str
        What says so, and what the offset from UTC rests on.
    timezone : str
        As of `faunashot.audio.recorded.Beginning`.
    bad : list of dict
        Parts in which nothing was detected: start_s, end_s (None: to the end), reason, model.
    notes : list of str
        What is odd about it.
    """

    file: str
    below: str
    size: int
    mtime_ns: int
    sha256: str
    duration_s: float
    sample_rate: int = 0
    began_at: str = ""
    began_by: str = ""
    timezone: str = ""
    bad: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def stamp(self) -> tuple[int, int]:
        """As `faunashot.features.extract.stamp` gives it."""
        return self.size, self.mtime_ns

    @property
    def began(self) -> datetime | None:
        """When it began, on the clock of its time zone where the user gave one."""
        if not self.began_at:
            return None
        at = datetime.fromisoformat(self.began_at)
        return at.astimezone(zone_called(self.timezone)) if self.timezone else at


class Parts:
    """The parts of one folder of detections.

    Parameters
    ----------
    out : Path
        The folder that the tables are written into.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        self._folder = out / FOLDER / PARTS

    @contextmanager
    def claimed(self, job: Mapping[str, Any]) -> Iterator[None]:
        """Note what the folder's detections are made by, or see that it is the same, and hold it.

        Parameters
        ----------
        job : mapping
            Models, settings and versions, JSON-ready.

        Raises
        ------
        StoreError
            The folder holds detections by another model, or of other settings, and says the first
            that differs; or another process is writing into it.
        """
        hidden = self.out / FOLDER
        hidden.mkdir(parents=True, exist_ok=True)
        with locked(hidden / LOCK, timeout_s=0) as free:
            if not free:
                raise StoreError(f"{self.out}: another run is writing its detections into it")
            self._claim(job)
            yield

    def _claim(self, job: Mapping[str, Any]) -> None:
        file = self.out / FOLDER / JOB
        asked = json.loads(json.dumps(job))
        try:
            noted = json.loads(file.read_text("utf-8"))
        except FileNotFoundError:
            text = json.dumps(asked, indent=1, ensure_ascii=False)
            write_atomically(file, f"{text}\n")
            return
        except ValueError as error:
            raise StoreError(f"{file} cannot be read: name another folder ({error})") from error
        if noted != asked:
            raise StoreError(
                f"{self.out} holds detections of another kind ({_difference(noted, asked)}): name "
                "another folder, or remove it"
            )

    def write(self, detected: Detected, events: pd.DataFrame) -> None:
        """Write the events of a recording, in place of those of a former state of its file."""
        facts = {FACTS: json.dumps(asdict(detected), ensure_ascii=False).encode()}
        table = pa.Table.from_pandas(as_table(events), preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **facts})
        content = io.BytesIO()
        pq.write_table(table, content, compression="zstd")
        try:
            write_atomically(self._file(detected.file), content.getbuffer())
        except OSError as error:
            error.filename = error.filename or str(self.out)
            raise

    def known(self, file: str) -> Detected | None:
        """What is there of a recording; None where there is nothing, or nothing whole."""
        return _facts(self._file(file))

    def all(self) -> Iterator[Detected]:
        """Recordings that there are parts of, by name."""
        found = (_facts(file) for file in self._folder.glob("*.parquet"))
        yield from sorted((one for one in found if one is not None), key=lambda one: one.file)

    def events(self, file: str) -> pd.DataFrame:
        """The events of a recording that is `known`."""
        return as_table(pq.read_table(self._file(file)).to_pandas())

    def remove(self, file: str) -> None:
        """Forget a recording that is bad by now."""
        self._file(file).unlink(missing_ok=True)

    def _file(self, file: str) -> Path:
        return self._folder / f"{hashlib.sha256(file.encode()).hexdigest()[:32]}.parquet"


def _facts(file: Path) -> Detected | None:
    try:
        return Detected(**json.loads(pq.read_schema(file).metadata[FACTS]))
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException):
        return None


def _difference(noted: Any, asked: Any, key: str = "") -> str:
    """The first key that differs, and its values."""
    if isinstance(noted, dict) and isinstance(asked, dict):
        for name in [*noted, *asked]:
            if noted.get(name) != asked.get(name):
                below = f"{key}.{name}" if key else name
                return _difference(noted.get(name), asked.get(name), below)
    there, now = (_shown(value) for value in (noted, asked))
    return f"{key}: {there} there, {now} now"


def _shown(value: Any) -> str:
    text = "none" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."
