"""What a stage prints: one line of its own, where that is wanted."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from faunashot import pipeline
from faunashot.errors import CorpusError
from faunashot.pipeline import EXPERIMENT, run_stage
from faunashot.progress import QUIET


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch):
    """Stages that give a line."""
    made = SimpleNamespace(run=lambda params: "180 clips good")
    monkeypatch.setattr(pipeline, "import_module", lambda name: made)
    monkeypatch.setattr("faunashot.params.load_params", lambda: None)
    for name in (QUIET, EXPERIMENT):
        monkeypatch.delenv(name, raising=False)
    return made


def test_a_stage_says_its_name_its_seconds_and_what_it_made(stage, capfd) -> None:
    run_stage("ingest")
    out, line = capfd.readouterr()
    assert out == ""  # where DVC prints
    assert re.fullmatch(r"ingest +\d\.\d s   180 clips good\n", line)


def test_who_wants_quiet_reads_no_line(stage, monkeypatch, capfd) -> None:
    monkeypatch.setenv(QUIET, "1")
    run_stage("report")
    assert capfd.readouterr() == ("", "")


def test_an_error_is_printed_all_the_same(stage, monkeypatch, capfd) -> None:
    def run(params: None) -> str:
        raise CorpusError("no clips")

    stage.run = run
    monkeypatch.setenv(QUIET, "1")
    with pytest.raises(SystemExit):
        run_stage("ingest")
    assert capfd.readouterr().err == "faunashot: no clips\n"


def test_an_experiment_ends_with_where_to_look_next(stage, monkeypatch, capfd) -> None:
    monkeypatch.setenv(EXPERIMENT, "sandy-thar")
    run_stage("evaluate")
    run_stage("report")
    lines = capfd.readouterr().err.splitlines()
    assert [line.split()[0] for line in lines] == ["evaluate", "report", "Next:"]
