"""Fine-tuning on a tiny network: resumed bit by bit, seeded, and blind to what it validates on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from windowed import of_rows, rows_of, windowed

from faunashot.backbones.yamnet.network import PATCH, yamnet_network
from faunashot.errors import ParameterError, StoreError, WeightsError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.calibration import fit_temperature, temper
from faunashot.estimators.examples import Examples
from faunashot.estimators.training.classifier import FACTS, WEIGHTS
from faunashot.estimators.training.layerwise import Drawn, Schedule
from faunashot.estimators.training.windows import Windows
from faunashot.estimators.windows.end_to_end import SHARES, FineTuned
from faunashot.runtimes.keras_network import LayeredNetwork

BLOCKS = [(2, 8), (2, 12), (2, 16)]
NAMES = np.array(["cat", "hen", "owl"])


def clips(n: int, *, seed: int, windows: int = 3, names: np.ndarray = NAMES) -> Examples:
    """Windows of n clips a class: noise that is louder in the bands of the class."""
    rng = np.random.default_rng(seed)
    of = np.repeat(np.tile(np.arange(len(names)), n), windows)
    X = rng.normal(-3, 1, (len(of), *PATCH))
    for row, number in zip(X, of, strict=True):
        row[:, 15 * number : 15 * number + 15] += 0.8
    rows = X.reshape(len(of), -1).astype(np.float32)
    return windowed(rows, names[of[::windows]], counts=[windows] * n * len(names))


def of_windows(examples: Examples) -> np.ndarray:
    """Label of each window."""
    return examples.labels[examples.clip_of]


class Backbone:
    """A small pretrained network, whose weights are `initial` if given."""

    def __init__(self, blocks: Any = BLOCKS, initial: Any = None, precision: str = "float32"):
        self.blocks, self.initial, self.precision = blocks, initial, precision

    def build(self, n_targets: int, *, seed: int) -> LayeredNetwork:
        network = yamnet_network(n_targets, blocks=self.blocks, seed=seed, precision=self.precision)
        if self.initial is not None:
            network.assign(self.initial)
        return network


@pytest.fixture(scope="module")
def learn() -> Examples:
    return clips(4, seed=1)


@pytest.fixture(scope="module")
def held() -> Examples:
    return clips(2, seed=2)


def fine_tuned(**settings: Any) -> FineTuned:
    plain = {"epochs": 4, "batch_size": 8, "windows_per_clip": 2, "learning_rate": 1e-2}
    drawn = {"masks": 2, "mixup": 0.2, "label_smoothing": 0.1, "trained": "all", "seed": 3}
    return FineTuned(**{"C": 0.3, "patience": 9, **drawn, **plain, **settings})


def schedule_of(model: FineTuned) -> Schedule:
    settings = {**model.options.model_dump(), "frozen": 0, "seed": 3}
    return Schedule(**{name: settings[name] for name in Schedule._fields})


def fit(
    model: FineTuned,
    learn: Examples,
    held: Examples | None = None,
    *,
    backbone: Backbone | None = None,
    **context: Any,
) -> FineTuned:
    given = TrainingContext(backbone=lambda: backbone or Backbone(), **context)
    return model.fit(learn, validation=held, context=given)


def assert_same(ours: FineTuned, other: FineTuned) -> None:
    for name, array in other.network_.arrays().items():
        np.testing.assert_array_equal(ours.network_.arrays()[name], array, err_msg=name)


@pytest.fixture(scope="module")
def whole(learn: Examples, held: Examples) -> FineTuned:
    """Fitted undisturbed."""
    return fit(fine_tuned(), learn, held)


class Killed(Exception):
    """Stands for a process that ends."""


def test_what_was_cut_off_ends_as_if_it_had_not_been(learn, held, whole, tmp_path: Path) -> None:
    file = tmp_path / "runs" / "checkpoint.npz"
    told = []

    def killed_after_two(facts: dict) -> None:
        told.append(facts["epoch"])
        if facts["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        fit(fine_tuned(), learn, held, checkpoint=file, on_epoch=killed_after_two)
    torn = file.with_name(f".{file.name}.draft")
    torn.write_bytes(b"what a kill leaves")
    resumed = fine_tuned(threads=1)
    fit(resumed, learn, held, checkpoint=file, on_epoch=lambda facts: told.append(facts["epoch"]))
    assert told == [1, 2, 3, 4]
    assert_same(resumed, whole)
    for ours, theirs in zip(resumed.history_, whole.history_, strict=True):
        assert ours | {"train_s": 0, "waited": 0} == theirs | {"train_s": 0, "waited": 0}
    assert_same(fit(fine_tuned(), learn, held, checkpoint=file), whole)  # nothing is left to do
    assert [f.name for f in file.parent.iterdir()] == [file.name]


def test_a_seed_gives_one_result(learn, held, whole) -> None:
    again, other = fit(fine_tuned(), learn, held), fit(fine_tuned(seed=4), learn, held)
    assert_same(again, whole)
    kernel = "logits/kernel"
    assert not np.array_equal(other.network_.arrays()[kernel], whole.network_.arrays()[kernel])


@pytest.fixture
def checkpoint(learn, held, tmp_path: Path) -> Path:
    fit(fine_tuned(epochs=1), learn, held, checkpoint=tmp_path / "checkpoint.npz")
    return tmp_path / "checkpoint.npz"


def test_a_checkpoint_of_another_training_is_refused(learn, held, checkpoint: Path) -> None:
    one_off = of_rows(learn, rows_of(learn).copy())
    rows_of(one_off)[7, 7] += 1
    initial = yamnet_network(3, blocks=BLOCKS, seed=9).arrays()
    narrow = [*BLOCKS[:-1], (2, 15)]
    for model, windows, backbone, other in [
        (fine_tuned(epochs=2), learn, None, "settings"),
        (fine_tuned(epochs=1), one_off, None, "windows"),
        (fine_tuned(epochs=1), replace(learn, labels=learn.labels[::-1]), None, "windows"),
        (fine_tuned(epochs=1), learn, Backbone(initial=initial), "weights"),
        (fine_tuned(epochs=1), learn, Backbone(narrow), "weights"),
    ]:
        with pytest.raises(StoreError, match=f"written with other {other}: delete") as caught:
            fit(model, windows, held, checkpoint=checkpoint, backbone=backbone)
        assert "\n" not in str(caught.value)


def test_a_torn_checkpoint_is_refused(learn, held, checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(StoreError, match="holds no arrays that can be read"):
        fit(fine_tuned(epochs=1), learn, held, checkpoint=checkpoint)
    np.savez(checkpoint, something=np.zeros(2))
    with pytest.raises(StoreError, match="is not a checkpoint"):
        fit(fine_tuned(epochs=1), learn, held, checkpoint=checkpoint)


@pytest.mark.parametrize("names", [NAMES, NAMES[:2]], ids=["three classes", "two classes"])
def test_it_starts_at_the_linear_probe(names: np.ndarray) -> None:
    learn, held = clips(4, seed=1, names=names), clips(2, seed=2, names=names)
    start = fit(fine_tuned(stop_at=0), learn)

    def embed(X: np.ndarray) -> np.ndarray:
        return start.network_.body(X.reshape(-1, *PATCH), training=False).numpy()

    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.3, tol=1e-6, max_iter=5000))
    share = {"logisticregression__sample_weight": learn.coverage}
    probe.fit(embed(rows_of(learn)), of_windows(learn), **share)
    expected = probe.predict_proba(embed(rows_of(held)))
    assert expected.std(axis=0).min() > 0.01
    np.testing.assert_allclose(start.predict(held).windows, expected, rtol=0, atol=1e-3)


def test_validation_windows_are_heard_as_they_are(learn, held) -> None:
    """With masks that hide nearly all of a patch, the loss is still that of whole patches."""
    masked = {"masks": 3, "mask_frames": 96, "mask_bands": 64, "mixup": 1.0}
    model = fit(fine_tuned(epochs=2, **masked), learn, held)
    pooled = model.predict(held).windows.reshape(-1, 3, 3).mean(axis=1)
    truth = held.labels[:, None] == model.classes_
    best = model.history_[model.best_epoch_]
    temperature = fit_temperature(pooled, np.arange(6), truth=truth.argmax(axis=1))
    own = temper(pooled, temperature)[truth]
    assert best["validation_loss"] == pytest.approx(-np.log(own).mean())
    assert best["validation_accuracy"] == truth[np.arange(len(truth)), pooled.argmax(1)].mean()


def test_the_surer_network_is_not_the_better_one(learn) -> None:
    held = clips(6, seed=2, windows=1)
    model = fit(fine_tuned(stop_at=0), learn, held)
    scores = model.predict(held).windows
    for name in ("logits/kernel", "logits/bias"):
        model.network_.variables[name].assign(3 * model.network_.arrays()[name])
    surer = model.predict(held).windows
    truth = held.labels[:, None] == model.classes_
    before, after = model.history_[0], model._validated(Windows.of(held, model.classes_))
    untempered = np.log(scores[truth]).mean() - np.log(surer[truth]).mean()
    assert untempered > 0.5
    assert after["validation_loss"] == pytest.approx(before["validation_loss"], abs=0.1)
    assert after["validation_accuracy"] == before["validation_accuracy"]


@pytest.mark.slow
def test_a_clips_windows_count_by_their_weight(learn, held) -> None:
    """Windows of weight 0 and of another class change nothing of the validation loss."""
    model = fit(fine_tuned(stop_at=0), learn, held)
    strange = clips(2, seed=8)
    both = np.concatenate(
        [rows_of(held).reshape(6, 3, -1), rows_of(strange)[::-1].reshape(6, 3, -1)], axis=1
    )
    doubled = windowed(
        both.reshape(36, -1), held.labels, counts=[6] * 6, seconds=np.tile([1, 1, 1, 0, 0, 0], 6)
    )
    again = fit(fine_tuned(stop_at=0), learn, doubled)
    assert again.history_[0] == pytest.approx(model.history_[0])


def test_the_share_of_the_lowest_loss_is_kept(learn, held) -> None:
    def losses(**settings: Any) -> list[float]:
        history = fit(fine_tuned(epochs=1, **settings), learn, held).history_
        return [facts["validation_loss"] for facts in history]

    found = fit(fine_tuned(epochs=1), learn, held).history_[1]
    given = {share: losses(start_share=share)[1] for share in SHARES}
    assert len(set(given.values())) == len(SHARES)
    assert found["start_share"] == min(given, key=given.__getitem__)
    assert found["validation_loss"] == min(given.values())


def test_a_tie_goes_to_the_larger_share_and_the_earlier_epoch(learn, held) -> None:
    model = fit(fine_tuned(stop_at=0), learn, held)
    silent = {name: np.zeros_like(array) for name, array in model.network_.arrays().items()}
    model.network_.assign(silent)
    _, facts = model._best_mean(silent, Windows.of(held, model.classes_))
    assert facts["start_share"] == max(SHARES)
    model.history_ = [facts | {"start_share": 1.0}, facts]
    assert (model.best_epoch_, model.best_share_) == (0, 1.0)


def test_the_start_is_kept_where_every_share_of_what_was_learned_harms(learn, held) -> None:
    model = fit(fine_tuned(epochs=1, learning_rate=10), learn, held)
    assert (model.best_epoch_, model.best_share_) == (0, 1.0)
    assert_same(model, fit(fine_tuned(stop_at=0), learn))


@pytest.mark.slow
def test_the_best_epoch_is_kept(learn, held) -> None:
    """On validation clips of wrong labels it is an early one."""
    wrong = replace(held, labels=np.roll(held.labels, 1))
    model = fit(fine_tuned(epochs=12, patience=2), learn, wrong)
    losses = [facts["validation_loss"] for facts in model.history_]
    assert losses[model.best_epoch_] == min(losses)
    assert len(losses) == model.best_epoch_ + 3 < 13
    chosen = {"stop_at": model.best_epoch_, "start_share": model.best_share_}
    assert_same(model, fit(fine_tuned(epochs=12, **chosen), learn))


@pytest.mark.slow
def test_the_start_is_kept_in_its_share(learn, whole) -> None:
    start, trained, mean = (
        fit(fine_tuned(**settings), learn).network_.arrays()
        for settings in ({"stop_at": 0}, {"start_share": 0}, {"start_share": 0.25})
    )
    name = "layer2/pointwise_conv/kernel"
    assert np.abs(trained[name] - start[name]).max() > 1e-3
    expected = 0.25 * start[name] + 0.75 * trained[name]
    np.testing.assert_allclose(mean[name], expected, rtol=0, atol=1e-6)


def test_without_validation_the_last_epoch_is_kept(learn, held, whole) -> None:
    chosen = {"stop_at": whole.best_epoch_, "start_share": whole.best_share_}
    model = fit(fine_tuned(**chosen), learn)
    assert whole.best_epoch_ > 0
    assert {"stop_at": model.best_epoch_, "start_share": model.best_share_} == chosen
    assert_same(model, whole)


def test_a_validation_clip_of_no_learned_class_is_wrong(learn, held) -> None:
    labels = np.where(held.labels == "owl", "yak", held.labels)
    strange = windowed(rows_of(held), labels, counts=held.counts)
    facts = fit(fine_tuned(stop_at=0), learn, strange).history_[0]
    assert facts["validation_loss"] > -np.log(1e-7) / 3
    assert facts["validation_accuracy"] <= 2 / 3


def test_a_loss_that_is_not_finite_stops(learn, held, tmp_path: Path) -> None:
    file = tmp_path / "checkpoint.npz"
    with pytest.raises(
        ParameterError, match=r"learning_rate: the loss is (nan|inf) in batch \d of epoch \d"
    ):
        fit(fine_tuned(learning_rate=1e30), learn, held, checkpoint=file)


@pytest.mark.parametrize(
    ("name", "value", "reach"),
    [
        ("trained", 4, ("0", "3")),
        ("trained", -1, ("0",)),
        ("trained", "some", ("all", "head")),
        ("layer_decay", 1.5, ("1",)),
        ("start_share", -0.1, ("0",)),
        ("start_share", float("nan"), ()),
        ("label_smoothing", 2, ("1",)),
        ("epochs", 0, ("1",)),
        ("patience", 0, ("1",)),
        ("stop_at", -1, ("0",)),
        ("learning_rate", 0, ("0.000000001",)),
    ],
)
def test_a_setting_out_of_range_is_refused(
    learn, name: str, value: float, reach: tuple[str, ...]
) -> None:
    with pytest.raises(ParameterError) as caught:
        fit(fine_tuned(**{name: value}), learn)
    said = str(caught.value)
    assert f"{name}: " in said
    assert all(bound in said for bound in reach)
    assert str(value) in said
    assert "\n" not in said


def test_one_class_is_refused(learn) -> None:
    with pytest.raises(ParameterError, match="at least two classes"):
        fit(fine_tuned(), replace(learn, labels=np.repeat("cat", len(learn))))


def test_features_that_are_no_patches_are_refused(learn) -> None:
    with pytest.raises(ParameterError, match=r"96 x 64 = 6144 values.*not rows of 1024"):
        fit(fine_tuned(), of_rows(learn, rows_of(learn)[:, :1024]))


PLAIN = {"masks": 0, "mixup": 0, "windows_per_clip": 3, "start_share": 0}
"""All windows in each epoch, as they are; what was learned is kept as it is."""

ONE_STEP = {"epochs": 2, "batch_size": 99, **PLAIN}
"""A step an epoch, of which the schedule makes the first one of length 0."""


@pytest.mark.parametrize(
    ("settings", "rates"),
    [
        ({"layer_decay": 0.25, "trained": 2}, [0, 0.0625e-3, 0.25e-3, 1e-3]),
        ({"layer_decay": 0.5, "body_learning_rate": 4e-4}, [1e-4, 2e-4, 4e-4, 1e-3]),
        ({"trained": "head"}, [0, 0, 0, 1e-3]),
    ],
    ids=["the last two", "a rate of the body", "the classifier alone"],
)
def test_each_layer_moves_at_its_rate_and_the_statistics_stay(learn, settings, rates) -> None:
    """Of equal gradients, a step of Adam is the rate.

    Without the biases of the probe, whose gradient is 0 at the start.
    """
    settings = {**ONE_STEP, "learning_rate": 1e-3, **settings}
    before = fit(fine_tuned(stop_at=0, **settings), learn).network_.arrays()
    model = fit(fine_tuned(**settings), learn)
    for rate, layer in zip(rates, model.network_.layers, strict=True):
        for name, variable in layer.items():
            moved = np.abs(variable.numpy() - before[name]).max()
            if "/moving_" in name:
                assert moved == 0, name
            elif name != "logits/bias":
                assert moved == pytest.approx(rate, rel=0.02), name


def test_kernels_decay_by_their_rate(learn) -> None:
    settings = {**ONE_STEP, "learning_rate": 1e-2, "layer_decay": 0.5}
    before = fit(fine_tuned(stop_at=0, **settings), learn).network_.arrays()
    free = fit(fine_tuned(**settings), learn).network_.arrays()
    decayed = fit(fine_tuned(weight_decay=0.1, **settings), learn).network_
    for rate, layer in zip([1.25e-3, 2.5e-3, 5e-3, 1e-2], decayed.layers, strict=True):
        for name, variable in layer.items():
            lost = 0.1 * rate * before[name] if before[name].ndim > 1 else 0
            np.testing.assert_allclose(free[name] - variable, lost, rtol=0, atol=1e-6, err_msg=name)


def moments(learn: Examples, file: Path, **settings: Any) -> list[np.ndarray]:
    """What Adam knows of the gradients after an epoch."""
    model = fit(fine_tuned(epochs=1, **PLAIN, **settings), learn, checkpoint=file)
    arrays = np.load(file)
    known = [arrays[f"optimizer/{at}"] for at in range(sum("optimizer/" in n for n in arrays))]
    trained = sum(len(layer) for layer in model.network_.layers)
    moving = sum("/moving_" in name for layer in model.network_.layers for name in layer)
    return known[-2 * (trained - moving) :]


def test_batches_put_together_are_one_step(learn, tmp_path: Path) -> None:
    whole = moments(learn, tmp_path / "whole.npz", batch_size=36)
    parts = moments(learn, tmp_path / "parts.npz", batch_size=6, accumulate=6)
    for ours, expected in zip(parts, whole, strict=True):
        assert np.abs(expected).max() > 0
        atol = 1e-4 * np.abs(expected).max() + 1e-8  # the classifier's gradient is 0 at the start
        np.testing.assert_allclose(ours, expected, rtol=0, atol=atol)


def test_each_epoch_has_a_step_however_many_batches_are_put_together(learn) -> None:
    most, more = (fit(fine_tuned(accumulate=n, epochs=2), learn) for n in (3, 99))
    assert len(Drawn(Windows.of(learn, NAMES), PATCH, schedule_of(most))) == 3
    assert_same(more, most)


def test_batches_put_together_over_the_end_of_an_epoch_are_resumed(learn, tmp_path: Path) -> None:
    """Three batches an epoch, two a step: the cut falls between two of one step."""
    file = tmp_path / "checkpoint.npz"

    def killed(facts: dict) -> None:
        raise Killed

    settings = {"accumulate": 2, "epochs": 2}
    with pytest.raises(Killed):
        fit(fine_tuned(**settings), learn, checkpoint=file, on_epoch=killed)
    resumed = fit(fine_tuned(**settings), learn, checkpoint=file)
    assert_same(resumed, fit(fine_tuned(**settings), learn))


@pytest.mark.slow
def test_twenty_clips_are_learned_by_heart() -> None:
    rng = np.random.default_rng(6)
    noise = rng.normal(-3, 1, (20, PATCH[0] * PATCH[1])).astype(np.float32)
    learn = windowed(noise, rng.permutation(np.repeat(NAMES[:2], 10)))
    plain = {"masks": 0, "mixup": 0, "label_smoothing": 0, "C": 1e-4, "start_share": 0}
    model = fine_tuned(epochs=40, batch_size=20, learning_rate=3e-3, layer_decay=1.0, **plain)
    start = fit(fine_tuned(stop_at=0, **plain), learn)

    def right(fitted: FineTuned) -> np.ndarray:
        return fitted.classes_[fitted.predict(learn).clips.argmax(axis=1)] == learn.labels

    assert right(start).mean() < 0.9
    assert right(fit(model, learn)).all()


def test_a_clip_weighs_the_same_whatever_its_windows() -> None:
    ids = np.repeat(["short", "long"], [1, 5])
    learn = windowed(np.zeros((6, 6144), np.float32), ["short", "long"], counts=[1, 5])
    schedule = schedule_of(fine_tuned(windows_per_clip=2))
    windows = Windows.of(learn, learn.classes)
    made = Drawn(windows, PATCH, schedule)
    drawn = [made._draw(np.random.default_rng(seed)) for seed in range(20)]
    for rows in drawn:
        assert sorted(ids[rows]) == ["long", "long", "short"]
        assert len(set(rows)) == 3
        weight = made._weight[rows]
        assert weight[ids[rows] == "long"].sum() == pytest.approx(weight[ids[rows] == "short"])
    assert len(np.unique(np.concatenate(drawn))) == 6


def test_spectrograms_are_masked_and_waveforms_are_not() -> None:
    rows = np.random.default_rng(0).normal(size=(2, 6144)).astype(np.float32)
    learn = windowed(rows, ["hen", "owl"], counts=[1, 1])
    schedule = schedule_of(fine_tuned(masks=2, mixup=0.0))
    windows = Windows.of(learn, learn.classes)
    for shape, same in (PATCH, False), ((6144,), True):
        [batch] = Drawn(windows, shape, schedule)(1)
        assert np.array_equal(batch[0].reshape(2, -1), rows) == same


def test_masks_leave_the_column_that_marks_the_recording_alone() -> None:
    """Nor do they hide what comes after its end, of which nothing is read."""
    spectrograms = np.random.default_rng(0).normal(size=(2, *PATCH)).astype(np.float32)
    lengths = [50, 96]
    for one, length in zip(spectrograms, lengths, strict=True):
        one[:, -1] = np.arange(PATCH[0]) < length
    learn = windowed(spectrograms.reshape(2, -1), ["hen", "owl"], counts=[1, 1])
    schedule = schedule_of(fine_tuned(masks=20, mask_frames=96, mask_bands=64, mixup=0.0))
    [batch] = Drawn(Windows.of(learn, learn.classes), PATCH, schedule, marked=True)(1)
    for ours, one, length in zip(batch.inputs, spectrograms, lengths, strict=True):
        np.testing.assert_array_equal(ours[:, -1], one[:, -1])
        np.testing.assert_array_equal(ours[length:], one[length:])
        heard = one[:length, :-1]
        hidden = ours[:length, :-1][ours[:length, :-1] != heard]
        assert hidden.size > 0.9 * heard.size
        np.testing.assert_allclose(hidden, heard.mean(), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_half_precision_trains_too(learn) -> None:
    """As on a GPU; the optimizer scales the loss, and the weights stay in float32."""
    half = Backbone(precision="mixed_float16")
    model = fit(fine_tuned(learning_rate=1e-3), learn, backbone=half)
    assert model.network_.body.layers[2].compute_dtype == "float16"
    before = yamnet_network(3, blocks=BLOCKS, seed=3).arrays()
    after = model.network_.arrays()
    assert {array.dtype for array in after.values()} == {np.dtype(np.float32)}
    name = "layer1/conv/kernel"
    assert 0 < np.abs(after[name] - before[name]).max() < 1e-2


def test_what_is_saved_answers_the_same(whole, held, tmp_path: Path) -> None:
    whole.save(tmp_path / "model")
    loaded = FineTuned.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict(held).windows, whole.predict(held).windows)
    assert loaded.classes_.tolist() == whole.classes_.tolist()
    assert (loaded.history_, loaded.best_epoch_) == (whole.history_, whole.best_epoch_)


def test_a_folder_without_a_network_is_refused(whole, learn, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no network"):
        FineTuned.load(tmp_path)
    whole.save(tmp_path)
    facts = json.loads((tmp_path / FACTS).read_text())
    (tmp_path / FACTS).write_text(json.dumps(facts | {"format": 0}))
    with pytest.raises(StoreError, match="has format 0"):
        FineTuned.load(tmp_path)
    two = fit(fine_tuned(stop_at=0), learn, backbone=Backbone(BLOCKS[:2]))
    other = {key: two._architecture()[key] for key in ("layers", "variables")}
    (tmp_path / FACTS).write_text(json.dumps(facts | other))
    with pytest.raises(WeightsError, match="they have layer3"):
        FineTuned.load(tmp_path)
    whole.save(tmp_path)
    (tmp_path / WEIGHTS).write_bytes(b"none")
    with pytest.raises(StoreError, match="holds no arrays that can be read"):
        FineTuned.load(tmp_path)


@pytest.mark.slow
def test_rows_of_a_memory_map_are_enough(learn, held, whole, tmp_path: Path) -> None:
    np.save(tmp_path / "windows.npy", rows_of(learn))
    mapped = of_rows(learn, np.load(tmp_path / "windows.npy", mmap_mode="r"))
    assert_same(fit(fine_tuned(), mapped, held), whole)


def test_clips_of_two_labels_are_learned_by_heart(tmp_path: Path) -> None:
    """Drawn labels of noise; the network starts at a probe a class, one of which is constant."""
    rng = np.random.default_rng(6)
    noise = rng.normal(-3, 1, (16, PATCH[0] * PATCH[1])).astype(np.float32)
    labels = [";".join(n for n in NAMES if n == "cat" or rng.random() < 0.5) for _ in noise]
    learn = windowed(noise, labels, multi_label=True)
    assert learn.classes == tuple(NAMES)
    plain = {"masks": 0, "mixup": 0, "label_smoothing": 0, "C": 1e-4, "start_share": 0}
    model = fine_tuned(epochs=40, batch_size=16, learning_rate=1e-2, layer_decay=1.0, **plain)
    start = fit(fine_tuned(stop_at=0, **plain), learn, learn)
    assert (start.predict(learn).clips[:, 0] > 0.9).all()  # cat
    fit(model, learn)
    scores = model.predict(learn)
    np.testing.assert_array_equal(scores.clips > 0.5, learn.targets > 0)
    assert scores.clips.sum(axis=1).max() > 2
    model.save(tmp_path)
    np.testing.assert_array_equal(FineTuned.load(tmp_path).predict(learn).clips, scores.clips)
