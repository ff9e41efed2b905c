"""The page as Streamlit runs it, without a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from faunashot.annotations.formats.csv import Csv
from faunashot.annotations.table import as_table
from faunashot.app import page_file
from faunashot.app.review import REVIEWED

testing = pytest.importorskip("streamlit.testing.v1", reason="Streamlit is not installed")


def _page(monkeypatch: pytest.MonkeyPatch, **told: Any) -> Any:
    monkeypatch.setenv("FAUNASHOT_APP", json.dumps(told))
    return testing.AppTest.from_file(str(page_file()), default_timeout=120).run()


def _texts(page: Any) -> str:
    shown = [*page.subheader, *page.caption, *page.markdown, *page.error]
    return "\n".join(str(each.value) for each in shown)


def test_a_sound_is_dropped_and_recognised(
    monkeypatch: pytest.MonkeyPatch, model: Path, night: Path
) -> None:
    page = _page(monkeypatch, models=[str(model)], detections=None)
    assert not page.exception
    assert "knows: frog, wren" in _texts(page)
    page.file_uploader[0].upload(night.name, night.read_bytes(), "audio/wav").run()
    assert not page.exception
    probabilities, events = (table.value for table in page.dataframe)
    assert set(probabilities["class"]) == {"frog", "wren"}
    assert list(events["label"]) == ["frog", "wren"]
    page.checkbox[0].uncheck().run()
    page.slider[0].set_value(1.0).run()
    assert "No event" in _texts(page)


def test_what_is_no_sound_is_a_line(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    page = _page(monkeypatch, models=[str(model)], detections=None)
    page.file_uploader[0].upload("a.wav", b"no sound", "audio/wav").run()
    assert not page.exception
    assert len(page.error) == 1
    assert len(page.error[0].value.splitlines()) == 1


def test_detections_are_gone_through(
    monkeypatch: pytest.MonkeyPatch, night: Path, tmp_path: Path
) -> None:
    (tmp_path / "found").mkdir()
    rows = [
        {"file": str(night), "start_s": at, "end_s": at + 2, "label": label, "score": 0.9 - at / 10}
        for at, label in ((0, "frog"), (2, "wren"))
    ]
    Csv().write(as_table(rows), tmp_path / "found" / "a.csv")
    page = _page(monkeypatch, models=[], detections=str(tmp_path / "found"))
    assert "frog 0.90" in _texts(page)
    page.button[0].click().run()
    assert "wren 0.70" in _texts(page)
    page.button[1].click().run()
    assert not page.exception
    answers = Csv().read(tmp_path / f"found{REVIEWED}")["correct"]
    assert list(answers) == ["yes", "no"]
