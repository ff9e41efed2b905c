"""Training from scratch on short tones: resumed bit by bit, seeded, and stopped by clips as is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from windowed import of_rows, rows_of, windowed

from faunashot.audio.melspec import SAMPLE_RATE, spectrograms
from faunashot.errors import ParameterError, StoreError, WeightsError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.examples import Examples
from faunashot.estimators.training.checkpoint import read_arrays
from faunashot.estimators.training.classifier import FACTS, WEIGHTS
from faunashot.estimators.windows import from_scratch
from faunashot.estimators.windows.end_to_end import FineTuned
from faunashot.estimators.windows.from_scratch import FromScratch

PITCH_HZ = {"cat": 600, "owl": 2500}
RATE = 3e-3


def row(samples: np.ndarray) -> np.ndarray:
    """The spectrogram of a short clip as a row of features, (64000,)."""
    return spectrograms(samples.astype(np.float32), hop=16 * SAMPLE_RATE).reshape(-1)


def tones(n: int, *, seed: int) -> Examples:
    """n clips a class of half a second to one: a tone around the class' pitch, among noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for hz in np.tile(list(PITCH_HZ.values()), n) * rng.uniform(0.8, 1.25, 2 * n):
        time_s = np.arange(int(rng.uniform(0.5, 1) * SAMPLE_RATE)) / SAMPLE_RATE
        call = 0.3 * np.sin(2 * np.pi * hz * time_s) * np.hanning(len(time_s))
        rows.append(row(call + 0.003 * rng.standard_normal(len(time_s))))
    X = np.stack(rows)
    X.flags.writeable = False
    return windowed(X, np.tile(list(PITCH_HZ), n))


@pytest.fixture(scope="module")
def learn() -> Examples:
    return tones(10, seed=1)


@pytest.fixture(scope="module")
def held() -> Examples:
    return tones(4, seed=2)


@pytest.fixture(scope="module")
def wrong(held: Examples) -> Examples:
    """Validation clips whose labels are swapped: the more is learned, the larger their loss."""
    return replace(held, labels=held.labels[::-1])


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    """A recording of noise."""
    made = row(0.1 * np.random.default_rng(3).standard_normal(SAMPLE_RATE))[None]
    made.flags.writeable = False
    return made


def network(**settings: Any) -> FromScratch:
    """A network that sees every augmentation that one of a fixed length can."""
    drawn = {"masks": 2, "mixup": 0.2, "label_smoothing": 0.1, "gain_db": 3, "shift": True}
    plain = {"epochs": 20, "batch_size": 8, "learning_rate": RATE, "noise": "calibrated"}
    return FromScratch(**{"seed": 3, **drawn, **plain, **settings})


def bare(**settings: Any) -> FromScratch:
    """One that sees none, in batches of all clips."""
    return FromScratch(**{"batch_size": 20, "epochs": 2, "learning_rate": RATE, **settings})


def fit(
    model: FromScratch,
    learn: Examples,
    held: Examples | None = None,
    *,
    noise: np.ndarray | None = None,
    **context: Any,
) -> FromScratch:
    given = TrainingContext(noise=lambda: noise, **context)
    return model.fit(learn, validation=held, context=given)


def assert_same(ours: FromScratch, other: FromScratch) -> None:
    for name, array in other.network_.arrays().items():
        np.testing.assert_array_equal(ours.network_.arrays()[name], array, err_msg=name)


def timeless(model: FromScratch) -> list[dict[str, Any]]:
    """History but for what a clock says."""
    return [facts | {"train_s": 0, "waited": 0} for facts in model.history_]


@pytest.fixture(scope="module")
def whole(learn, wrong, noise, tmp_path_factory) -> FromScratch:
    """Fitted undisturbed on a memory map that cannot be written to, until clips stop it."""
    file = tmp_path_factory.mktemp("mapped") / "X.npy"
    np.save(file, rows_of(learn))
    mapped = of_rows(learn, np.load(file, mmap_mode="r"))
    return fit(network(), mapped, wrong, noise=noise)


class Killed(Exception):
    """Stands for a process that ends."""


def test_what_was_cut_off_ends_as_if_it_had_not_been(learn, wrong, noise, whole, tmp_path) -> None:
    """Once before the learning rate fell, and once after."""
    file = tmp_path / "runs" / "checkpoint.npz"
    told = []

    def fitted(*, until: int, **settings: Any) -> FromScratch:
        def killed(facts: dict[str, Any]) -> None:
            told.append(facts["epoch"])
            if facts["epoch"] == until:
                raise Killed

        model = network(**settings)
        return fit(model, learn, wrong, noise=noise, checkpoint=file, on_epoch=killed)

    for until in (2, 5):
        with pytest.raises(Killed):
            fitted(until=until)
    torn = file.with_name(f".{file.name}.draft")
    torn.write_bytes(b"what a kill leaves")
    resumed = fitted(until=99, threads=1)
    assert told == list(range(1, len(whole.history_) + 1))
    assert whole.history_[1]["learning_rate"] > whole.history_[5]["learning_rate"]
    assert_same(resumed, whole)
    assert timeless(resumed) == timeless(whole)
    assert_same(fitted(until=99), whole)  # nothing is left to do
    assert len(told) == len(whole.history_)
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_a_seed_gives_one_result_and_leaves_the_clips_as_they_are(
    learn, wrong, noise, whole
) -> None:
    """They are locked; of other rows in memory it is that of the memory map."""
    given = (rows_of(learn), rows_of(wrong), noise)
    before = [array.copy() for array in given]
    again = fit(network(), learn, wrong, noise=noise)
    for array, copied in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copied)
    assert_same(again, whole)
    assert timeless(again) == timeless(whole)
    other = fit(network(seed=4, epochs=1), learn, wrong, noise=noise)
    assert other.history_[0]["loss"] != whole.history_[0]["loss"]
    drawn = [name for name, array in other.network_.arrays().items() if name.endswith("kernel")]
    assert drawn
    for name in drawn:
        ours, theirs = other.network_.arrays()[name], whole.network_.arrays()[name]
        assert not np.array_equal(ours, theirs), name


def test_the_rate_is_halved_after_three_epochs_without_a_lower_loss(whole) -> None:
    rate, lowest, waited = RATE, np.inf, 0
    for facts in whole.history_:
        assert facts["learning_rate"] == pytest.approx(rate, rel=1e-6), facts["epoch"]
        waited = 0 if facts["validation_loss"] < lowest else waited + 1
        lowest = min(lowest, facts["validation_loss"])
        if waited == 3:
            rate, waited = rate / 2, 0
    assert rate < RATE
    assert len(whole.history_) > 5


def test_it_stops_after_six_epochs_without_a_lower_loss_and_keeps_the_best(
    learn, wrong, noise, whole
) -> None:
    losses = [facts["validation_loss"] for facts in whole.history_]
    assert len(losses) == whole.best_epoch_ + whole.options.patience == whole.best_epoch_ + 6 < 20
    assert losses[whole.best_epoch_ - 1] == min(losses)
    assert whole.best_epoch_ <= 3  # so that no rate had fallen by then
    assert_same(whole, fit(network(epochs=whole.best_epoch_), learn, noise=noise))


def test_without_validation_all_epochs_run_at_one_rate_and_the_last_is_kept(learn, wrong) -> None:
    """As with validation clips, where it is told not to stop by them."""
    alone = fit(bare(epochs=9), learn)
    assert [facts["epoch"] for facts in alone.history_] == list(range(1, 10))
    assert {facts["learning_rate"] for facts in alone.history_} == {np.float32(RATE)}
    assert not any("validation_loss" in facts for facts in alone.history_)
    assert alone.best_epoch_ == 9
    told = fit(bare(epochs=9, early_stopping=False, schedule=False), learn, wrong)
    losses = [facts["validation_loss"] for facts in told.history_]
    assert np.argmin(losses) < 2  # it would have stopped before
    assert len(losses) == 9
    assert_same(told, alone)


@pytest.mark.parametrize(
    "settings",
    [
        {"crop_frames": 8, "network": "cnn1d_enhanced"},
        {"z_norm": False, "pcen": True, "masks": 8, "mask_frames": 500, "mask_bands": 128},
    ],
    ids=["cropped", "masked nearly whole"],
)
def test_validation_clips_are_heard_as_they_are(learn, held, noise, settings) -> None:
    """Their loss is that of the network's own answers on the clips that were given."""
    before = rows_of(held).copy()
    model = network(epochs=2, mixup=1.0, gain_db=30, noise_share=1.0, **settings)
    fit(model, learn, held, noise=noise)
    np.testing.assert_array_equal(rows_of(held), before)
    own = model.predict_proba(before)
    truth = held.labels[:, None] == model.classes_
    best = model.history_[model.best_epoch_ - 1]
    assert best["validation_loss"] == pytest.approx(-np.log(own[truth]).mean(), rel=1e-5)
    assert best["validation_accuracy"] == truth[np.arange(len(truth)), own.argmax(1)].mean()


def test_twenty_clips_are_learned_by_heart(learn) -> None:
    """Whatever their labels are."""
    labels = np.random.default_rng(6).permutation(learn.labels)
    model = FromScratch(epochs=40, batch_size=10, learning_rate=RATE)
    fit(model, replace(learn, labels=labels))
    assert model.history_[0]["loss"] > 0.5
    assert model.history_[-1]["loss"] < 0.3
    scores = model.predict(learn)
    assert scores.classes == ("cat", "owl")
    assert (model.classes_[scores.clips.argmax(axis=1)] == labels).all()


@pytest.fixture(scope="module")
def checkpoint(learn, held, tmp_path_factory) -> Path:
    """A checkpoint of a training of one epoch."""
    file = tmp_path_factory.mktemp("checkpoint") / "checkpoint.npz"
    fit(bare(epochs=1), learn, held, checkpoint=file)
    return file


def test_a_checkpoint_of_another_training_is_refused(learn, held, checkpoint: Path) -> None:
    one_off = of_rows(learn, rows_of(learn).copy())
    rows_of(one_off)[7, 7] += 1
    before = checkpoint.read_bytes()
    for model, windows, other in [
        (bare(epochs=1, network="cnn1d_enhanced"), learn, "network and settings"),
        (bare(epochs=1, learning_rate=1e-3), learn, "settings"),
        (bare(epochs=1, masks=1), learn, "settings"),
        (bare(epochs=1, seed=1), learn, "settings"),
        (bare(epochs=1), one_off, "windows"),
        (bare(epochs=1), replace(learn, labels=learn.labels[::-1]), "windows"),
    ]:
        with pytest.raises(StoreError, match=f"written with other {other}: delete") as caught:
            fit(model, windows, held, checkpoint=checkpoint)
        assert "\n" not in str(caught.value)
    with pytest.raises(StoreError, match="written with other windows: delete"):
        fit(bare(epochs=1), learn, learn, checkpoint=checkpoint)
    assert checkpoint.read_bytes() == before
    again = fit(bare(epochs=1, threads=1), learn, held, checkpoint=checkpoint)
    assert len(again.history_) == 1


def test_a_torn_checkpoint_is_refused(learn, held, checkpoint: Path, tmp_path: Path) -> None:
    torn = tmp_path / "torn.npz"
    torn.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(StoreError, match="holds no arrays that can be read"):
        fit(bare(epochs=1), learn, held, checkpoint=torn)


def test_a_loss_that_is_not_finite_stops_and_the_epoch_before_is_kept(
    learn, tmp_path: Path
) -> None:
    """A step of such a rate ruins the network in its only batch; the next one tells."""
    file = tmp_path / "checkpoint.npz"
    message = r"learning_rate: .* in batch 1 of epoch 2 at 1e\+30: lower it"
    with pytest.raises(ParameterError, match=message) as caught:
        fit(bare(learning_rate=1e30, epochs=5), learn, checkpoint=file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    kept = read_arrays(file)
    history = json.loads(str(kept.pop("facts")))["history"]
    assert [facts["epoch"] for facts in history] == [1]
    assert all(np.isfinite(array).all() for array in kept.values())


def test_a_value_that_is_not_a_number_stops_in_the_batch_that_holds_it(
    learn, tmp_path: Path
) -> None:
    """No epoch was whole before: there is no checkpoint to speak of."""
    broken = of_rows(learn, rows_of(learn).copy())
    rows_of(broken)[:, 128 * 3 + 5] = np.nan
    file = tmp_path / "checkpoint.npz"
    with pytest.raises(ParameterError, match=r"in batch 1 of epoch 1 at 0\.003") as caught:
        fit(bare(), broken, checkpoint=file)
    assert not file.exists()
    assert str(file) not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "reach"),
    [
        ("learning_rate", 0, "than or equal to 0.000000001,"),
        ("learning_rate", float("nan"), "than or equal to 0.000000001,"),
        ("epochs", 0, "than or equal to 1,"),
        ("patience", 0, "than or equal to 1,"),
        ("batch_size", 0, "than or equal to 1,"),
        ("passes", 0, "than or equal to 1,"),
        ("threads", 0, "than or equal to 1,"),
        ("weight_decay", -1, "than or equal to 0,"),
        ("focal_gamma", -0.5, "than or equal to 0,"),
        ("masks", -1, "than or equal to 0,"),
        ("mixup", -0.1, "than or equal to 0,"),
        ("gain_db", -3, "than or equal to 0,"),
        ("label_smoothing", 1.5, "than or equal to 1,"),
        ("noise_share", 2, "than or equal to 1,"),
        ("crop_frames", 501, "than or equal to 500,"),
    ],
)
def test_a_setting_out_of_range_is_refused(learn, name: str, value: float, reach: str) -> None:
    with pytest.raises(ParameterError) as caught:
        fit(bare(**{name: value}), learn)
    said = str(caught.value)
    assert f"head from_scratch.{name}: " in said
    assert reach in said
    assert said.endswith(f"got {value}")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"network": "cnn1"}, "network: unknown value 'cnn1'; did you mean 'cnn1d'"),
        ({"optimizer": "adamww"}, "optimizer: unknown value 'adamww'; did you mean 'adamw'"),
        ({"class_weights": "invers"}, "class_weights: unknown value 'invers'"),
        ({"crop_frames": 100}, "crop_frames: cnn1d reads 500 frames, no fewer"),
        ({"noise": "naive"}, "naive mixing needs recordings of noise: set noise.root"),
    ],
)
def test_a_setting_that_is_none_is_refused_in_a_line(learn, settings, message: str) -> None:
    with pytest.raises(ParameterError) as caught:
        fit(bare(**settings), learn)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_way_to_mix_noise_that_is_not_known_is_refused(learn, noise) -> None:
    with pytest.raises(ParameterError, match="noise: unknown value 'calibratd'"):
        fit(bare(noise="calibratd"), learn, noise=noise)


def test_one_class_and_clips_without_a_sound_are_refused(learn) -> None:
    with pytest.raises(ParameterError, match="at least two classes"):
        fit(bare(), replace(learn, labels=np.repeat("cat", len(learn))))
    silent = of_rows(learn, np.tile(row(np.zeros(SAMPLE_RATE)), (len(learn), 1)))
    with pytest.raises(ParameterError, match="all clips are silent"):
        fit(bare(), silent)


def test_a_silent_clip_among_others_is_learned_from(learn) -> None:
    some = of_rows(learn, rows_of(learn).copy())
    rows_of(some)[3] = row(np.zeros(SAMPLE_RATE))
    assert np.isfinite(fit(bare(network="cnn1d_enhanced"), some).predict(some).windows).all()


def test_features_that_are_no_spectrograms_are_refused(learn, whole) -> None:
    message = r"spectrograms of 64000 values.*not rows of 1024"
    with pytest.raises(ParameterError, match=message):
        fit(bare(), of_rows(learn, rows_of(learn)[:, :1024]))
    with pytest.raises(ParameterError, match=message):
        whole.predict_proba(rows_of(learn)[:, :1024])


@pytest.mark.parametrize("balance", ["none", "inverse", "effective"])
def test_windows_weigh_one_in_the_mean_and_classes_by_their_clips(
    learn, balance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six cats of one window each, and seven owls of two, whose windows share a clip's weight."""
    weights = []

    def told(X, classes, target, weight, **rest: Any) -> None:
        weights.append(weight)
        raise Killed

    monkeypatch.setattr(from_scratch, "Epochs", told)
    y = np.repeat(["cat", "owl"], [6, 7])
    clips = windowed(rows_of(learn), y, counts=[1] * 6 + [2] * 7)
    with pytest.raises(Killed):
        fit(bare(class_weights=balance), clips)
    (weight,) = weights
    assert weight.mean() == pytest.approx(1, abs=1e-5)
    of_cats = weight[:6].sum() / weight.sum()
    if balance == "none":
        assert of_cats == pytest.approx(6 / 13, rel=1e-5)
    else:
        assert of_cats == pytest.approx(0.5, abs=1e-5 if balance == "inverse" else 0.02)


def test_what_is_saved_answers_the_same(whole, held, tmp_path: Path) -> None:
    whole.save(tmp_path / "model")
    loaded = FromScratch.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(held).windows, whole.predict(held).windows)
    np.testing.assert_allclose(whole.predict(held).windows.sum(axis=1), 1, rtol=1e-6)
    assert loaded.classes_.tolist() == whole.classes_.tolist() == ["cat", "owl"]
    assert (loaded.history_, loaded.best_epoch_) == (whole.history_, whole.best_epoch_)
    assert (loaded.options, loaded.seed) == (whole.options, whole.seed)


def test_a_folder_with_another_network_is_refused(whole, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no network"):
        FromScratch.load(tmp_path)
    whole.save(tmp_path)
    with pytest.raises(StoreError, match="holds a network from_scratch, not end_to_end"):
        FineTuned.load(tmp_path)
    facts = json.loads((tmp_path / FACTS).read_text())

    def say(**other: Any) -> None:
        (tmp_path / FACTS).write_text(json.dumps(facts | other))

    say(format=0)
    with pytest.raises(StoreError, match="has format 0"):
        FromScratch.load(tmp_path)
    say(kind="end_to_end")
    with pytest.raises(StoreError, match="holds a network end_to_end, not from_scratch"):
        FromScratch.load(tmp_path)
    say(settings=facts["settings"] | {"network": "cnn1d_enhanced"})
    with pytest.raises(WeightsError, match="of another network"):
        FromScratch.load(tmp_path)
    say()
    (tmp_path / WEIGHTS).write_bytes(b"none")
    with pytest.raises(StoreError, match="holds no arrays that can be read"):
        FromScratch.load(tmp_path)


def test_clips_of_two_labels_are_learned_by_heart(tmp_path: Path) -> None:
    """Low and high calls, both at once and none; what is saved gives the same scores."""
    rng = np.random.default_rng(4)
    labels, rows = ["cat", "cat;owl", "owl", ""] * 5, []
    for label in labels:
        time_s = np.arange(int(rng.uniform(0.5, 1) * SAMPLE_RATE)) / SAMPLE_RATE
        sound = 0.003 * rng.standard_normal(len(time_s))
        for name in filter(None, label.split(";")):
            pitch = PITCH_HZ[name] * rng.uniform(0.8, 1.25)
            sound += 0.3 * np.sin(2 * np.pi * pitch * time_s) * np.hanning(len(time_s))
        rows.append(row(sound))
    learn = windowed(np.stack(rows), labels, multi_label=True)
    model = bare(epochs=40, batch_size=10, early_stopping=False)
    fit(model, learn, learn)
    scores = model.predict(learn)
    assert scores.classes == ("cat", "owl")
    np.testing.assert_array_equal(scores.clips > 0.5, learn.targets > 0)
    assert scores.clips[1].sum() > 1.5  # both
    assert scores.clips[3].sum() < 0.5  # neither
    own = np.where(learn.targets > 0, scores.clips, 1 - scores.clips)
    last = model.history_[-1]
    assert last["validation_loss"] == pytest.approx(-np.log(own).mean(), rel=1e-5)
    assert last["validation_accuracy"] == 1
    model.save(tmp_path)
    loaded = FromScratch.load(tmp_path).predict(learn)
    np.testing.assert_array_equal(loaded.clips, scores.clips)
