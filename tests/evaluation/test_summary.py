"""summarise: held-out window scores to the figures of a run, agreeing with scikit-learn's."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from faunashot.errors import ParameterError
from faunashot.evaluation.metrics import metrics_for
from faunashot.evaluation.significance import paired_runs
from faunashot.evaluation.summary import (
    DIGITS,
    Summary,
    condition_columns,
    headline_figures,
    summarise,
)
from faunashot.tracking.keys import as_metrics

CLASSES = ["cat", "hen", "owl"]
FIGURES, OF_SCORES = (list(metrics_for(of=kind)) for kind in ("labels", "scores"))
COLUMNS = [f"p_{name}" for name in CLASSES]
FACTS = ["k", "episode", "fold", "clip_id", "label", "group", "start_s", "end_s"]


def scored(episodes: list[int], ks: list[int], *, seed: int = 0, n: int = 12) -> pd.DataFrame:
    """Two windows a clip, the second half padding; right more often for a larger k."""
    rng = np.random.default_rng(seed)
    rows = []
    for k in ks:
        for episode in episodes:
            for clip in range(n):
                label = CLASSES[clip % 3]
                for start_s, end_s in ((0.0, 1.0), (1.0, 1.5)):
                    given = rng.random(3)
                    given[clip % 3] += 0.2 * k
                    where = [k, episode, "1", f"c{clip}", label, f"g{clip // 2}", start_s, end_s]
                    rows.append([*where, *(given / given.sum())])
    return pd.DataFrame(rows, columns=[*FACTS, *COLUMNS])


def pooled(held_out: pd.DataFrame) -> pd.DataFrame:
    """Clips by hand: the mean over seconds, and the class with the largest."""
    weighted = held_out.assign(covered_s=held_out["end_s"] - held_out["start_s"])
    weighted[COLUMNS] = weighted[COLUMNS].mul(weighted["covered_s"], axis=0)
    clips = weighted.groupby(FACTS[:6], sort=False)[[*COLUMNS, "covered_s"]].sum().reset_index()
    clips[COLUMNS] = clips[COLUMNS].div(clips["covered_s"], axis=0)
    return clips.assign(predicted=clips[COLUMNS].idxmax(axis=1).str.removeprefix("p_"))


def of_windows(windows: pd.DataFrame, classes: list[str], **settings) -> Summary:
    """The summary of clips that are pooled by hand from windows, with the windows beside them."""
    columns = [f"p_{name}" for name in classes]
    covered_s = windows["end_s"] - windows["start_s"]
    keys = [name for name in windows if name not in ("start_s", "end_s", *columns)]
    weighted = windows[columns].mul(covered_s, axis=0).assign(covered_s=covered_s)
    sums = pd.concat([windows[keys], weighted], axis=1).groupby(keys, sort=False, dropna=False)
    clips = sums.sum().reset_index()
    clips[columns] = clips[columns].div(clips.pop("covered_s"), axis=0)
    main = windows
    if "condition" in windows:
        main = windows[windows["condition"].fillna("main") == "main"]
    at_headline = main[main["k"] == settings["headline_k"]]
    return summarise(clips, classes, windows=at_headline, **settings)


def figures(truth: pd.Series, guess: pd.Series) -> dict[str, float]:
    return {
        "macro_f1": f1_score(truth, guess, average="macro"),
        "accuracy": accuracy_score(truth, guess),
        "weighted_f1": f1_score(truth, guess, average="weighted"),
    }


@pytest.fixture
def once() -> pd.DataFrame:
    return scored([-1], [3])


@pytest.fixture
def drawn() -> pd.DataFrame:
    return scored([0, 1, 2, 3], [1, 3])


def test_a_hand_made_table_gives_the_figures_counted_by_hand():
    """The cat's windows disagree, and the longer is right; the owl is taken for a cat."""
    rows = [
        [2, -1, "1", "a", "cat", "a", 0.0, 1.0, 0.7, 0.3],
        [2, -1, "1", "a", "cat", "a", 1.0, 1.25, 0.2, 0.8],
        [2, -1, "1", "b", "owl", "b", 0.0, 1.0, 0.7, 0.3],
        [2, -1, "2", "c", "owl", "c", 0.0, 1.0, 0.2, 0.8],
    ]
    held_out = pd.DataFrame(rows, columns=[*FACTS, "p_cat", "p_owl"])
    found = of_windows(held_out, ["cat", "owl"], headline_k=2, n_bootstrap=100)
    assert found.figures["accuracy"] == 0.6667
    assert found.figures["macro_f1"] == 0.6667
    assert found.figures["window"]["accuracy"] == 0.5
    assert found.figures["scored"] == found.figures["clips"] == 3
    assert found.confusion.to_numpy().tolist() == [[1, 0], [1, 1]]
    assert found.predictions["predicted"].tolist() == ["cat", "cat", "owl"]
    assert found.predictions["p_cat"].tolist() == [0.6, 0.7, 0.2]
    owl = found.per_class.set_index("label").loc["owl"]
    assert (owl["precision"], owl["recall"]) == (1.0, 0.5)


def test_figures_without_episodes_are_those_of_all_clips_together(once):
    clips = pooled(once)
    metrics = of_windows(once, CLASSES, headline_k=3, n_bootstrap=200).figures
    for name, value in figures(clips["label"], clips["predicted"]).items():
        assert metrics[name] == round(value, DIGITS)
        assert 0 <= metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"] <= 1


def test_windows_are_scored_one_by_one(once):
    guess = once[COLUMNS].idxmax(axis=1).str.removeprefix("p_")
    window = of_windows(once, CLASSES, headline_k=3, n_bootstrap=200).figures["window"]
    for name, value in figures(once["label"], guess).items():
        assert window[name] == round(value, DIGITS)


def test_figures_of_episodes_are_their_mean_and_draws_alone_have_students_interval(drawn):
    clips = pooled(drawn[drawn["k"] == 3])
    each = pd.DataFrame(
        [figures(of["label"], of["predicted"]) for _, of in clips.groupby("episode")]
    )
    metrics = of_windows(drawn, CLASSES, headline_k=3, confidence_level=0.9).figures
    for name in FIGURES:
        low, high = stats.t.interval(0.9, 3, loc=each[name].mean(), scale=stats.sem(each[name]))
        assert metrics[name] == round(each[name].mean(), DIGITS)
        assert metrics[f"{name}_draws_low"] == round(low, DIGITS)
        assert metrics[f"{name}_draws_high"] == round(min(high, 1), DIGITS)
        assert metrics[f"{name}_low"] <= metrics[name] <= metrics[f"{name}_high"]


def test_the_curve_has_a_row_a_k_and_the_headline_is_one_of_them(drawn):
    found = of_windows(drawn, CLASSES, headline_k=3)
    assert found.curve["k"].tolist() == [1, 3]
    assert found.curve["runs"].tolist() == [4, 4]
    headline = found.curve.set_index("k").loc[3]
    names = [name + end for name in FIGURES + OF_SCORES for end in ("", "_low", "_high")]
    assert {name: headline[name] for name in names} == {n: found.figures[n] for n in names}
    assert found.figures["k"] == 3


def test_the_confusion_and_the_classes_are_of_the_headline_k_alone(drawn):
    found = of_windows(drawn, CLASSES, headline_k=1)
    clips = pooled(drawn[drawn["k"] == 1])
    expected = confusion_matrix(clips["label"], clips["predicted"], labels=CLASSES)
    np.testing.assert_array_equal(found.confusion.to_numpy(), expected)
    assert found.per_class["support"].tolist() == [16, 16, 16]
    assert len(found.predictions) == found.figures["scored"] == 48
    assert found.figures["clips"] == 12
    assert found.figures["classes"] == 3


def test_every_class_has_its_figures_with_intervals_in_metrics_and_table(drawn, once):
    for held_out, k in ((drawn, 3), (once, 3)):
        found = of_windows(held_out, CLASSES, headline_k=k, n_bootstrap=200)
        assert list(found.per_class.columns[:5]) == [
            "label",
            "precision",
            "recall",
            "f1",
            "support",
        ]
        assert list(found.figures["per_class"]) == CLASSES
        for row in found.per_class.to_dict("records"):
            assert found.figures["per_class"][row.pop("label")] == row
            assert row["f1_low"] <= row["f1"] <= row["f1_high"]
    assert found.figures["per_class"]["owl"]["support"] == 4


def test_figures_of_every_class_are_logged_by_their_dotted_names(once):
    renamed = once.rename(columns={"p_owl": "p_Owl (tawny)"}).replace({"owl": "Owl (tawny)"})
    metrics = of_windows(
        renamed, ["cat", "hen", "Owl (tawny)"], headline_k=3, n_bootstrap=100
    ).figures
    logged = as_metrics(metrics)
    assert logged["per_class.cat.f1_low"] == metrics["per_class"]["cat"]["f1_low"]
    assert logged["per_class.Owl _tawny_.f1"] == metrics["per_class"]["Owl (tawny)"]["f1"]
    assert logged["map_high"] == metrics["map_high"]


def changed(held_out: pd.DataFrame, condition: str, *, seed: int = 9) -> pd.DataFrame:
    """The same windows under another condition, scored at random."""
    given = np.random.default_rng(seed).dirichlet(np.ones(3), size=len(held_out))
    return held_out.assign(condition=condition, **dict(zip(COLUMNS, given.T, strict=True)))


@pytest.mark.parametrize("main", [None, "main"])
def test_the_run_itself_is_that_without_its_conditions(drawn, once, main):
    for held_out in (drawn, once):
        rows = [held_out.assign(condition=main), changed(held_out, "leaky")]
        alone, beside = (
            of_windows(table, CLASSES, headline_k=3, n_bootstrap=100)
            for table in (held_out, pd.concat(rows))
        )
        assert "conditions" not in alone.figures
        assert list(beside.figures.pop("conditions")) == ["leaky"]
        assert beside.figures == alone.figures
        pd.testing.assert_frame_equal(beside.curve, alone.curve)
        pd.testing.assert_frame_equal(beside.predictions, alone.predictions)
        assert list(alone.conditions.columns) == condition_columns()


def test_a_condition_has_its_figures_and_its_paired_difference_at_every_k(drawn):
    other = changed(drawn, "equalised")
    found = of_windows(pd.concat([drawn, other]), CLASSES, headline_k=3)
    of_other = of_windows(other.drop(columns="condition"), CLASSES, headline_k=3)

    assert found.conditions[["condition", "k"]].to_numpy().tolist() == [
        ["equalised", 1],
        ["equalised", 3],
    ]
    for name in ("macro_f1", "macro_f1_low", "macro_f1_high", "accuracy"):
        assert found.conditions[name].tolist() == of_other.curve[name].tolist()
    said = found.figures["conditions"]["equalised"]
    difference = paired_runs(found.predictions, of_other.predictions, CLASSES)
    assert said["difference"] == round(difference.macro_f1.value, DIGITS)
    assert said["difference_low"] == round(difference.macro_f1.low, DIGITS)
    assert said["p_value"] == round(difference.p_value, DIGITS)
    assert said["difference"] == pytest.approx(
        found.figures["macro_f1"] - said["macro_f1"], abs=2e-4
    )


def test_a_condition_without_episodes_is_paired_by_clip_in_the_run_s_own_groups(once):
    """Scored on other folds, and its duplicates in groups of their own."""
    other = changed(once, "leaky").assign(fold="2", group=once["clip_id"])
    found = of_windows(pd.concat([other[::-1], once]), CLASSES, headline_k=3, n_bootstrap=300)

    said = found.figures["conditions"]["leaky"]
    regrouped = other.assign(group=once["group"]).drop(columns="condition")
    of_other = of_windows(regrouped, CLASSES, headline_k=3, n_bootstrap=300)
    difference = paired_runs(found.predictions, of_other.predictions, CLASSES, n_bootstrap=300)
    assert said["difference_high"] == round(difference.macro_f1.high, DIGITS)
    assert said["macro_f1"] == of_other.figures["macro_f1"]
    assert said["macro_f1_low"] < said["macro_f1"] < said["macro_f1_high"]
    assert len(found.predictions) == found.figures["scored"] == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda other: other.assign(k=7), "condition 'x': scored at k = 7"),
        (lambda other: other[other["episode"] != 2], "3 episodes, not the 4"),
    ],
)
def test_a_condition_that_was_scored_elsewhere_is_refused(drawn, change, message):
    with pytest.raises(ParameterError, match=message):
        of_windows(pd.concat([drawn, change(changed(drawn, "x"))]), CLASSES, headline_k=3)


def test_predictions_are_one_row_a_clip_of_an_episode(drawn):
    predictions = of_windows(drawn, CLASSES, headline_k=3).predictions
    assert list(predictions.columns) == [
        *("episode", "fold", "clip_id", "group", "label", "predicted"),
        *COLUMNS,
    ]
    assert not predictions.duplicated(["episode", "clip_id"]).any()
    np.testing.assert_allclose(predictions[COLUMNS].sum(axis=1), 1, atol=2e-6)


def test_predictions_recompute_to_the_printed_figure(drawn):
    """What stands in predictions.csv is enough to check the headline."""
    found = of_windows(drawn, CLASSES, headline_k=3)
    each = [
        f1_score(of["label"], of["predicted"], average="macro")
        for _, of in found.predictions.groupby("episode")
    ]
    assert found.figures["macro_f1"] == round(np.mean(each), DIGITS)


def test_scores_that_do_not_sum_to_one_become_probabilities_of_the_clip(once):
    once[COLUMNS] *= np.linspace(0.1, 0.9, len(once))[:, None]
    once.loc[once["clip_id"] == "c5", COLUMNS] = 0.0
    found = of_windows(once, CLASSES, headline_k=3, n_bootstrap=100)
    probabilities = found.predictions.set_index("clip_id")[COLUMNS]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=2e-6)
    np.testing.assert_allclose(probabilities.loc["c5"], 1 / 3, atol=1e-6)


def test_every_figure_is_rounded_to_four_digits(drawn):
    metrics = of_windows(drawn, CLASSES, headline_k=3).figures
    values = [*metrics.values(), *metrics["window"].values()]
    numbers = [value for value in values if isinstance(value, float)]
    assert len(numbers) == 2 * 5 * len(FIGURES) + 5 * len(OF_SCORES) + 1
    numbers += [value for row in metrics["per_class"].values() for value in row.values()]
    assert all(value == round(value, 4) for value in numbers)


def test_a_dozen_figures_stand_for_all(drawn, once):
    """What metrics.json holds, and MLflow's parent run: one screen of ``dvc exp show``."""
    for held_out, draws in ((drawn, 2), (once, 0)):
        figures = of_windows(held_out, CLASSES, headline_k=3, n_bootstrap=100).figures
        found = headline_figures(figures)
        assert len(found) == 10 + draws
        assert list(found)[:3] == ["macro_f1", "macro_f1_low", "macro_f1_high"]
        assert ("macro_f1_draws_low" in found) == bool(draws)
        assert {"accuracy", "map", "calibration_error", "k", "classes", "clips"} <= found.keys()
        assert all(isinstance(value, int | float) for value in found.values())
        assert found.items() <= figures.items()


def test_leaking_folds_stand_beside_the_dozen_under_a_name_that_says_so(once):
    other = once.assign(condition="leaking_random_folds")
    figures = of_windows(pd.concat([once, other]), CLASSES, headline_k=3, n_bootstrap=100).figures
    leaking = headline_figures(figures)["leaking_random_folds"]
    assert leaking["macro_f1"] == figures["macro_f1"]
    assert leaking["difference"] == leaking["difference_low"] == leaking["difference_high"] == 0
    assert None not in leaking.values()
    assert "leaking_random_folds.difference" in as_metrics(headline_figures(figures))


def test_figures_by_salience_are_those_of_its_clips_alone(once):
    loud = once["clip_id"].isin([f"c{n}" for n in range(7)])
    told = once.assign(salience=np.where(loud, "foreground", "background"))
    told.loc[told["clip_id"] == "c11", "salience"] = None
    found = of_windows(told, CLASSES, headline_k=3, n_bootstrap=100)
    alone = of_windows(once[loud], CLASSES, headline_k=3, n_bootstrap=100).figures
    assert found.salience["salience"].tolist() == ["background", "foreground"]
    assert found.salience["clips"].tolist() == [4, 7]
    of_loud = found.figures["salience"]["foreground"]
    for name in FIGURES:
        for end in ("", "_low", "_high"):
            assert of_loud[f"{name}{end}"] == alone[f"{name}{end}"]
    assert found.predictions.set_index("clip_id").at["c0", "salience"] == "foreground"


def test_a_corpus_that_says_nothing_of_salience_has_no_such_figures(once):
    found = of_windows(once, CLASSES, headline_k=3, n_bootstrap=100)
    assert found.salience.empty
    assert "salience" not in found.figures
    assert "salience" not in found.predictions


def test_metrics_are_json_and_come_back_the_same(drawn, once):
    for held_out in (drawn, once):
        metrics = of_windows(held_out, CLASSES, headline_k=3, n_bootstrap=100).figures
        assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics


def test_a_single_recording_has_no_interval_and_the_json_says_null(once):
    metrics = of_windows(once.assign(group="one"), CLASSES, headline_k=3, n_bootstrap=100).figures
    assert metrics["macro_f1_low"] is None
    assert json.loads(json.dumps(metrics))["macro_f1_low"] is None


def test_the_bootstrap_is_that_of_its_seed(once):
    first, again, other = (
        of_windows(once, CLASSES, headline_k=3, n_bootstrap=150, seed=seed).figures
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_the_bootstrap_draws_recordings_not_clips(once):
    """Where all clips of a recording share its fate, more of them narrow nothing."""
    more = pd.concat([once, *(once.assign(clip_id=once["clip_id"] + f"-{n}") for n in range(9))])
    few, many = (
        of_windows(table, CLASSES, headline_k=3, n_bootstrap=400).figures for table in (once, more)
    )
    assert few["accuracy_high"] - few["accuracy_low"] == pytest.approx(
        many["accuracy_high"] - many["accuracy_low"], abs=1e-4
    )


def test_a_k_that_was_not_scored_raises(once):
    with pytest.raises(ValueError, match="nothing was scored at k = 5"):
        of_windows(once, CLASSES, headline_k=5)
