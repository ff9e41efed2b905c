"""zero_shot: scores of target classes that no target label was learned for."""

from __future__ import annotations

import csv
from importlib import resources

import numpy as np
import pytest

from faunashot.errors import ParameterError
from faunashot.protocols import zero_shot

ANIMALS = {"cat": 10, "dog": 10, "zebra": 10}
ASSIGNMENT = {"zero_shot": "assignment", "name": "zero_shot"}


def audioset_names() -> list[str]:
    """Every name that the table maps."""
    file = resources.files("faunashot.protocols").joinpath("classmaps/audioset.csv")
    with file.open(encoding="utf-8", newline="") as opened:
        return sorted({row["source_class"] for row in csv.DictReader(opened)} - {""})


class Ears:
    """A backbone with AudioSet's classes: it hears cats on the first axis, dogs on the second."""

    name, vocabulary = "ears", "audioset"
    classes = audioset_names()

    def classify(self, embeddings):
        scores = np.zeros((len(embeddings), len(self.classes)), np.float32)
        for name, axis in (("Meow", 0), ("Bark", 1)):
            scores[:, self.classes.index(name)] = np.clip(embeddings[:, axis] / 8, 0, 1)
        return scores


class Deaf:
    """A backbone without classes of its own."""

    name, vocabulary, classes = "deaf", None, None


@pytest.mark.shared
def test_every_mapped_name_is_one_of_yamnets(shared):
    (file,) = shared.glob("tfhub/*/assets/yamnet_class_map.csv")
    with file.open(encoding="utf-8", newline="") as opened:
        known = {row["display_name"] for row in csv.DictReader(opened)}
    assert len(known) == 521
    assert set(audioset_names()) <= known


def test_every_class_of_the_demo_is_mapped():
    from faunashot.corpora.demo import Demo

    mapped = zero_shot.class_map("audioset", audioset_names(), Demo.class_sets["animals"])
    assert [label for label, columns in mapped.items() if not columns] == []


def test_a_name_that_the_backbone_does_not_know_raises():
    known = [name for name in audioset_names() if name != "Bark"]
    with pytest.raises(ParameterError, match=r"classmaps/audioset\.csv: 'Bark' is no"):
        zero_shot.class_map("audioset", known, ["cat"])


def test_a_class_that_the_table_has_not_is_mapped_to_nothing():
    assert zero_shot.class_map("audioset", audioset_names(), ["zebra"]) == {"zebra": []}


def test_ontology_scores_every_clip_by_the_backbones_own_classes(task, clips, params):
    outcome = zero_shot.run(task(clips(ANIMALS)), params(), backbone=Ears())
    held_out = outcome.held_out
    assert sorted(held_out["clip_id"].unique()) == sorted(clips(ANIMALS)["clip_id"])
    assert (held_out["episode"] == -1).all()
    assert (held_out["k"] == 0).all()
    heard = held_out[held_out["label"] != "zebra"]
    guess = heard[["p_cat", "p_dog", "p_zebra"]].idxmax(axis=1).str.removeprefix("p_")
    assert (guess == heard["label"]).all()
    assert outcome.takes == "scores"
    assert outcome.headline_k == 0


def test_ontology_notes_a_class_that_nothing_is_mapped_to(task, clips, params):
    outcome = zero_shot.run(task(clips(ANIMALS)), params(), backbone=Ears())
    assert outcome.notes == ["class zebra: no class of ears is mapped to it, it scores 0"]
    assert outcome.facts["unmapped"] == ["zebra"]
    assert (outcome.held_out["p_zebra"] == 0).all()
    assert "Meow" in outcome.facts["mapped"]["cat"]


def test_the_served_head_takes_the_backbones_scores(task, clips, params):
    outcome = zero_shot.run(task(clips(ANIMALS)), params(), backbone=Ears())
    embeddings = np.eye(8, dtype=np.float32)[:2] * 8
    scores = outcome.head.predict_proba(Ears().classify(embeddings))
    assert scores.argmax(axis=1).tolist() == [0, 1]


def test_ontology_of_no_mapped_class_raises(task, clips, params):
    with pytest.raises(
        ParameterError, match=r"none of quagga, zebra is in classmaps/audioset\.csv"
    ):
        zero_shot.run(task(clips({"zebra": 5, "quagga": 5})), params(), backbone=Ears())


@pytest.mark.parametrize("backbone", [Deaf(), None])
def test_ontology_needs_a_backbone_with_classes(task, clips, params, backbone):
    with pytest.raises(ParameterError, match="needs a backbone with classes of its own"):
        zero_shot.run(task(clips(ANIMALS)), params(), backbone=backbone)


def test_the_best_matching_is_found_though_greed_would_miss_it():
    """Counts [[3, 2], [2, 0]]: taking the 3 leaves 0, while 2 + 2 of 7 are right."""
    truth = np.array([0, 0, 0, 0, 0, 1, 1])
    guess = np.array([0, 0, 0, 1, 1, 0, 0])
    matched, accuracy = zero_shot.match(truth, guess, n_target=2, n_source=2)
    assert matched == {0: 1, 1: 0}
    assert accuracy == pytest.approx(4 / 7)


def test_clips_of_unmatched_outputs_are_wrong():
    truth, guess = np.array([0, 0, 0, 0]), np.array([0, 0, 0, 1])
    assert zero_shot.match(truth, guess, n_target=1, n_source=2) == ({0: 0}, 0.75)


def test_a_target_class_may_go_without_an_output():
    truth, guess = np.array([0, 1, 1]), np.array([0, 0, 0])
    matched, accuracy = zero_shot.match(truth, guess, n_target=2, n_source=1)
    assert matched == {1: 0}
    assert accuracy == pytest.approx(2 / 3)


def test_assignment_finds_the_outputs_that_follow_the_classes(task, clips, table, params):
    """Rain and wind lie where cat and dog do, so the head's outputs tell these apart."""
    source = table(clips({"rain": 20, "wind": 20}), apart=6.0, seed=1)
    target = clips({"cat": 15, "dog": 15})
    outcome = zero_shot.run(task(target, source=source), params(**ASSIGNMENT))
    assert outcome.facts["matched"] == {"cat": "rain", "dog": "wind"}
    assert outcome.facts["assigned_accuracy"] == 1.0
    assert outcome.facts["chance_accuracy"] < 0.7
    assert outcome.facts["assigned_accuracy"] > outcome.facts["chance_accuracy_high"]
    assert outcome.head.classes_.tolist() == ["cat", "dog"]
    assert outcome.takes == "embeddings"
    assert outcome.notes == [
        "assignment looks at target labels to match outputs: compare it with chance only"
    ]


def test_assignment_of_random_features_is_at_chance(task, clips, table, params):
    source = table(clips({"rain": 30, "wind": 30, "sea": 30}), apart=0.0, seed=1)
    target = table(clips({"cat": 30, "dog": 30, "owl": 30}), apart=0.0, seed=2)
    facts = zero_shot.run(task(target, source=source), params(**ASSIGNMENT)).facts
    assert facts["assigned_accuracy"] == pytest.approx(facts["chance_accuracy"], abs=0.1)
    assert facts["chance_accuracy"] > 1 / 3  # matching looks at the labels, shuffled ones as well


def test_assignment_is_that_of_its_seed(task, clips, table, params):
    source = table(clips({"rain": 10, "wind": 10}), apart=1.0, seed=1)
    first, again = (
        zero_shot.run(task(clips(ANIMALS), source=source), params(**ASSIGNMENT)) for _ in range(2)
    )
    assert first.facts == again.facts


def test_assignment_needs_a_source(task, clips, params):
    with pytest.raises(ParameterError, match="assignment needs a source corpus"):
        zero_shot.run(task(clips(ANIMALS)), params(**ASSIGNMENT))
