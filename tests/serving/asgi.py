"""Requests to an ASGI application in this process, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    """What came back, and how many chunks were not read when the connection was closed."""

    status: int
    headers: dict[str, str]
    content: bytes
    unread: int = 0

    def json(self) -> Any:
        return json.loads(self.content)


class Client:
    """Asks an application, in an event loop of its own.

    Parameters
    ----------
    app : callable
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def close(self) -> None:
        self._runner.close()

    def get(self, path: str) -> Answer:
        return self.run(self.ask(path, method="GET"))

    def post(self, body: object, kind: str | None = "application/json", **how: Any) -> Answer:
        """Post to ``/invocations``: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.run(self.ask("/invocations", chunks=[content], kind=kind, **how))

    def run(self, work: Any) -> Any:
        return self._runner.run(work)

    async def ask(
        self,
        path: str,
        *,
        method: str = "POST",
        chunks: Sequence[bytes] = (b"",),
        kind: str | None = None,
        headers: dict[str, str] | None = None,
        goes_away: bool = False,
        wait_s: float = 0,
    ) -> Answer:
        """Send a request in chunks, `wait_s` apart; a client that goes away does so after them."""
        sent = {**({"content-type": kind} if kind else {}), **(headers or {})}
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(k.encode(), v.encode("latin-1")) for k, v in sent.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        messages = [
            {"type": "http.request", "body": chunk, "more_body": goes_away or at < len(chunks) - 1}
            for at, chunk in enumerate(chunks)
        ]
        got: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(wait_s)
            return messages.pop(0) if messages else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            got.append(message)

        await self._app(scope, receive, send)
        if not got:
            return Answer(0, {}, b"")
        content = b"".join(message.get("body", b"") for message in got[1:])
        back = {k.decode(): v.decode() for k, v in got[0]["headers"]}
        return Answer(got[0]["status"], back, content, unread=len(messages))
