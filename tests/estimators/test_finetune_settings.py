"""Fine-tuning as published recipes have it: what learns when, and how windows are pooled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_finetune import NAMES, Backbone, Killed, assert_same, clips, fine_tuned, fit

from faunashot.errors import ParameterError, StoreError
from faunashot.estimators.examples import Examples
from faunashot.estimators.pooling import pool
from faunashot.estimators.windows import end_to_end
from faunashot.estimators.windows.end_to_end import FineTuned
from faunashot.runtimes.keras_network import CLASSIFIER

pytestmark = pytest.mark.slow

HEAD = {"masks": 0, "mixup": 0.0}
"""Inputs stay as they are."""


@pytest.fixture(scope="module")
def learn() -> Examples:
    return clips(4, seed=1)


@pytest.fixture(scope="module")
def held() -> Examples:
    return clips(2, seed=2)


def at_start() -> dict[str, np.ndarray]:
    return Backbone().build(3, seed=3).arrays()


def moved(model: FineTuned, *, but: tuple[str, ...] = ()) -> dict[str, float]:
    """By how much each variable differs from the start, at most, where it does."""
    start = at_start()
    by = {name: float(np.abs(a - start[name]).max()) for name, a in model.network_.arrays().items()}
    return {name: most for name, most in by.items() if most > 0 and not name.startswith(but)}


def only_epoch(number: int, **settings) -> FineTuned:
    """Of whose epochs the weights of this one are kept."""
    return fine_tuned(epochs=4, stop_at=number, start_share=0.0, **settings)


def test_the_head_learns_alone_at_first(learn) -> None:
    alone = [fit(only_epoch(number, head_epochs=2), learn) for number in (2, 3)]
    assert not moved(alone[0], but=CLASSIFIER)
    assert "logits/kernel" in moved(alone[0])
    assert moved(alone[1], but=CLASSIFIER)


def test_layers_that_join_later_begin_with_a_whole_step(learn) -> None:
    """Adam's first step is as large as the rate; a later one of moments of 0 would be three."""
    of_one_batch = {"batch_size": 999, "warm_up": 0.0, "layer_decay": 1.0, "mixup": 0.0}
    model = fit(only_epoch(3, head_epochs=2, **of_one_batch), learn)
    rate = model.history_[-1]["learning_rate"]
    steps = moved(model, but=CLASSIFIER)
    assert max(steps.values()) == pytest.approx(rate, rel=0.01)


def test_it_is_resumed_to_the_bit_where_the_others_join(learn, held, tmp_path: Path) -> None:
    settings = {"head_epochs": 2, "accumulate": 2, "start": "drawn", "frozen_batch_norm": False}
    whole = fit(fine_tuned(**settings), learn, held)

    def killed(facts: dict) -> None:
        if facts["epoch"] == 2:
            raise Killed

    file = tmp_path / "checkpoint.npz"
    with pytest.raises(Killed):
        fit(fine_tuned(**settings), learn, held, checkpoint=file, on_epoch=killed)
    assert_same(fit(fine_tuned(**settings), learn, held, checkpoint=file), whole)


def test_a_drawn_head_knows_nothing_to_begin_with(learn) -> None:
    probe, drawn = (fit(fine_tuned(stop_at=0, start=s), learn) for s in ("probe", "drawn"))
    right = learn.labels[:, None] == NAMES
    likely = [np.log(model.predict(learn).clips[right]).mean() for model in (probe, drawn)]
    assert likely[0] > likely[1] + 0.3
    arrays = [model.network_.arrays() for model in (probe, drawn)]
    for name in ("standard/moving_mean", "standard/moving_variance"):
        np.testing.assert_array_equal(arrays[0][name], arrays[1][name])
    np.testing.assert_array_equal(arrays[1]["logits/kernel"], at_start()["logits/kernel"])


def statistics(model: FineTuned) -> set[str]:
    """Layers whose statistics of batch normalisation have changed."""
    ends = ("moving_mean", "moving_variance")
    found = moved(model, but=CLASSIFIER)
    return {name.rpartition("/")[0] for name in found if name.endswith(ends)}


def test_norms_learn_where_they_are_let_and_their_layer_is_trained(learn) -> None:
    every = {name.rpartition("/")[0] for name in at_start() if name.endswith("moving_mean")}
    every -= {"standard"}
    assert statistics(fit(only_epoch(1, frozen_batch_norm=False), learn)) == every
    model = fit(only_epoch(1, frozen_batch_norm=False, trained=1), learn)
    assert set() < statistics(model) < every
    assert not statistics(fit(only_epoch(2, frozen_batch_norm=False, head_epochs=2), learn))
    scaled = fit(fine_tuned(stop_at=0), learn).network_.arrays()["standard/moving_mean"]
    np.testing.assert_array_equal(model.network_.arrays()["standard/moving_mean"], scaled)


def test_clips_are_pooled_as_is_set_when_scored_chosen_and_loaded(learn, held, tmp_path) -> None:
    model = fit(fine_tuned(stop_at=0, pooling="mean_logit"), learn, held)
    plain = fit(fine_tuned(stop_at=0), learn, held)
    model.save(tmp_path)
    for one in (model, FineTuned.load(tmp_path)):
        found = one.predict(held)
        expected = pool(found.windows, held, how="mean_logit")
        np.testing.assert_array_equal(found.clips, expected)
    assert np.abs(found.clips - pool(found.windows, held)).max() > 1e-3
    losses = [one.history_[0]["validation_loss"] for one in (model, plain)]
    assert losses[0] != losses[1]
    with pytest.raises(ParameterError, match=r"end_to_end\.pooling: unknown value 'logit_mean'"):
        fine_tuned(pooling="logit_mean")


def test_a_head_on_inputs_that_stay_learns_the_same_from_their_embeddings(
    learn, held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = fit(fine_tuned(trained="head", **HEAD), learn, held)
    at_once.save(tmp_path)
    loaded = FineTuned.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(held).clips, at_once.predict(held).clips)
    with monkeypatch.context() as patch:
        patch.setattr(FineTuned, "_is_head_on_fixed_inputs", lambda *of: False)
        each_step = fit(fine_tuned(trained="head", **HEAD), learn, held)
    for ours, theirs in zip(at_once.history_, each_step.history_, strict=True):
        assert ours["validation_loss"] == pytest.approx(theirs["validation_loss"], rel=1e-4)
    expected = each_step.network_.arrays()
    assert at_once.network_.arrays().keys() == expected.keys()
    for name, array in at_once.network_.arrays().items():
        np.testing.assert_allclose(array, expected[name], atol=1e-4, err_msg=name)


def test_without_a_gpu_the_head_learns_alone_where_that_is_set(
    learn, held, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    end_to_end._say_head_alone.cache_clear()
    models = [fit(fine_tuned(without_gpu="head", **HEAD), learn, held) for _ in range(2)]
    assert capsys.readouterr().err.count("no GPU: the classifier alone is trained") == 1
    assert not moved(models[0], but=CLASSIFIER)
    assert models[0].chosen()["trained"] == "head"
    monkeypatch.setattr(end_to_end, "training_precision", lambda: "mixed_float16")
    on_gpu = fit(fine_tuned(without_gpu="head", **HEAD, epochs=1), learn, held)
    assert on_gpu.chosen().keys() == {"best_epoch", "best_share"}
    assert not capsys.readouterr().err


def test_a_checkpoint_of_the_head_alone_is_not_gone_on_with_elsewhere(learn, tmp_path) -> None:
    file = tmp_path / "checkpoint.npz"
    fit(fine_tuned(without_gpu="head", epochs=1, **HEAD), learn, checkpoint=file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(end_to_end, "training_precision", lambda: "mixed_float16")
        with pytest.raises(StoreError, match="written with other settings"):
            fit(fine_tuned(without_gpu="head", epochs=1, **HEAD), learn, checkpoint=file)


def test_half_precision_trains_the_head_alone_at_first(learn) -> None:
    backbone = Backbone(precision="mixed_float16")
    model = fit(only_epoch(3, head_epochs=2), learn, backbone=backbone)
    assert all(np.isfinite(facts["loss"]) for facts in model.history_[1:])
    assert moved(model, but=CLASSIFIER)
