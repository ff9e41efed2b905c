"""`faunashot app` as a person uses it: a sound dropped on the page in a browser."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium

pytest.importorskip("streamlit", reason="Streamlit is not installed")
pytestmark = pytest.mark.slow


@pytest.fixture
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def page(model: Path, tmp_path: Path) -> Iterator[str]:
    """Address of the page of a model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("faunashot")
    command = [program, "app", "--model", model, "--port", str(port), "--no-browser"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True
        )
    yield f"http://127.0.0.1:{port}/"
    os.killpg(process.pid, signal.SIGTERM)  # Streamlit is a process of its own
    process.wait(timeout=60)


def test_a_sound_that_is_dropped_is_seen_and_recognised(
    browser: Any, page: str, night: Path
) -> None:
    from selenium.common.exceptions import WebDriverException
    from selenium.webdriver.support.wait import WebDriverWait

    wait = WebDriverWait(browser, 120, ignored_exceptions=[WebDriverException])

    def shown(text: str) -> None:
        wait.until(lambda b: text in b.find_element("tag name", "body").text)

    wait.until(lambda b: b.get(page) is None)  # refused until the server listens
    shown("knows: frog, wren")
    upload = wait.until(lambda b: b.find_element("css selector", "input[type=file]"))
    upload.send_keys(str(night))
    picture = wait.until(lambda b: b.find_element("css selector", "[data-testid=stImage] img"))
    wait.until(lambda _: int(picture.get_property("naturalWidth")) > 100)
    assert browser.find_elements("css selector", "[data-testid=stException]") == []
