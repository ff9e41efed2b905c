"""Networks trained from scratch on log-mel spectrograms of a small corpus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from faunashot import options
from faunashot.audio.melspec import FLOOR_DB, FRAMES, N_MELS
from faunashot.errors import ParameterError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.networks import NETWORKS
from faunashot.estimators.training.batches import Augmentation, Epochs, inputs_of
from faunashot.estimators.training.checkpoint import Arrays, Checkpoint, array_hash
from faunashot.estimators.training.classifier import NetworkClassifier, validated
from faunashot.estimators.training.keras_fit import Fit, Recipe
from faunashot.estimators.training.losses import class_weights, focal_loss, kinds, smoothed
from faunashot.estimators.training.windows import Windows
from faunashot.runtimes.keras_network import deterministic_tensorflow

PLATEAU = {"mode": "min", "factor": 0.5, "patience": 3, "min_delta": 0, "min_lr": 1e-6}
"""The learning rate is halved after three epochs without a lower validation loss."""

OPTIMIZERS = ("adam", "adamw")


class FromScratch(NetworkClassifier):
    """A network whose weights are drawn, then trained on spectrograms that are augmented.

    With validation clips the learning rate falls where their loss does, training ends early, and
    the weights with the lowest loss are kept; without them it lasts all epochs.

    Fitting makes TensorFlow deterministic for the whole process, so that a seed gives one result.

    Parameters
    ----------
    seed : int
        Of all that is drawn.
    **settings
        Of `Options`.
    """

    class Options(options.Options):
        """Settings.

        Attributes
        ----------
        network : str
            One of `networks.NETWORKS`.
        optimizer : "adam" or "adamw"
            Of the latter `weight_decay` does not pass through the moments.
        learning_rate : float
            At the start.
        schedule : bool
            Whether it falls on a plateau.
        early_stopping : bool
            Whether training ends after `patience` epochs without a lower validation loss, with the
            best weights; else it lasts all `epochs`, and the last ones are kept.
        batch_size : int
            Windows a step.
        passes : int
            How often each window is seen in an epoch, augmented each time anew.
        class_weights : "none", "inverse" or "effective"
            See `training.losses.class_weights`.
        focal_gamma : float
            Of the focal loss, 0 for cross-entropy.
        label_smoothing : float
            Share of the target that is spread over all classes.
        noise : "none", "naive" or "calibrated"
            How noise is mixed in, see `audio.augment`.
        noise_share : float
            Share of the clips of an epoch that are mixed with noise.
        masks, mask_frames, mask_bands : int
            Of SpecAugment: at most so many masks, at least one, on each axis, so wide at most.
        mixup : float
            Alpha of the shares, 0 for none.
        gain_db : float
            Level that is added or taken away, at most.
        shift : bool
            Whether a clip begins at a drawn frame of its input.
        crop_frames : int
            A longer clip is cut to so many frames, at a drawn place; 0 for none.
        z_norm, pcen : bool
            Of what the network reads, see `audio.melspec.normalised`.
        threads : int
            Of TensorFlow.
        """

        network: str = "cnn1d"
        optimizer: str = "adam"
        learning_rate: float = Field(1e-3, ge=1e-9)
        weight_decay: float = Field(1e-4, ge=0)
        schedule: bool = True
        early_stopping: bool = True
        epochs: int = Field(60, ge=1)
        patience: int = Field(6, ge=1)
        batch_size: int = Field(32, ge=1)
        passes: int = Field(1, ge=1)
        class_weights: str = "inverse"
        focal_gamma: float = Field(0.0, ge=0)
        label_smoothing: float = Field(0.0, ge=0, le=1)
        noise: str = "none"
        noise_share: float = Field(0.5, ge=0, le=1)
        masks: int = Field(0, ge=0)
        mask_frames: int = Field(24, ge=0)
        mask_bands: int = Field(16, ge=0)
        mixup: float = Field(0.0, ge=0)
        gain_db: float = Field(0.0, ge=0)
        shift: bool = False
        crop_frames: int = Field(0, ge=0, le=FRAMES)
        z_norm: bool = True
        pcen: bool = False
        threads: int = Field(2, ge=1)

    KIND = "from_scratch"
    options: Options

    def _train(self, learn: Windows, held: Windows | None, context: TrainingContext) -> None:
        _refuse_silence(learn.X)
        self._build()
        noise = context.noise()
        batches = self._epochs(learn, noise)
        kept = Checkpoint(context.checkpoint, self._made_of(learn, held, noise))
        self.history_ = []
        fit = Fit(self, batches, evaluate=lambda: self._evaluated(held), context=context, kept=kept)
        fit(self._recipe(stops=held is not None), epochs=self.options.epochs, state=kept.read())

    def _evaluated(self, held: Windows | None) -> tuple[Arrays, dict[str, Any]]:
        facts = {} if held is None else validated(*self._pooled(held), tempered=False)
        return self.network_.arrays(), facts

    def _recipe(self, *, stops: bool) -> Recipe:
        """How each step changes the network; `stops` where there are validation clips."""
        from keras import callbacks, optimizers

        if self.options.optimizer == "adam":
            optimizer = optimizers.Adam(self.options.learning_rate)
        else:
            optimizer = optimizers.AdamW(
                self.options.learning_rate, weight_decay=self.options.weight_decay
            )
        variables = self.network_.model.trainable_variables
        optimizer.build(variables)
        used = []
        if stops and self.options.schedule:
            used.append(callbacks.ReduceLROnPlateau("validation_loss", **PLATEAU))
        if (
            stops and self.options.early_stopping
        ):  # the best weights are kept with the state of dropout
            used.append(
                callbacks.EarlyStopping(
                    "validation_loss", mode="min", patience=self.options.patience
                )
            )
        loss = partial(focal_loss, gamma=self.options.focal_gamma, multi_label=self.multi_label_)
        return Recipe(optimizer, variables, loss, training=True, callbacks=used)

    @property
    def best_epoch_(self) -> int:
        """The epoch whose weights are kept: of the lowest validation loss, or the last."""
        known = [facts.get("validation_loss") for facts in self.history_]
        if None in known or not self.options.early_stopping:
            return len(known)
        return int(np.argmin(np.asarray(known, dtype=float))) + 1

    def _epochs(self, learn: Windows, noise: npt.NDArray[np.float32] | None) -> Epochs:
        target = learn.target
        of_class = class_weights(target, balance=self.options.class_weights, weight=learn.weight)
        of_row = (target @ of_class) / np.maximum(target.sum(axis=1), 1)  # the mean of its classes'
        settings = {**self.options.model_dump(), "seed": self.seed}
        return Epochs(
            learn.X,
            kinds(target),
            smoothed(target, self.options.label_smoothing, multi_label=self.multi_label_),
            learn.weight * np.where(target.any(axis=1), of_row, np.float32(1)),
            noise=noise,
            how=Augmentation(**{name: settings[name] for name in Augmentation._fields}),
            any_length=self._any_length,
        )

    def _build(self) -> None:
        if self.options.optimizer not in OPTIMIZERS:
            raise ParameterError.unknown("optimizer", self.options.optimizer, OPTIMIZERS)
        tf = deterministic_tensorflow(self.options.threads)
        self.network_ = NETWORKS[self.options.network]().with_weights(
            len(self.classes_), seed=self.seed
        )
        frames = self.network_.model.input_shape[1]
        self._any_length = frames is None
        if self.options.crop_frames and not self._any_length:
            raise ParameterError(
                f"crop_frames: {self.options.network} reads {frames} frames, no fewer"
            )
        read = tf.TensorSpec([None, frames, N_MELS])
        self._to_logits = tf.function(
            lambda inputs: self.network_.model(inputs, training=False)
        ).get_concrete_function(read)

    def _logits(self, X: npt.NDArray[np.float32]) -> Any:
        how = {
            "z_norm": self.options.z_norm,
            "pcen": self.options.pcen,
            "any_length": self._any_length,
        }
        return self._to_logits(inputs_of(X, **how))

    def _rebuild(self, architecture: Mapping[str, Any]) -> None:
        self._build()

    def _made_of(
        self, learn: Windows, held: Windows | None, noise: npt.NDArray[np.float32] | None
    ) -> dict[str, str]:
        settings = {**self.options.model_dump(exclude={"threads"}), "seed": self.seed}
        arrays = [*learn.arrays, self.classes_, *(held.arrays if held else ())]
        return {
            "network": self.options.network,
            "settings": json.dumps(settings, sort_keys=True),
            "windows": array_hash(arrays),
            "noise": array_hash([noise if self.options.noise != "none" else None]),
        }


def _refuse_silence(X: npt.NDArray[np.float32]) -> None:
    if all(float(np.max(X[at])) <= FLOOR_DB for at in range(len(X))):
        raise ParameterError("all clips are silent: there is nothing to learn")
