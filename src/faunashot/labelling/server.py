"""The page for labelling, and what it asks of the session behind it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from faunashot.errors import FaunashotError, line_of
from faunashot.labelling.clip import spectrogram_png, wav
from faunashot.labelling.session import Session

MOST_BYTES = 10_000
"""Of an answer that is taken."""

NOT_JSON = "send an object as application/json"

HOSTS = ["localhost", "127.0.0.1", "[::1]"]
"""Names that the page is asked by: another site's name that leads here is refused."""


def application(session: Session, *, fmax_hz: float | None = None) -> Starlette:
    """Page and answers for one session, without a server around them.

    Parameters
    ----------
    session : Session
    fmax_hz : float, optional
        Upper end of spectrograms.
    """
    page = files("faunashot.labelling").joinpath("page.html").read_text("utf-8")

    async def index(_: Request) -> Response:
        return HTMLResponse(page.replace("FMAX_HZ", json.dumps(fmax_hz)))

    async def state(_: Request) -> Response:
        return await _answer(session.state)

    async def sound(request: Request) -> Response:
        number = request.path_params["number"]
        return await _bytes(lambda: wav(session.context(number)), "audio/wav")

    async def picture(request: Request) -> Response:
        number = request.path_params["number"]
        drawn = lambda: spectrogram_png(session.context(number), fmax_hz=fmax_hz)  # noqa: E731
        return await _bytes(drawn, "image/png")

    async def answered(request: Request) -> Response:
        asked = await _json(request)
        if asked is None:
            return _refusal(NOT_JSON)
        number, answer = asked.get("number"), asked.get("answer")
        if not isinstance(number, int) or answer not in ("label", "uncertain", "skip"):
            return _refusal("an answer has a number, and is label, uncertain or skip")
        if answer == "label":
            label = asked.get("label")
            if not isinstance(label, str):
                return _refusal("a label is a text")
            return await _answer(lambda: session.label(number, label), then=session.state)
        act = session.uncertain if answer == "uncertain" else session.skip
        return await _answer(lambda: act(number), then=session.state)

    async def undone(request: Request) -> Response:
        if await _json(request) is None:
            return _refusal(NOT_JSON)
        return await _answer(session.undo, then=session.state)

    routes = [
        Route("/", index),
        Route("/state", state),
        Route("/items/{number:int}.wav", sound),
        Route("/items/{number:int}.png", picture),
        Route("/answer", answered, methods=["POST"]),
        Route("/undo", undone, methods=["POST"]),
    ]
    trusted = Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS, www_redirect=False)
    return Starlette(routes=routes, middleware=[trusted])


async def _json(request: Request) -> dict[str, Any] | None:
    """The body as a mapping; None where it is none.

    Only JSON that says so is read: a form of another site cannot say so without being asked.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return None
    if int(request.headers.get("content-length") or MOST_BYTES + 1) > MOST_BYTES:
        return None
    try:
        body = json.loads(await request.body())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


async def _answer(
    act: Callable[[], Any], *, then: Callable[[], dict[str, Any]] | None = None
) -> Response:
    try:
        found = await run_in_threadpool(act)
        return JSONResponse(found if then is None else await run_in_threadpool(then))
    except (FaunashotError, OSError) as error:
        return _refusal(line_of(error))


async def _bytes(make: Callable[[], bytes], media_type: str) -> Response:
    try:
        content = await run_in_threadpool(make)
    except (FaunashotError, OSError) as error:
        return _refusal(line_of(error))
    return Response(content, media_type=media_type, headers={"cache-control": "no-store"})


def _refusal(line: str) -> Response:
    return JSONResponse({"error": line}, status_code=400)
