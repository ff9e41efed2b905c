"""Windows of a features folder in a database of perch-hoplite: SQLite beside a USearch index."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from faunashot.errors import FaunashotError, ParameterError, StoreError
from faunashot.estimators.text_prototypes import unit
from faunashot.features.spec import FeatureSpec
from faunashot.features.store import META, Features, load
from faunashot.files import locked, whole_folder
from faunashot.progress import progress
from faunashot.storage import Storage

SUFFIX = ".search"
"""Of the folder of the database, which lies beside that of the features."""

FORMAT = 1
OURS = "faunashot"
"""Under which our facts stand in the database."""

INSTALL = "uv pip install -e '.[search]' in a clone, or pip install 'faunashot[search]'"

EXPANSION_ADD, EXPANSION_SEARCH = 128, 128
"""Neighbours that USearch looks at when a window is added, and when one is searched: see
docs/field/SEARCH.md for what they take and find."""

EXACT_UP_TO = 20_000
"""Windows up to which all are compared, which takes no longer than a few milliseconds."""

BATCH = 4096
"""Windows that are added together."""


@dataclass(frozen=True)
class Hit:
    """A window that is like what was searched for.

    Attributes
    ----------
    file : str
        The recording, as the features name it.
    start_s, end_s : float
    similarity : float
        Cosine of the two embeddings, -1 to 1.
    """

    file: str
    start_s: float
    end_s: float
    similarity: float


class WindowDatabase:
    """Windows of recordings that can be searched, opened to be read.

    Parameters
    ----------
    folder : Path
        Of the database.
    database : SQLiteUSearchDB
        Of perch-hoplite. Embeddings have length 1 there, so that its inner product is the cosine.
    """

    def __init__(self, folder: Path, database: Any) -> None:
        self.folder = folder
        self._database = database
        database.ui.expansion_search = EXPANSION_SEARCH  # its file does not hold this

    def __len__(self) -> int:
        return int(self._database.count_embeddings())

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open a database that is there; it is not changed.

        Raises
        ------
        StoreError
            It is no such database, or is locked.
        ParameterError
            perch-hoplite is not installed.
        """
        with _errors_of(folder):
            return cls(folder, _connected(folder, readonly=True))

    def search(
        self,
        embedding: npt.NDArray[Any],
        *,
        n: int = 10,
        exact: bool | None = None,
        overlapping: bool = False,
    ) -> list[Hit]:
        """The windows that are most like an embedding, the most similar first.

        Parameters
        ----------
        embedding : ndarray, shape (dim,)
            Its length does not count.
        n : int
            How many are wanted; there may be fewer.
        exact : bool, optional
            Whether all windows are compared; if not given, up to `EXACT_UP_TO` of them.
        overlapping : bool
            Whether windows count that overlap a more similar one of the same recording.
        """
        query = unit(embedding).astype(np.float32)
        exact = len(self) <= EXACT_UP_TO if exact is None else exact
        asked = n
        while True:
            found = self._nearest(query, min(asked, len(self)), exact=exact)
            kept = found if overlapping else apart(found)
            if len(kept) >= n or asked >= len(self):
                return kept[:n]
            asked *= 4

    def _nearest(self, query: npt.NDArray[np.float32], n: int, *, exact: bool) -> list[Hit]:
        if not n:
            return []
        with _errors_of(self.folder):
            results = self._database.search(query, n, approximate=not exact)
            return [self._hit(result) for result in results]

    def _hit(self, result: Any) -> Hit:
        window = self._database.get_window(result.window_id)
        recording = self._database.get_recording(window.recording_id)
        start_s, end_s = window.offsets
        return Hit(recording.filename, start_s, end_s, float(result.sort_score))


def database_of(url: str, *, folder: Path | None = None) -> WindowDatabase:
    """The database of a features folder, made on first use and brought up to date now.

    Parameters
    ----------
    url : str
        Of the features.
    folder : Path, optional
        Of the database; beside the features if not given.

    Raises
    ------
    StoreError
        There are no features, or none of any window; the database is of other features, or
        another process is writing it.
    ParameterError
        perch-hoplite is not installed.
    """
    storage = Storage(url)
    if folder is None:
        if storage.local is None:
            raise StoreError(f"{url} is on no local disk: name a folder by --database")
        folder = storage.local.with_name(storage.local.name + SUFFIX)
    features = load(url)
    if not len(features.index):
        raise StoreError(f"{url} holds no window: there is nothing to search")
    bring_up_to_date(folder, features, of=hashlib.sha256(storage.read(META)).hexdigest())
    return WindowDatabase.open(folder)


def bring_up_to_date(folder: Path, features: Features, *, of: str) -> None:
    """Make a database hold the windows of features, and no others.

    Windows of recordings that it holds already are not added again. It is written beside and takes
    the place of the old one when it is whole, so that one that was interrupted is never read.

    Parameters
    ----------
    folder : Path
        Of the database.
    features : Features
    of : str
        Hash of the features: where the database has the same, nothing is done.

    Raises
    ------
    StoreError, ParameterError
        As of `database_of`.
    """
    if features.spec.dtype != "float32":
        raise StoreError(f"features of {features.spec} are waveforms, which cannot be searched")
    before = _facts(folder, features.spec)
    if before == of:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock"), timeout_s=0) as held:
        if not held:
            raise StoreError(f"{folder} is being written by another process; wait for it to end")
        with whole_folder(folder) as draft, _errors_of(folder):
            if before is not None:
                shutil.copytree(folder, draft, dirs_exist_ok=True)
            _write(draft, features, of=of)


def apart(hits: list[Hit]) -> list[Hit]:
    """Hits without those that overlap an earlier one of the same recording."""
    kept: dict[str, list[Hit]] = {}
    found = []
    for hit in hits:
        of_file = kept.setdefault(hit.file, [])
        if all(hit.end_s <= each.start_s or each.end_s <= hit.start_s for each in of_file):
            of_file.append(hit)
            found.append(hit)
    return found


def _facts(folder: Path, spec: FeatureSpec) -> str | None:
    """Hash of the features that a database holds; None where there is no database.

    Raises
    ------
    StoreError
        It is of another specification, or no database of ours.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    with _errors_of(folder):
        database = _connected(folder, readonly=True)
        try:
            facts = database.get_metadata(OURS).to_dict()
        except KeyError as error:
            raise StoreError(f"{folder} is a database that faunashot has not made") from error
        finally:
            database.db.close()
    if facts["format"] != FORMAT:
        raise StoreError(f"{folder} is of another version: remove it, and it is made anew")
    if facts["spec"] != _written(spec):
        noted = FeatureSpec.from_json(json.loads(facts["spec"]))
        raise StoreError(
            f"{folder} holds windows of {noted}, not of {spec}: "
            "name another --database, or remove it"
        )
    return str(facts["features"])


def _write(folder: Path, features: Features, *, of: str) -> None:
    """Bring the database in a folder that nobody reads to hold the windows of features."""
    database = _connected(folder, spec=features.spec)
    there = {row.filename: (row.id, row.sha256) for row in database.get_all_recordings()}
    rows_of: Any = features.index.groupby("clip_id", sort=False).indices
    for name in there.keys() - rows_of.keys():
        database.remove_recording(there[name][0])
    batch = _Batch(database, features)
    with progress("filling the database", total=len(features.index), unit="windows") as advance:
        for name, rows in rows_of.items():
            sha256 = _digest(features, rows)
            recording, known = there.get(name, (None, ""))
            if known != sha256:
                if recording is not None:
                    database.remove_recording(recording)
                batch.add(database.insert_recording(filename=name, sha256=sha256), rows)
            advance(len(rows), was_done=known == sha256)
        batch.flush()
    _note(database, {"format": FORMAT, "spec": _written(features.spec), "features": of})
    database.commit()
    database.db.execute("PRAGMA journal_mode = DELETE")  # so that it can be read where it lies
    database.db.close()


class _Batch:
    """Windows of several recordings, which are added together."""

    def __init__(self, database: Any, features: Features) -> None:
        self.database, self.features = database, features
        times = features.index[["start_s", "end_s"]].to_numpy(dtype=np.float64)
        self.times = times
        self.windows: list[Mapping[str, Any]] = []
        self.rows: list[int] = []

    def add(self, recording: int, rows: npt.NDArray[np.intp]) -> None:
        """Take the windows in some rows of the features, of one recording."""
        for row in rows:
            offsets = self.times[row].tolist()
            self.windows.append({"recording_id": recording, "offsets": offsets})
            self.rows.append(int(row))
            if len(self.rows) == BATCH:
                self.flush()

    def flush(self) -> None:
        """Add what was taken and is not in the database yet."""
        if self.rows:
            embeddings = unit(self.features.windows[np.array(self.rows)]).astype(np.float32)
            # there are none in it: recordings that it knew were removed first
            self.database.insert_windows_batch(self.windows, embeddings, handle_duplicates="allow")
        self.windows, self.rows = [], []


def _digest(features: Features, rows: npt.NDArray[np.intp]) -> str:
    """Hash of a recording's windows and their times."""
    key = hashlib.sha256(features.index[["start_s", "end_s"]].to_numpy()[rows].tobytes())
    for at in range(0, len(rows), BATCH):
        key.update(np.ascontiguousarray(features.windows[rows[at : at + BATCH]]).data)
    return key.hexdigest()


def _written(spec: FeatureSpec) -> str:
    return json.dumps(spec.to_json(), sort_keys=True)


def _note(database: Any, facts: Mapping[str, Any]) -> None:
    from ml_collections import config_dict  # it comes with perch-hoplite

    database.insert_metadata(OURS, config_dict.create(**facts))


def _connected(folder: Path, *, spec: FeatureSpec | None = None, readonly: bool = False) -> Any:
    """perch-hoplite's database in a folder; a new one where there is none and `spec` is given."""
    try:
        from perch_hoplite.db import sqlite_usearch_impl as hoplite
    except ImportError as error:
        raise ParameterError(f"searching needs perch-hoplite: {INSTALL}") from error
    config = None
    if spec is not None and not (folder / hoplite.HOPLITE_FILENAME).exists():
        config = hoplite.get_default_usearch_config(spec.dim)
        config.expansion_add, config.expansion_search = EXPANSION_ADD, EXPANSION_SEARCH
    return hoplite.SQLiteUSearchDB.create(str(folder), config, readonly=readonly)


@contextmanager
def _errors_of(folder: Path) -> Iterator[None]:
    """Errors of a database as one line that names its folder."""
    try:
        yield
    except FaunashotError:
        raise
    except (sqlite3.Error, FileNotFoundError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        if "locked" in reason:
            raise StoreError(f"{folder} is locked by another process; try again later") from error
        raise StoreError(
            f"{folder} is no database of windows, or is torn ({reason}): remove it, and it is "
            "made anew"
        ) from error
