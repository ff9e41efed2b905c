"""Where stages leave what the next ones read, relative to the project."""

from __future__ import annotations

from pathlib import Path

from faunashot.features.names import FeatureName
from faunashot.params import Params

CLIPS = Path("clips")
AUDITED = CLIPS / "audited.parquet"
NOISE_CLIPS = CLIPS / "noise.parquet"
FEATURES = Path("features")
NOISE_FEATURES = FEATURES / "noise"
PREDICTIONS = Path("predictions")
REPORTS = Path("reports")
RUN_RECORDS = REPORTS / "mlflow"
CHECKED = REPORTS / "check.json"
INGEST_REPORT, AUDIT_REPORT = REPORTS / "ingest.json", REPORTS / "audit.json"
METRICS, CURVE = Path("metrics.json"), Path("curve.csv")
FIGURES = REPORTS / "figures.json"


def clips_of(corpus: str) -> Path:
    """Table of the good clips of a corpus."""
    return CLIPS / f"{corpus}.parquet"


def features_of(condition: str, corpus: str, features: FeatureName, *, copy: str = "") -> Path:
    """Features of a corpus under a condition, ``main`` for the recordings as they are.

    Those of a copy that `faunashot.audio.altered.Augmentation` names lie beside them.
    """
    return FEATURES / ".".join(filter(None, (condition, copy))) / corpus / features.folder


def model_of(params: Params) -> Path:
    """The trained system, named by parameters as they are: so does ``dvc.yaml``."""
    return Path("models") / f"{params.backbone}-{params.system}"
