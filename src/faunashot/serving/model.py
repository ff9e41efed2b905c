"""The served model, as MLflow keeps it: this file is copied into the logged model and run there."""

from __future__ import annotations

import mlflow

from faunashot.serving.served import ServedRecogniser

mlflow.models.set_model(ServedRecogniser())
