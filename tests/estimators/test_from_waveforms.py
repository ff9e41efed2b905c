"""PANNs from the start on short calls: seeded, cut off, saved, on two devices, and learned."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from long_running import LONG
from tiny_panns import RATE, SAMPLES, calls, model, use_tiny
from windowed import of_rows, rows_of, windowed

from faunashot.audio.soundscapes import soundscapes
from faunashot.backbones._panns.front_end import PannsLogMel, PannsLogMel16k
from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.examples import Examples
from faunashot.estimators.pooling import mean_average_precision
from faunashot.estimators.training.panns import waveform_network
from faunashot.estimators.training.sampling import Sampled, Sampling
from faunashot.estimators.training.windows import Windows
from faunashot.estimators.windows.from_waveforms import FromWaveforms

HOW = Sampling(
    steps_per_epoch=30,
    batch_size=8,
    balanced=True,
    mixup=1.0,
    masks=2,
    mask_frames=8,
    mask_bands=4,
    seed=0,
)


def drawn(learn: Examples, how: Sampling = HOW, epoch: int = 1) -> list[Any]:
    windows = Windows.of(learn, learn.classes, read_now=False)
    return list(Sampled(windows, how, shape=(51, 64))(epoch))


def labelled(labels: list[str], counts: list[int], seconds: list[float] | None = None) -> Examples:
    """Clips whose windows hold their own number in every sample."""
    X = np.repeat(np.arange(sum(counts), dtype=np.int16)[:, None], 4, axis=1)
    return windowed(X, labels, counts=counts, seconds=seconds, multi_label=True)


def test_classes_take_turns_and_clips_of_none_are_one_more() -> None:
    learn = labelled(["cat"] * 40 + ["owl"] * 2 + ["cat;hen", ""], [1] * 44)
    batches = drawn(learn)
    assert len(batches) == HOW.steps_per_epoch
    rows = np.concatenate([b.inputs.waveform[:, 0] * 32768 for b in batches]).astype(int)
    assert len(rows) == 240
    times = np.bincount(rows, minlength=44)
    assert times[40:42].sum() == 60  # owls
    assert times[43] == 60
    assert 60 <= times[42] <= 64  # as a hen; as a cat, once or twice
    assert times[:40].min() >= 1
    target = np.concatenate([b.target for b in batches])
    np.testing.assert_array_equal(target, learn.targets[rows])
    plain = drawn(learn, HOW._replace(balanced=False))
    rows = np.concatenate([b.inputs.waveform[:, 0] * 32768 for b in plain]).astype(int)
    assert set(np.bincount(rows, minlength=44)) == {5, 6}


def test_of_a_clip_windows_are_drawn_by_what_they_cover() -> None:
    learn = labelled(["cat", "owl"], [3, 1], [1.0, 1.0, 0.0, 1.0])
    rows = np.concatenate([b.inputs.waveform[:, 0] * 32768 for b in drawn(learn)]).astype(int)
    times = np.bincount(rows, minlength=4)
    assert times[2] == 0
    assert times[3] == times[:2].sum() == 120
    assert 40 < times[0] < 80


def test_what_an_epoch_holds_depends_on_its_number_alone() -> None:
    learn = labelled(["cat", "owl", "owl"], [1, 2, 1])
    for one, other in zip(drawn(learn, epoch=2), drawn(learn, epoch=2), strict=True):
        for ours, theirs in zip((*one.inputs, *one[1:]), (*other.inputs, *other[1:]), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    first, second = (drawn(learn, epoch=epoch)[0].inputs.share for epoch in (1, 2))
    assert not np.array_equal(first, second)
    for batch in drawn(learn):
        for stripes, size, most in ((batch.inputs.frames, 51, 8), (batch.inputs.bands, 64, 4)):
            assert stripes.shape == (8, 2, 2)
            assert (stripes >= 0).all()
            assert (stripes[..., 1] <= most).all()
            assert (stripes.sum(axis=-1) <= size).all()
    assert (drawn(learn, HOW._replace(mixup=0.0))[0].inputs.share == 1).all()


def test_waveforms_are_read_as_they_are_drawn() -> None:
    learn = labelled(["cat", "owl"], [2, 2])

    class Counted:
        shape = rows_of(learn).shape
        asked = 0

        def __getitem__(self, rows: Any) -> np.ndarray:
            Counted.asked += 1
            return rows_of(learn)[rows]

    lazy = replace(learn, features=replace(learn.features, windows=Counted()))
    drawn(lazy)
    assert Counted.asked == HOW.steps_per_epoch


def test_other_features_are_refused_in_a_line() -> None:
    with pytest.raises(ParameterError, match=r"reads waveforms.* not the 4 values of a window"):
        FromWaveforms().fit(labelled(["cat", "owl"], [1, 1]))


def test_mean_average_precision_is_over_classes_that_occur() -> None:
    hit = np.array([[True, False], [False, False], [True, False]])
    assert mean_average_precision(np.array([[0.9, 1], [0.5, 1], [0.1, 1]]), hit) == (1 + 2 / 3) / 2
    assert mean_average_precision(np.zeros((3, 2)), np.zeros((3, 2), dtype=bool)) == 0


@pytest.fixture(scope="module")
def learn() -> Examples:
    return calls(40, seed=0)


@pytest.mark.slow
def test_the_graph_hears_what_the_front_end_does() -> None:
    """In the graph the spectrogram is that of the published networks at either rate."""
    from keras import Input, Model

    from faunashot.estimators.training.panns import _log_mel

    for kind in (PannsLogMel, PannsLogMel16k):
        samples = np.random.default_rng(0).normal(0, 0.1, kind.sample_rate).astype(np.float32)
        inputs = Input((len(samples),))
        found = np.asarray(Model(inputs, _log_mel(inputs, kind.sample_rate))(samples[None]))[0]
        np.testing.assert_allclose(found, kind(hop_s=5.0).log_mel(samples), atol=2e-3)


@pytest.mark.slow
def test_networks_have_the_published_size_and_read_windows_of_any_length() -> None:
    for name, n_trained, n_images in [
        ("panns_mobilenet_v1", 4_796_303, 1),
        ("panns_cnn14", 80_753_615, 1),
        ("panns_resnet38", 73_783_247, 1),
        ("panns_wavegram", 81_065_487, 2),
    ]:
        made = waveform_network(
            name, 527, samples=33_333, rate_hz=32_000, precision="float32", seed=0
        )
        trained = made.model.trainable_variables
        assert sum(int(np.prod(variable.shape)) for variable in trained) == n_trained
        assert made.images.outputs[0].shape == (None, 107, 64, 1)
        assert len(made.images.outputs) == n_images
        assert made.model.output_shape == (None, 527)


class Killed(Exception):
    """Stands for a process that ends."""


@pytest.mark.slow
def test_what_was_cut_off_ends_as_if_it_had_not_been_and_is_kept(
    learn: Examples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_tiny(monkeypatch)
    file = tmp_path / "checkpoint.npz"

    def killed(facts: Any) -> None:
        if facts["epoch"] == 1:
            raise Killed

    whole = model().fit(learn, validation=learn)
    dying = TrainingContext(checkpoint=file, on_epoch=killed)
    with pytest.raises(Killed):
        model().fit(learn, validation=learn, context=dying)
    resumed = model().fit(learn, validation=learn, context=TrainingContext(checkpoint=file))
    assert resumed.history_[2]["learning_rate"] < resumed.history_[0]["learning_rate"]
    for name, array in whole.network_.arrays().items():
        np.testing.assert_array_equal(resumed.network_.arrays()[name], array, err_msg=name)
    other = of_rows(learn, rows_of(learn).copy())
    rows_of(other)[0, 0] += 1
    with pytest.raises(StoreError, match="was written with other windows"):
        model().fit(other, validation=learn, context=TrainingContext(checkpoint=file))

    scores = whole.predict(learn)
    assert whole.best_epoch_ == max(
        (1, 2, 3),
        key=lambda n: (
            whole.history_[n - 1]["validation_map"],
            -whole.history_[n - 1]["validation_loss"],
        ),
    )
    assert FromWaveforms.settled([whole.chosen()]) == {"steps": 2 * whole.best_epoch_}
    whole.save(tmp_path / "model")
    again = FromWaveforms.load(tmp_path / "model").predict(learn)
    np.testing.assert_array_equal(again.clips, scores.clips)
    assert again.classes == ("cat", "frog", "hen", "owl")
    as_floats = of_rows(learn, rows_of(learn).astype(np.float32) / 32768)
    np.testing.assert_array_equal(whole.predict(as_floats).clips, scores.clips)


@pytest.mark.slow
def test_one_label_a_clip_and_bad_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ParameterError, match=r"did you mean 'panns_cnn14'"):
        model(network="panns_cnn15").fit(calls(8, seed=0))
    short = calls(8, seed=0)
    spec = replace(short.features.spec, dim=SAMPLES // 2, window_s=SAMPLES / 2 / RATE)
    cut = replace(short.features, windows=rows_of(short)[:, : SAMPLES // 2], spec=spec)
    with pytest.raises(ParameterError, match=r"reads 0\.32 s or more, not 0\.25"):
        model().fit(replace(short, features=cut))
    use_tiny(monkeypatch)
    fitted = model(steps=40, steps_per_epoch=20, batch_size=16, learning_rate=1e-2)
    found = fitted.fit(calls(40, seed=0, several=False)).predict(calls(40, seed=1, several=False))
    np.testing.assert_allclose(found.clips.sum(axis=1), 1, atol=1e-6)
    assert fitted.history_[-1]["loss"] < fitted.history_[0]["loss"]


@pytest.mark.slow
def test_two_devices_train_as_one_does_and_go_on_to_the_same_bits(tmp_path: Path) -> None:
    here = Path(__file__).parents[1]
    command = [sys.executable, str(here / "two_devices.py"), str(tmp_path)]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(here)}
    )
    assert done.returncode == 0, done.stderr[-3000:]


@LONG
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_mobilenet_learns_animals_that_call_at_once() -> None:
    """From weights that are drawn to a mean average precision of 0.9 on clips not learned from."""
    made = FromWaveforms(
        network="panns_mobilenet_v1",
        steps=300,
        steps_per_epoch=50,
        batch_size=16,
        mask_frames=8,
        patience=2,
    )
    made.fit(calls(400, seed=0), validation=calls(100, seed=1))
    test = calls(200, seed=2)
    assert mean_average_precision(made.predict(test).clips, test.targets > 0) > 0.9


LONG_CLASSES = ("insects", "cow", "rooster")


@pytest.mark.slow
@pytest.mark.timeout(7200)
@LONG
def test_mobilenet_learns_animals_of_synthetic_soundscapes() -> None:
    """The same of three animals in their surroundings, at places that it has not learned from."""
    made = list(soundscapes(2000, classes=LONG_CLASSES, duration_s=1.0, sample_rate=RATE))
    X = np.stack([(one.audio * 32767).round().astype(np.int16) for one in made])
    whole = windowed(X, [one.label for one in made], multi_label=True)
    fold = np.array([one.fold for one in made])
    learn, held, test = (
        whole.select(np.flatnonzero(np.isin(fold, of))) for of in ((1, 2, 3), (4,), (5,))
    )
    fitted = FromWaveforms(
        network="panns_mobilenet_v1",
        steps=700,
        steps_per_epoch=100,
        batch_size=16,
        mixup=0.0,
        mask_frames=16,
        decay=True,
    )
    fitted.fit(learn, validation=held)
    assert mean_average_precision(fitted.predict(test).clips, test.targets > 0) > 0.9
