"""``faunashot app``."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer


def app(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="As of `faunashot recognise`, repeatable; the model of params.yaml if not given."
        ),
    ] = None,
    detections: Annotated[
        Path | None, typer.Option(help="Folder or table of `faunashot detect`, to review.")
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the page.")] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
) -> None:
    """Try a model on a page: drop or record a sound, and see windows, events and nearest clips.

    With --detections, a table of detections is gone through by ear. The page is for this machine
    alone.
    """
    from faunashot.app import page_file
    from faunashot.errors import ParameterError
    from faunashot.params import load_params
    from faunashot.pipeline.paths import model_of
    from faunashot.systems.record import TrainedSystem

    if importlib.util.find_spec("streamlit") is None:
        raise ParameterError("the page needs Streamlit: pip install 'faunashot[app]'")
    models = list(model or [])
    if not models and detections is None:
        models = [str(model_of(load_params()))]
    for name in models:
        if Path(name).is_dir():
            TrainedSystem.read(Path(name))  # a line now, not on the page
    if detections is not None and not detections.exists():
        raise ParameterError(f"--detections {detections}: there is no such file or folder")
    told = {"models": models, "detections": None if detections is None else str(detections)}
    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": str(not browser).lower(),
        "browser.gatherUsageStats": "false",
        "server.fileWatcherType": "none",
        "client.toolbarMode": "viewer",
        "runner.magicEnabled": "false",  # else it shows every text that stands by itself
        "client.showErrorDetails": "none",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    environment = os.environ | {"FAUNASHOT_APP": json.dumps(told)}
    command = [sys.executable, "-m", "streamlit", "run", str(page_file()), *arguments]
    with contextlib.suppress(KeyboardInterrupt):
        done = subprocess.run(command, env=environment, check=False)
        raise typer.Exit(done.returncode)
