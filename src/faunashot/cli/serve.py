"""``faunashot serve``."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from faunashot.cli.listening import listen

if TYPE_CHECKING:
    import socket

    from faunashot.recogniser import Recogniser
    from faunashot.serving.limits import Limits

IDLE = 256
"""Connections beside those that wait for an answer: more are closed with a 503."""

MODEL_HELP = (
    "Folder of a model, models:/NAME@champion, models:/NAME/3, runs:/ID/... or the id of a run; "
    "the model of params.yaml if not given."
)


def serve(
    model: Annotated[str | None, typer.Option(help=MODEL_HELP)] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for all of this machine's.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen at; 0 for any that is free.")
    ] = 5000,
    max_rows: Annotated[int, typer.Option(min=1, help="Recordings of a request.")] = 64,
    max_mb: Annotated[
        float, typer.Option(min=0.001, help="Megabytes of a recording, and of a request.")
    ] = 50.0,
    max_seconds: Annotated[
        float, typer.Option(min=0.01, help="Length of a recording, in seconds.")
    ] = 300.0,
    max_waiting: Annotated[
        int, typer.Option(min=1, help="Recordings that may wait; what comes beyond gets a 429.")
    ] = 64,
) -> None:
    """Answer over HTTP what a trained model hears in recordings, within limits.

    It is MLflow's scoring server, with the same requests and answers, and a page to try it.
    """
    from faunashot import load_model
    from faunashot.params import load_params
    from faunashot.pipeline.paths import model_of
    from faunashot.serving.limits import Limits

    limits = Limits(
        max_rows=max_rows,
        max_bytes=int(max_mb * 1_000_000),
        max_seconds=max_seconds,
        max_waiting=max_waiting,
    )
    with listen(host, port) as listener:  # first, as a model takes seconds to load
        name = str(model_of(load_params()) if model is None else model)
        recogniser = load_model(name)
        _run(recogniser, listener, name=name, limits=limits)


def _run(recogniser: Recogniser, listener: socket.socket, *, name: str, limits: Limits) -> None:
    """Answer until the program is told to end."""
    import uvicorn

    from faunashot.serving.app import application

    app = application(recogniser, limits=limits, name=name)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=limits.max_waiting + IDLE,
        timeout_graceful_shutdown=10,
    )
    host, port = listener.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    print(f"{name}: http://{host}:{port}", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])
