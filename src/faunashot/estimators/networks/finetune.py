"""YAMNet fine-tuned end to end on log-mel patches, from the linear probe onwards."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.progress import Progress
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from faunashot.backbones.yamnet.network import (
    CLASSIFIER,
    PATCH,
    YAMNET,
    Blocks,
    LayeredNetwork,
    yamnet_network,
)
from faunashot.errors import ParameterError
from faunashot.estimators.networks.base import deterministic_tensorflow
from faunashot.estimators.networks.checkpoint import (
    Arrays,
    Checkpoint,
    State,
    array_hash,
)
from faunashot.estimators.networks.classifier import NetworkClassifier, in_parts, validated
from faunashot.estimators.networks.end_to_end import Schedule, Training, as_patches, precision
from faunashot.estimators.networks.windows import Windows

SHARES = (0.75, 0.5, 0.25, 0.0)
"""Shares of the start that are tried on validation clips, beside the start itself."""

EVEN = 0.5
"""Share of the start where nothing chooses it, as the authors of the mean advise."""


class FineTuned(NetworkClassifier):
    """A network that starts as the linear probe of its embedding, then learns as a whole.

    The classifier begins as the logistic regression on the embeddings of the windows as they are.
    From there Adam trains all layers on windows that are drawn, masked and mixed, the lower ones
    at lower rates; batch normalisation keeps the statistics that it has. After each epoch means of
    the weights then and at the start are scored on the validation clips; of all epochs and shares,
    the start among them, those with the lowest loss are kept.

    Fitting makes TensorFlow deterministic for the whole process, so that a seed gives one result.

    Parameters
    ----------
    learning_rate : of the classifier, at its peak.
    layer_decay : rate of a layer as a share of that of the layer above it.
    frozen : lowest layers that stay as they are.
    epochs : length of the schedule.
    stop_at : epoch after which to end all the same, such as the best one of an earlier fit.
    patience : epochs without a lower validation loss after which to end.
    batch_size : windows a step.
    windows_per_clip : windows that are drawn from each clip in each epoch.
    masks, mask_frames, mask_bands : of SpecAugment.
    mixup : alpha of the shares, 0 for none.
    label_smoothing : share of the target that is spread over all classes.
    start_share : of the start in the mean of the weights, 0 for the trained ones alone; chosen
        from `SHARES` on the validation clips if not given, and even without them.
    C : of the logistic regression.
    blocks : stride and filters of the network's layers.
    threads : of TensorFlow.
    seed : of all that is drawn.

    Attributes
    ----------
    classes_ : labels, sorted.
    network_ : the fitted network.
    history_ : facts of each epoch, the start first.
    best_epoch_, best_share_ : the epoch whose weights are kept, and the start's share in them.

    References
    ----------
    M. Wortsman et al. Robust fine-tuning of zero-shot models. CVPR 2022: the mean of the weights;
    J. Howard, S. Ruder. Universal language model fine-tuning for text classification. ACL 2018:
    lower rates for lower layers.
    """

    KIND = "end_to_end"
    NEEDS = "initial"
    RANGES = (
        ("learning_rate C", 1e-9, np.inf),
        ("epochs patience batch_size windows_per_clip", 1, np.inf),
        ("stop_at masks mask_frames mask_bands mixup threads", 0, np.inf),
        ("layer_decay label_smoothing start_share", 0, 1),
    )

    network_: LayeredNetwork

    def __init__(
        self,
        learning_rate: float = 3e-4,
        layer_decay: float = 0.8,
        frozen: int = 5,
        epochs: int = 5,
        stop_at: int | None = None,
        patience: int = 3,
        batch_size: int = 32,
        windows_per_clip: int = 4,
        masks: int = 1,
        mask_frames: int = 16,
        mask_bands: int = 8,
        mixup: float = 0.0,
        label_smoothing: float = 0.0,
        start_share: float | None = None,
        C: float = 0.1,
        blocks: Blocks = YAMNET,
        threads: int = 2,
        seed: int = 0,
    ) -> None:
        self.learning_rate = learning_rate
        self.layer_decay = layer_decay
        self.frozen = frozen
        self.epochs = epochs
        self.stop_at = stop_at
        self.patience = patience
        self.batch_size = batch_size
        self.windows_per_clip = windows_per_clip
        self.masks = masks
        self.mask_frames = mask_frames
        self.mask_bands = mask_bands
        self.mixup = mixup
        self.label_smoothing = label_smoothing
        self.start_share = start_share
        self.C = C
        self.blocks = blocks
        self.threads = threads
        self.seed = seed

    def fit(
        self,
        X: npt.NDArray[np.float32],
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        groups: npt.ArrayLike | None = None,
        *,
        validation: Windows | None = None,
        initial: Mapping[str, npt.NDArray[Any]] | None = None,
        checkpoint: Path | None = None,
        on_epoch: Callable[[dict[str, Any]], None] = lambda facts: None,
    ) -> FineTuned:
        """Fit on patches, (N, 6144).

        Parameters
        ----------
        groups : id of the clip of each window.
        validation : windows to choose epoch and share on; without them, the last epoch is kept.
        initial : variables of the pretrained network by name; drawn from `seed` if not given.
        checkpoint : file that is written after each epoch, and resumed from if it is there.
        on_epoch : is told the facts of each epoch, once its checkpoint is written.

        Raises
        ------
        ParameterError
            A setting is out of range, there are fewer than two classes, or the loss is no longer
            finite.
        WeightsError
            `initial` is of another network.
        StoreError
            The checkpoint is damaged, or was written with other settings, weights or windows.
        """
        self._refuse_out_of_range()
        if not 0 <= self.frozen <= len(self.blocks):
            raise ParameterError(
                f"frozen: {self.frozen}; needs to lie from 0 to {len(self.blocks)}"
            )
        learn = Windows(X, y, sample_weight, groups)
        self.classes_, target = np.unique(np.asarray(y), return_inverse=True)
        self._refuse_one_class()
        self._build()
        if initial is not None:
            self.network_.assign(initial, but=CLASSIFIER)
        kept = Checkpoint(checkpoint, self._made_of(learn, validation))
        state = kept.read()
        settings = self.get_params()
        schedule = Schedule(**{name: settings[name] for name in Schedule._fields})
        training = Training(self.network_, learn, target, schedule)
        if state is None:
            self._start_at_probe(learn)
            self.history_ = [{"epoch": 0, "start_share": 1.0, **self._validated(validation)}]
            start = best = self.network_.arrays()
        else:
            start, best, self.history_ = state.start, state.best, state.history
            self.network_.assign(state.network)
            training.resume(state.optimizer)
        quiet = not sys.stderr.isatty()
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
            seen = bar.add_task("fine-tuning", total=self._last, completed=len(self.history_) - 1)
            while not self._is_over():
                facts = training.epoch(len(self.history_))
                now = self.network_.arrays()
                mean, of_mean = self._best_mean(start, now, validation)
                facts |= of_mean
                self.history_.append(facts)
                if self.best_epoch_ == facts["epoch"]:
                    best = mean
                self.network_.assign(now)
                kept.write(State(now, start, best, training.state(), self.history_))
                bar.advance(seen)
                on_epoch(facts)
        self.network_.assign(best)
        return self

    @property
    def best_epoch_(self) -> int:
        """The epoch whose weights are kept."""
        if "validation_loss" not in self.history_[0]:
            return len(self.history_) - 1
        return int(np.argmin([facts["validation_loss"] for facts in self.history_]))

    @classmethod
    def settled(cls, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The median epoch and share, with which no clips need to be held back."""
        return {
            "stop_at": int(np.median([facts["best_epoch"] for facts in chosen])),
            "start_share": float(np.median([facts["best_share"] for facts in chosen])),
        }

    def chosen(self) -> dict[str, Any]:
        """The epoch and the share that the validation clips chose."""
        return {"best_epoch": self.best_epoch_, "best_share": self.best_share_}

    @property
    def best_share_(self) -> float:
        """Share of the start in the weights that are kept."""
        return float(self.history_[self.best_epoch_]["start_share"])

    def _build(self) -> None:
        tf = deterministic_tensorflow(self.threads)
        network = yamnet_network(
            len(self.classes_), blocks=self.blocks, seed=self.seed, precision=precision()
        )
        self.network_ = network
        self._to_logits, self._to_embedding = (
            tf.function(partial(part, training=False)).get_concrete_function(
                tf.TensorSpec([None, *PATCH])
            )
            for part in (network.model, network.body)
        )

    def _logits(self, X: npt.NDArray[np.float32]) -> Any:
        return self._to_logits(as_patches(X))

    def _made_of(self, learn: Windows, validation: Windows | None) -> dict[str, str]:
        settings = {k: v for k, v in self.get_params().items() if k != "threads"}
        parts = [learn, *([Windows(*validation)] if validation else [])]
        return {
            "settings": json.dumps(settings, sort_keys=True),
            "weights": array_hash(self.network_.arrays().values()),
            "windows": array_hash(array for part in parts for array in part),
        }

    def _start_at_probe(self, learn: Windows) -> None:
        """Set the classifier to the logistic regression on the embeddings."""
        embeddings = in_parts(lambda X: self._to_embedding(as_patches(X)), learn.X)
        scaler = StandardScaler().fit(embeddings)
        probe = LogisticRegression(C=self.C, tol=1e-3, max_iter=5000)
        probe.fit(scaler.transform(embeddings), learn.y, sample_weight=learn.weight)
        kernel, bias = probe.coef_, probe.intercept_
        if len(kernel) == 1:  # two classes share one plane
            kernel, bias = np.stack([-kernel[0], kernel[0]]) / 2, np.stack([-bias[0], bias[0]]) / 2
        classifier = {
            "standard/moving_mean": scaler.mean_,
            "standard/moving_variance": scaler.scale_**2,
            "logits/kernel": kernel.T,
            "logits/bias": bias,
        }
        for name, value in classifier.items():
            self.network_.variables[name].assign(value)

    def _best_mean(
        self, start: Arrays, now: Arrays, validation: Windows | None
    ) -> tuple[Arrays, dict[str, Any]]:
        """The mean of the weights with the lowest validation loss; ties go to the larger share."""
        given = () if self.start_share is None else (self.start_share,)
        tried = []
        for share in given or (SHARES if validation else (EVEN,)):
            own = np.float32(share)
            mean = {name: own * start[name] + (1 - own) * now[name] for name in now}
            self.network_.assign(mean)
            tried.append((mean, {"start_share": share, **self._validated(validation)}))
        return min(tried, key=lambda one: one[1].get("validation_loss", 0.0))

    def _validated(self, validation: Windows | None) -> dict[str, Any]:
        """Loss and accuracy of the validation clips, where there are any."""
        if validation is None:
            return {}
        return validated(*self._pooled(Windows(*validation)), tempered=True)

    @property
    def _last(self) -> int:
        return self.epochs if self.stop_at is None else min(self.stop_at, self.epochs)

    def _is_over(self) -> bool:
        done = len(self.history_) - 1
        return done >= self._last or done - self.best_epoch_ >= self.patience
