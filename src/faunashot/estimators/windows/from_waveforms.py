"""PANNs trained from the start on waveforms, of one label a clip or of several."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from pydantic import Field

from faunashot import options
from faunashot.errors import ParameterError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.examples import Examples
from faunashot.estimators.pooling import mean_average_precision
from faunashot.estimators.training.checkpoint import Arrays, Checkpoint, array_hash
from faunashot.estimators.training.classifier import (
    NetworkClassifier,
    Rows,
    validated,
)
from faunashot.estimators.training.keras_fit import Fit, Recipe
from faunashot.estimators.training.losses import cross_entropy
from faunashot.estimators.training.panns import (
    WaveformNetwork,
    as_waveforms,
    augmented,
    waveform_network,
)
from faunashot.estimators.training.sampling import Draws, Sampled, Sampling
from faunashot.estimators.training.windows import Windows
from faunashot.runtimes.devices import copies_on, mirrored
from faunashot.runtimes.keras_network import deterministic_tensorflow, training_precision

EPSILON = 1e-8
"""Of Adam, as the authors of PANNs have it."""


class FromWaveforms(NetworkClassifier):
    """One of the PANNs with weights that are drawn, trained on waveforms as its authors did.

    Log-mel spectrograms are made in the graph, masked (SpecAugment), and mixed with one another
    along with their targets (mixup). Where clips carry several labels the loss is the binary
    cross-entropy of each, else the cross-entropy of all. With validation clips training ends where
    their mean average precision no longer rises, and the best weights are kept; without them it
    lasts all steps.

    On several GPUs each has a copy of the network and an equal part of every batch, which it
    normalises by itself. Fitting makes TensorFlow deterministic for the whole process, so that a
    seed gives one result.

    Parameters
    ----------
    seed : int
        Of all that is drawn.
    **settings
        Of `Options`.

    References
    ----------
    Q. Kong et al. PANNs: Large-scale pretrained audio neural networks for audio pattern
    recognition. IEEE/ACM TASLP 28, 2020.
    """

    class Options(options.Options):
        """Settings; the defaults are those of the paper but for the number of steps.

        Attributes
        ----------
        network : str
            Backbone whose layers it has: panns_cnn14, panns_resnet38, panns_wavegram or
            panns_mobilenet_v1.
        learning_rate : float
            Of Adam.
        decay : bool
            Whether the rate falls to 0 as half a cosine over the steps, which trainings of few
            steps gain from; it stays as it is in the paper.
        steps : int
            Batches to learn from, at most; the last epoch is a whole one.
        steps_per_epoch : int
            Batches after which the validation clips are scored, and the checkpoint is written.
        patience : int
            Epochs without a higher mean average precision of the validation clips after which to
            end.
        batch_size : int
            Windows a step.
        balanced : bool
            Whether classes take turns, however many clips they have.
        mixup : float
            Alpha of the shares, 0 for none.
        masks, mask_frames, mask_bands : int
            Of SpecAugment: so many masks on each axis, so wide at most.
        devices : int, optional
            GPUs, or without one logical CPUs; all GPUs if not given.
        threads : int
            Of TensorFlow.
        """

        network: str = "panns_cnn14"
        learning_rate: float = Field(1e-3, ge=1e-9)
        decay: bool = False
        steps: int = Field(20_000, ge=1)
        steps_per_epoch: int = Field(1_000, ge=1)
        patience: int = Field(5, ge=1)
        batch_size: int = Field(32, ge=2)
        balanced: bool = True
        mixup: float = Field(1.0, ge=0)
        masks: int = Field(2, ge=0)
        mask_frames: int = Field(64, ge=0)
        mask_bands: int = Field(8, ge=0)
        devices: int | None = Field(None, ge=1)
        threads: int = Field(2, ge=1)

    KIND = "from_waveforms"
    packages = ("tensorflow", "librosa")
    options: Options
    network_: WaveformNetwork

    def fit(
        self,
        train: Examples,
        *,
        unlabelled: Examples | None = None,
        validation: Examples | None = None,
        context: TrainingContext | None = None,
    ) -> FromWaveforms:
        """Learn from the windows of clips, which are read as they are drawn; see the base class."""
        spec = train.features.spec
        if spec.dim != round(spec.sample_rate * spec.window_s * spec.time_expansion):
            raise ParameterError(
                f"backbone: {self.KIND} reads waveforms, such as the front end waveform gives, not "
                f"the {spec.dim} values of a window of {spec.backbone}"
            )
        self._facts = {"samples": spec.dim, "rate_hz": spec.sample_rate}
        super().fit(train, unlabelled=unlabelled, validation=validation, context=context)
        return self

    def _windows(self, examples: Examples) -> Windows:
        """As in the base class, but for the waveforms, which stay on disk."""
        return Windows.of(examples, self.classes_, read_now=False)

    def _train(self, learn: Windows, held: Windows | None, context: TrainingContext) -> None:
        deterministic_tensorflow(self.options.threads)
        strategy = mirrored(self.options.devices)
        self._refuse_uneven(1 if strategy is None else strategy.num_replicas_in_sync)
        with copies_on(strategy):
            self._build()
            optimizer = self._adam()
        recipe = Recipe(
            optimizer,
            self.network_.model.trainable_variables,
            partial(cross_entropy, multi_label=self.multi_label_),
            training=True,
            callbacks=[] if held is None else [self._stopping()],
            forward=augmented(self.network_, mixup=self.options.mixup > 0),
            reads=self._reads(),
            strategy=strategy,
        )
        settings = {**self.options.model_dump(), "seed": self.seed}
        how = Sampling(**{name: settings[name] for name in Sampling._fields})
        batches = Sampled(learn, how, shape=self.network_.images.outputs[0].shape[1:3])
        kept = Checkpoint(context.checkpoint, self._made_of(learn, held))
        self.history_ = []
        fit = Fit(self, batches, evaluate=lambda: self._evaluated(held), context=context, kept=kept)
        fit(recipe, epochs=self._epochs, state=kept.read())

    @property
    def _epochs(self) -> int:
        return -(-self.options.steps // self.options.steps_per_epoch)

    def _refuse_uneven(self, devices: int) -> None:
        if self.options.batch_size % devices:
            raise ParameterError(
                f"batch_size: {self.options.batch_size} windows cannot be dealt to {devices} "
                "devices"
            )

    def _adam(self) -> Any:
        from keras import optimizers

        rate: Any = self.options.learning_rate
        if self.options.decay:
            steps = self._epochs * self.options.steps_per_epoch
            rate = optimizers.schedules.CosineDecay(rate, steps)
        optimizer: Any = optimizers.Adam(rate, epsilon=EPSILON, amsgrad=True)
        if training_precision() == "mixed_float16":  # whose small gradients would be 0
            optimizer = optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(self.network_.model.trainable_variables)
        return optimizer

    def _stopping(self) -> Any:
        from keras import callbacks

        patience = self.options.patience
        return callbacks.EarlyStopping("validation_map", mode="max", patience=patience)

    def _reads(self) -> Draws:
        """What a step reads."""
        import tensorflow as tf

        stripes = tf.TensorSpec([None, self.options.masks, 2], tf.int32)
        waveforms = tf.TensorSpec([None, self._facts["samples"]])
        return Draws(waveforms, tf.TensorSpec([None]), stripes, stripes)

    def _evaluated(self, held: Windows | None) -> tuple[Arrays, dict[str, Any]]:
        facts: dict[str, Any] = {}
        if held is not None:
            scores, hit = self._clips(held)
            facts = validated(*self._as_choices(scores, hit), tempered=False)
            facts["validation_map"] = mean_average_precision(scores, hit)
        return self.network_.arrays(), facts

    @property
    def best_epoch_(self) -> int:
        """The epoch whose weights are kept: of the highest validation mAP, or the last."""
        ranked = [
            (facts["validation_map"], -facts["validation_loss"])
            for facts in self.history_
            if "validation_map" in facts
        ]
        return ranked.index(max(ranked)) + 1 if ranked else len(self.history_)

    def chosen(self) -> dict[str, Any]:
        """How many steps had the highest mean average precision of the validation clips."""
        return {"steps": self.best_epoch_ * self.options.steps_per_epoch}

    @classmethod
    def settled(cls, chosen: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The median number of steps, after which no clips need to be held back."""
        return {"steps": int(np.median([facts["steps"] for facts in chosen]))}

    def _build(self) -> None:
        tf = deterministic_tensorflow(self.options.threads)
        self.network_ = waveform_network(
            self.options.network,
            len(self.classes_),
            **self._facts,
            precision=training_precision(),
            seed=self.seed,
        )
        self._to_logits = tf.function(
            partial(self.network_.model, training=False)
        ).get_concrete_function(tf.TensorSpec([None, self._facts["samples"]]))

    @property
    def at_once(self) -> int:
        """As in `NetworkClassifier`: as many windows as in training."""
        return self.options.batch_size

    def _logits(self, X: Rows) -> Any:
        return self._to_logits(as_waveforms(X))

    def _architecture(self) -> dict[str, Any]:
        return self._facts

    def _rebuild(self, architecture: Mapping[str, Any]) -> None:
        self._facts = {name: int(architecture[name]) for name in ("samples", "rate_hz")}
        self._build()

    def _made_of(self, learn: Windows, held: Windows | None) -> dict[str, str]:
        settings = {**self.options.model_dump(exclude={"threads"}), "seed": self.seed}
        arrays = [*learn.arrays, self.classes_, *(held.arrays if held else ())]
        return {
            "settings": json.dumps(settings, sort_keys=True),
            "windows": array_hash(arrays),
        }
