"""A specialised run against a general one, class by class: restricted to what both have scored."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from faunashot.cli import compare_classes
from faunashot.errors import TrackingError
from faunashot.targets import join_names, target_matrix
from faunashot.tracking import pairing, store, sync
from faunashot.tracking.class_pairing import by_class
from faunashot.tracking.pairing import ScoredRun

GENERAL = ["cat", "hen", "owl", "rain"]
SPECIAL = ["cat", "hen", "owl"]
N = 80


def run(name: str, classes: list[str], *, sure: float, corpus: str = "field") -> ScoredRun:
    """A run whose scores are the surer the more they tell; two clips are of a recording."""
    truth = np.random.default_rng(1).random((N, len(GENERAL))) < [0.5, 0.4, 0.15, 0.3]
    truth = truth[:, [GENERAL.index(c) for c in classes]]
    noise = np.random.default_rng(len(name)).normal(size=truth.shape)
    given = 1 / (1 + np.exp(-(noise + sure * (truth - 0.5))))
    names = np.array(classes)
    table = pd.DataFrame(given, columns=[f"p_{c}" for c in classes]).assign(
        episode=-1,
        fold="1",
        clip_id=[f"c{i}" for i in range(N)],
        group=[f"g{i // 2}" for i in range(N)],
        label=[join_names(names[row]) for row in truth],
        predicted=[join_names(names[row]) for row in given >= 0.5],
    )
    return ScoredRun(name, name, {"corpus": corpus, "k": -1}, table, None)


def precision(one: ScoredRun, clips: slice = slice(None)) -> np.ndarray:
    table = one.predictions[clips]
    truth = target_matrix(table["label"].tolist(), one.classes, multi_label=True)
    given = table[[f"p_{c}" for c in SPECIAL]].to_numpy()
    return average_precision_score(truth[:, :3], given, average=None)


def test_average_precision_is_scikit_learn_s_on_what_both_have_scored() -> None:
    general = run("general", GENERAL, sure=1.0)
    special = run("special", SPECIAL, sure=4.0, corpus="field_animals")
    scored = special.predictions.iloc[10:]
    special = ScoredRun("special", "special", special.facts, scored, None)
    (found,) = by_class([general, special])
    ours, theirs = precision(special), precision(general, slice(10, None))
    rows = pd.DataFrame(found.classes)
    assert rows["label"].tolist() == SPECIAL
    np.testing.assert_allclose(rows["a"].astype(float), ours, atol=1e-4)
    np.testing.assert_allclose(rows["b"].astype(float), theirs, atol=1e-4)
    whole = {row["label"]: row for row in found.overall}
    assert list(whole) == ["map", "mauc", "d_prime"]
    assert whole["map"]["difference"] == pytest.approx((ours - theirs).mean(), abs=2e-4)
    assert 0 < whole["map"]["difference_low"] < whole["map"]["difference"]
    assert found.left_out == [
        "classes that general alone knows: 1, such as rain",
        "clips that general alone has scored: 10",
    ]
    assert "70 clips of 35 source recordings" in found.pairing
    assert json.loads(json.dumps(asdict(found), allow_nan=False)) == asdict(found)


def test_two_that_are_the_same_do_not_differ() -> None:
    one = run("general", GENERAL, sure=1.0)
    (found,) = by_class([one, run("general", GENERAL, sure=1.0)])
    for row in (*found.classes, *found.overall):
        assert row["difference"] == row["difference_low"] == row["difference_high"] == 0
    assert found.left_out == []


def test_a_class_of_one_recording_has_no_interval_and_one_of_none_no_figure() -> None:
    general, special = run("general", GENERAL, sure=1.0), run("special", SPECIAL, sure=4.0)
    for one in (general, special):
        owls = one.predictions["label"].str.contains("owl")
        without = one.predictions["label"].str.replace("owl", "", regex=False)
        one.predictions["label"] = without.str.strip(";").str.replace(";;", ";")
        assert owls.any()
    (found,) = by_class([general, special])
    owl = found.classes[2]
    assert (owl["clips"], owl["a"], owl["difference_low"]) == (0, None, None)
    for one in (general, special):
        first = one.predictions["label"].iloc[0]
        one.predictions.loc[one.predictions.index[0], "label"] = join_names(
            {*filter(None, first.split(";")), "owl"}
        )
    owl = by_class([general, special])[0].classes[2]
    assert owl["clips"] == 1
    assert owl["a"] > 0
    assert owl["difference_low"] is None


def test_of_one_label_a_clip_those_of_other_classes_are_left_out() -> None:
    labels = np.array(GENERAL)[np.arange(N) % 4]
    runs = []
    for name, classes in (("general", GENERAL), ("special", SPECIAL)):
        given = np.random.default_rng(len(classes)).dirichlet(np.ones(len(classes)), N)
        table = pd.DataFrame(given, columns=[f"p_{c}" for c in classes]).assign(
            episode=-1, clip_id=[f"c{i}" for i in range(N)], group=range(N), label=labels
        )
        table = table[table["label"].isin(classes)]
        table["predicted"] = np.array(classes)[
            table[[f"p_{c}" for c in classes]].to_numpy().argmax(axis=1)
        ]
        runs.append(ScoredRun(name, name, {"corpus": "field", "k": 5}, table, None))
    (found,) = by_class(runs)
    assert [row["clips"] for row in found.classes] == [20, 20, 20]
    assert [row["label"] for row in found.overall] == ["map"]
    assert "clips that general alone has scored: 20" in found.left_out


def test_what_shares_nothing_or_disagrees_is_refused_in_a_line() -> None:
    general, special = run("general", GENERAL, sure=1.0), run("special", SPECIAL, sure=4.0)
    others = special.predictions.rename(columns={f"p_{c}": f"p_{c}s" for c in SPECIAL})
    other = ScoredRun("other", "x", special.facts, others.assign(label=""), None)
    with pytest.raises(TrackingError, match="general and other share no class"):
        by_class([general, other])
    elsewhere = special.predictions.assign(clip_id=[f"x{i}" for i in range(N)])
    with pytest.raises(TrackingError, match="scored no clip that is the same"):
        by_class([general, ScoredRun("else", "x", special.facts, elsewhere, None)])
    relabelled = special.predictions.assign(label="hen")
    with pytest.raises(TrackingError, match=r"label of clip c0 is .* against hen"):
        by_class([general, ScoredRun("other", "x", special.facts, relabelled, None)])


def test_the_command_prints_a_row_a_class_and_draws_both(
    tmp_path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [run("general", GENERAL, sure=1.0), run("special", SPECIAL, sure=4.0)]
    monkeypatch.setattr(store, "root", lambda: tmp_path)
    monkeypatch.setattr(sync, "sync_new", lambda root: None)
    monkeypatch.setattr(pairing, "scored_runs", lambda root, names: runs)
    file = tmp_path / "classes.png"
    compare_classes.compare_classes(["general", "special"], plot=file, as_json=False)
    shown = capsys.readouterr().out
    for text in (
        "special less general",
        "mAP",
        "d-prime",
        "owl",
        "Left out: classes that general alone knows: 1",
    ):
        assert text in shown
    assert file.read_bytes()[:4] == b"\x89PNG"
    compare_classes.compare_classes(["general", "special"], plot=None, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)
    assert found["experiment"] == "special"
    with pytest.raises(TrackingError, match="two experiments or more"):
        compare_classes.compare_classes(["general"], plot=None, as_json=True)
