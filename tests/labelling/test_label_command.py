"""`faunashot label` as a person uses it: in a project, on a page, until Ctrl-C."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium

pytestmark = pytest.mark.slow


def _label(
    tmp_path: Path, recording: Path, answer: Callable[[str], None], *options: str
) -> tuple[str, str]:
    """What it prints, where the page at an address is answered by a function."""
    program = Path(sys.executable).with_name("faunashot")
    process = subprocess.Popen(
        [program, "label", recording, "--out=frogs", "--class=frog", "--no-browser", *options],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        found = re.search(r"http://\S+/", line := process.stdout.readline())
        assert found, line
        answer(found[0])
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=60)
    finally:
        process.kill()


def _ask(address: str, path: str, **body: Any) -> Any:
    content = json.dumps(body).encode() if body else None
    request = urllib.request.Request(address + path, content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answered:
        return json.load(answered)


def test_labels_are_pinned_by_dvc_in_a_project(tmp_path: Path, recording: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], cwd=tmp_path, check=True)

    def answer(address: str) -> None:
        assert _ask(address, "state")["left"] == 2
        _ask(address, "answer", number=0, answer="label", label="frog")

    printed, said = _label(tmp_path, recording, answer)
    assert said == ""
    assert "frogs: 1 labelled (1 frog), 0 uncertain" in printed
    assert "frogs.dvc pins this state" in printed
    pinned = (tmp_path / "frogs.dvc").read_text()
    assert "nfiles: 2" in pinned, "labels.csv and a clip, not the lock"

    def doubt(address: str) -> None:
        _ask(address, "answer", number=0, answer="uncertain")

    printed, _ = _label(tmp_path, recording, doubt)
    assert "frogs: 1 labelled (1 frog), 1 uncertain" in printed
    assert "nfiles: 3" in (tmp_path / "frogs.dvc").read_text(), "uncertain.csv, too"


def test_a_person_labels_in_a_browser(tmp_path: Path, recording: Path) -> None:
    with chromium() as browser:
        wait_module = pytest.importorskip("selenium.webdriver.support.wait")
        wait = wait_module.WebDriverWait(browser, 30)

        def answer(address: str) -> None:
            def shown(text: str) -> None:
                wait.until(lambda b: text in b.find_element("tag name", "body").text)

            browser.get(address)
            shown("0 answered now, 2 left")
            picture = browser.find_element("css selector", "#picture img")
            wait.until(lambda _: int(picture.get_property("naturalWidth")) > 100)
            body = browser.find_element("tag name", "body")
            body.send_keys("1")
            shown("1 answered now, 1 left; in the corpus: 1 frog")
            body.send_keys("u")
            shown("All are answered.")
            body.send_keys("z")
            shown("1 answered now, 1 left")
            browser.find_element("name", "label").send_keys("owl\n")
            shown("in the corpus: 1 frog, 1 owl")
            assert browser.get_log("browser") == []

        printed, _ = _label(tmp_path, recording, answer)
    assert "frogs: 2 labelled (1 frog, 1 owl), 0 uncertain" in printed
