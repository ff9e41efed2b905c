"""`faunashot promote` where there is nothing to promote, and what it prints of a contest."""

from __future__ import annotations

import json

import pytest

from faunashot.tracking import champions

VERDICT = champions.Verdict(
    model="faunashot-demo",
    version="3",
    before="2",
    promoted=False,
    reason="macro-F1 +0.01 [-0.02, 0.04] against version 2 on the same clips, not above 0",
    difference=0.01,
    difference_low=-0.02,
    difference_high=0.04,
)


def test_no_challenger_is_one_line(faunashot, tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert faunashot("promote") == (1, "", "faunashot: no model is a challenger\n")


@pytest.fixture
def contested(monkeypatch, tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    monkeypatch.setattr(champions, "find_version", lambda root, text: ("faunashot-demo", "3"))
    monkeypatch.setattr(champions, "contest", lambda *given, force: VERDICT)


def test_why_the_champion_stays_and_how_to_overrule_it(faunashot, contested):
    answer = faunashot("promote")
    assert answer.out == (
        "models:/faunashot-demo@champion stays version 2: macro-F1 +0.01 [-0.02, 0.04] against "
        "version 2 on the same clips, not above 0; to overrule that: faunashot promote "
        "faunashot-demo/3 --force\n"
    )


def test_the_verdict_for_a_program(faunashot, contested):
    (verdict,) = json.loads(faunashot("promote", "--json").out)
    assert (verdict["promoted"], verdict["difference_low"]) == (False, -0.02)
