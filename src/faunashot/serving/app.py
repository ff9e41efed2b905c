"""A served model as an application: MLflow's scoring server within limits, and a page to try it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.models import Model
from mlflow.pyfunc import FLAVOR_NAME, PyFuncModel, scoring_server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from faunashot import __version__
from faunashot.serving import schema
from faunashot.serving.guard import Guard
from faunashot.serving.limits import Limits
from faunashot.serving.served import ServedRecogniser

if TYPE_CHECKING:
    from faunashot.recogniser import Recogniser

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; media-src blob:; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load: nothing from anywhere else."""


def application(
    recogniser: Recogniser,
    *,
    limits: Limits | None = None,
    name: str = "",
    max_request_bytes: int | None = None,
    read_s: float = 30.0,
) -> Starlette:
    """Make the application of one model.

    ``/invocations``, ``/ping`` and ``/health`` are those of MLflow's scoring server, the first
    behind a `Guard`; ``/version`` says what is served, ``/`` is a page to try it.

    Parameters
    ----------
    recogniser : Recogniser
    limits : Limits, optional
    name : str
        What the model is called.
    max_request_bytes, read_s
        As of `Guard`.
    """
    limits = limits or Limits()
    scoring = scoring_server.init(pyfunc(recogniser, limits))
    guard = Guard(scoring, limits=limits, max_request_bytes=max_request_bytes, read_s=read_s)
    about = describe(recogniser, name=name, limits=limits)
    page = (files("faunashot.serving") / "page.html").read_text("utf-8")
    headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}
    return Starlette(
        routes=[
            Route("/", _always(HTMLResponse(page, headers=headers))),
            Route("/version", _always(JSONResponse(about))),
            Route("/invocations", guard),
            *(Route(path, scoring) for path in ("/ping", "/health")),
        ],
        exception_handlers={404: _not_found},
    )


def pyfunc(recogniser: Recogniser, limits: Limits) -> PyFuncModel:
    """A system that is loaded already as the model that MLflow would load."""
    meta = Model(signature=schema.signature())
    meta.add_flavor(FLAVOR_NAME, loader_module=__name__)
    return PyFuncModel(model_meta=meta, model_impl=_Loaded(recogniser, limits))


def describe(recogniser: Recogniser, *, name: str, limits: Limits) -> dict[str, Any]:
    """What is served, for ``/version``."""
    record = recogniser.record
    return {
        "faunashot": __version__,
        "mlflow": mlflow.__version__,
        "model": name,
        "system": record.system.get("name", record.estimator),
        "corpus": record.corpus,
        "classes": record.classes,
        "unknown": record.unknown is not None,
        "calibrated": record.temperature is not None,
        "backbones": [
            {"name": of.name, "weights": of.weights_hash, "licence": of.licence}
            for of in record.backbones
        ],
        "limits": limits.model_dump(),
    }


class _Loaded:
    """What MLflow calls to predict."""

    def __init__(self, recogniser: Recogniser, limits: Limits) -> None:
        self._served = ServedRecogniser.of(recogniser, limits)

    def predict(self, data: Any, params: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Answers of the rows of a table."""
        return self._served.predict(None, data, params)


def _always(response: Response) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        await asyncio.sleep(0)
        return response

    return endpoint


async def _not_found(request: Request, error: Exception) -> Response:
    line = "no such address: POST /invocations, GET /, /health, /ping or /version"
    return Response(json.dumps({"message": line}), 404, media_type="application/json")
