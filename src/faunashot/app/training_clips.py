"""The clips that a model learned from, to listen to those that are like a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from faunashot.errors import FaunashotError
from faunashot.features import store
from faunashot.features.join import join
from faunashot.features.store import Features
from faunashot.recogniser import Recogniser


@dataclass(frozen=True)
class TrainingClips:
    """Clips with where they lie and what they sound like.

    Attributes
    ----------
    clips : DataFrame
        A row a clip: ``label`` and ``path``, of the file.
    unit : ndarray of float32, shape (N, dim)
        Mean features of each, of length 1.
    """

    clips: pd.DataFrame
    unit: npt.NDArray[np.float32]

    @classmethod
    def of_project(cls, recogniser: Recogniser) -> TrainingClips | None:
        """Clips that a model learned from, where it was trained in the project that is here.

        None where this is no project, another corpus is here by now, or its features are gone.
        """
        from faunashot.evaluation import MAIN
        from faunashot.params import load_params
        from faunashot.pipeline.paths import AUDITED, features_of

        record = recogniser.record
        try:
            params = load_params()
            if params.corpus != record.corpus or not record.learned_from:
                return None
            table = pd.read_parquet(AUDITED).set_index("clip_id")
            if {b.name for b in record.backbones} != {f.name for f in params.features}:
                return None
            folders = [features_of(MAIN, record.corpus, name) for name in params.features]
            features = join([store.load(folder) for folder in folders])
        except (FaunashotError, OSError):
            return None
        learned = [name for name in record.learned_from if name in table.index]
        rows = features.index["clip_id"].isin(learned).to_numpy()
        if not rows.any():
            return None
        means = pd.DataFrame(np.asarray(features.windows[rows])).groupby(
            features.index["clip_id"][rows].to_numpy()
        )
        mean = means.mean()
        clips = table.loc[mean.index, ["label", "path"]]
        root = Path(params.root_of(record.corpus))
        return cls(clips.assign(path=[str(root / path) for path in clips["path"]]), _unit(mean))

    def nearest(self, features: Features, *, n: int = 4) -> pd.DataFrame:
        """The clips most like a recording, by the cosine of mean features, the nearest first.

        Parameters
        ----------
        features : Features
            Of the windows of the recording.
        n : int
            How many.

        Returns
        -------
        DataFrame
            Columns ``label``, ``path``, ``similarity``, of at most `n` rows.
        """
        if features.spec.dim != self.unit.shape[1]:
            return self.clips.iloc[:0].assign(similarity=[])
        mean = np.asarray(features.windows, np.float32).mean(axis=0, keepdims=True)
        similarity = self.unit @ _unit(mean)[0]
        order = similarity.argsort()[::-1][:n]
        nearest: pd.DataFrame = self.clips.iloc[order].assign(similarity=similarity[order])
        return nearest


def _unit(rows: npt.ArrayLike) -> npt.NDArray[np.float32]:
    values = np.asarray(rows, dtype=np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(np.divide(values, length, out=np.zeros_like(values), where=length > 0))
