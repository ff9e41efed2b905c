"""What stands before MLflow's scoring server: limits on requests, and errors of one line."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from faunashot.serving.limits import Limits

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

CONTENT_TYPES = ("application/json", "text/csv")

LONGEST_LINE = 300
"""Characters of an error's line."""

_ENVELOPE = 100_000
"""Bytes of a request beside the text of its recordings."""

_logger = logging.getLogger(__name__)


class RefusedRequestError(Exception):
    """A request that is answered with an error, and its HTTP status."""

    def __init__(self, status: int, line: str) -> None:
        super().__init__(line)
        self.status, self.line = status, line


class Guard:
    """ASGI application that lets through to another what is within limits.

    A request is refused before any of it is read where it says that it is too large or of another
    type, or where too many wait; and on the way where it turns out to be too large, or is too slow.
    A client that goes away leaves nothing behind. What the other application answers with an error
    becomes one line without a stack trace; where it fails at a request before the model sees it,
    the request was none (HTTP 400).

    Parameters
    ----------
    app : callable
        MLflow's scoring server.
    limits : Limits
    max_request_bytes : int, optional
        Of a request; what the base64 text of one recording needs if not given.
    read_s : float
        How long a client may take to send a request, in seconds.
    """

    def __init__(
        self,
        app: App,
        *,
        limits: Limits,
        max_request_bytes: int | None = None,
        read_s: float = 30.0,
    ) -> None:
        self._app = app
        self._most = max_request_bytes or limits.max_bytes * 4 // 3 + _ENVELOPE
        self._read_s = read_s
        self._max_waiting = limits.max_waiting
        self._waiting = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request for a prediction."""
        if scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            self._refuse(scope)
            self._waiting += 1
            try:
                body = await self._body(receive)
                status, content = await self._answered(scope, body)
            finally:
                self._waiting -= 1
        except ConnectionResetError:  # nobody is there to be answered
            return
        except RefusedRequestError as refused:
            status, content = refused.status, _as_json(refused.status, refused.line)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
        ]
        if status == 429:
            headers.append((b"retry-after", b"1"))
        unread = status in (408, 413, 415, 429)  # the rest of it
        if unread:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content, "more_body": unread})
        if unread:
            await self._drop_the_rest(receive)
            await send({"type": "http.response.body", "body": b""})

    def _refuse(self, scope: Scope) -> None:
        """Refuse what can be told from the headers."""
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").decode("latin-1").split(";")[0].strip().lower()
        if kind not in CONTENT_TYPES:
            raise RefusedRequestError(
                415, f"content type {kind[:80] or 'none'}: send {' or '.join(CONTENT_TYPES)}"
            )
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self._most:
            raise self._too_large()
        if self._waiting >= self._max_waiting:
            raise RefusedRequestError(
                429, f"busy: {self._waiting} requests wait already; send it again later"
            )

    def _too_large(self) -> RefusedRequestError:
        return RefusedRequestError(413, f"the request is larger than {self._most / 1e6:.3g} MB")

    async def _body(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(self._read_s):
                parts, size = [], 0
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise ConnectionResetError
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self._most:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise RefusedRequestError(
                408, f"the request took longer than {self._read_s:g} s to come"
            ) from None

    async def _drop_the_rest(self, receive: Receive) -> None:
        """Read and forget what a refused client still sends, for a while.

        A connection that is closed while bytes of it are unread is reset, and with it the answer is
        lost that the client has not read yet.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(self._read_s):
                while (await receive()).get("more_body", False):
                    pass

    async def _answered(self, scope: Scope, body: bytes) -> tuple[int, bytes]:
        """Status and content that the other application answers with."""
        status, parts = 500, []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            else:
                parts.append(message.get("body", b""))

        try:
            await self._app(scope, receive, send)
        except Exception:  # of MLflow's parsing: what the model raises is an answer by then
            _logger.exception("a request could not be read")
            raise RefusedRequestError(
                400, "the request is none that MLflow's scoring protocol knows"
            ) from None
        content = b"".join(parts)
        return status, content if status == 200 else _as_json(status, _line_of(content))


def _as_json(status: int, line: str) -> bytes:
    code = {429: "RESOURCE_EXHAUSTED", 500: "INTERNAL_ERROR"}.get(status, "BAD_REQUEST")
    if status == 400:
        code = "INVALID_PARAMETER_VALUE"
    return json.dumps({"error_code": code, "message": line}).encode()


def _line_of(content: bytes) -> str:
    """What an error of MLflow's says, without the request that it repeats."""
    text = content.decode("utf-8", "replace")
    try:
        found = json.loads(text)
        text = str(found.get("message") or found.get("detail"))
    except (ValueError, AttributeError):
        pass
    if text.startswith("Failed to predict data"):
        text = text.rpartition("\nError: ")[2]
    text = " ".join(text.partition("\nInput:")[0].split())
    return text if len(text) <= LONGEST_LINE else text[: LONGEST_LINE - 3] + "..."
