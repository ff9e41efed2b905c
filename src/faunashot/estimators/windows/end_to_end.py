"""A pretrained network fine-tuned end to end, from the linear probe onwards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from faunashot import options
from faunashot.errors import ParameterError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.pooling import MEAN, METHODS
from faunashot.estimators.training.checkpoint import Arrays, Checkpoint, array_hash
from faunashot.estimators.training.classifier import (
    AT_ONCE,
    NetworkClassifier,
    in_parts,
    validated,
)
from faunashot.estimators.training.keras_fit import Fit
from faunashot.estimators.training.layerwise import Drawn, Schedule, as_inputs, recipe
from faunashot.estimators.training.probe import linear_probe, standardising
from faunashot.estimators.training.windows import Windows
from faunashot.progress import say
from faunashot.runtimes.keras_network import (
    LayeredNetwork,
    Network,
    deterministic_tensorflow,
    training_precision,
)

SHARES = (0.75, 0.5, 0.25, 0.0)
"""Shares of the start that are tried on validation clips, beside the start itself."""

FORWARD = 4
"""Times as many windows pass through a network at once where none is trained on."""

EVEN = 0.5
"""Share of the start where nothing chooses it, as the authors of the mean advise."""


class FineTuned(NetworkClassifier):
    """A network that starts as the linear probe of its embedding, then learns as a whole.

    The classifier begins as the logistic regression on the embeddings of the windows as they are,
    unless it is to be drawn. From there Adam trains all layers on windows that are drawn, masked
    and mixed, the lower ones at lower rates; batch normalisation keeps the statistics that it has,
    unless it is to learn them. After each epoch means of the weights then and at the start are
    scored on the validation clips; of all epochs and shares, the start among them, those with the
    lowest loss are kept. Where there is a GPU it trains in half precision.

    Fitting makes TensorFlow deterministic for the whole process, so that a seed gives one result.

    Parameters
    ----------
    seed : int
        Of all that is drawn.
    **settings
        Of `Options`.

    Attributes
    ----------
    classes_ : ndarray of str, shape (C,)
        The classes that it learned, sorted.
    network_ : Network
        Fitted.
    history_ : list of dict
        Facts of each epoch, the start first.
    best_epoch_ : int
        The epoch whose weights are kept.
    best_share_ : float
        The start's share in them.

    References
    ----------
    M. Wortsman et al. Robust fine-tuning of zero-shot models. CVPR 2022: the mean of the weights;
    J. Howard, S. Ruder. Universal language model fine-tuning for text classification. ACL 2018:
    lower rates for lower layers.
    """

    class Options(options.Options):
        """Settings.

        Attributes
        ----------
        learning_rate : float
            Of the classifier, at its peak.
        body_learning_rate : float, optional
            Of the layer under the classifier; `layer_decay` of the classifier's if not given.
        layer_decay : float
            Rate of a layer as a share of that of the layer above it.
        warm_up : float
            Share of the steps in which the rates rise to their peak.
        weight_decay : float
            Share of a kernel that a step at a rate of 1 takes away.
        trained : "all", "head" or int, optional
            Layers that learn: all, the classifier alone, or the classifier and so many layers below
            it; what suits the backbone if not given.
        without_gpu : "same" or "head"
            What learns where there is no GPU: the same, or the classifier alone.
        start : "probe" or "drawn"
            Whether the classifier begins as the logistic regression, or with weights that are
            drawn, on embeddings that are standardised all the same.
        head_epochs : int
            Epochs at the beginning in which the classifier alone learns.
        frozen_batch_norm : bool
            Whether batch normalisation keeps its statistics; else that of layers which are trained
            normalises by those of `batch_size` windows, and learns them.
        pooling : str
            How windows of a clip are pooled, one of `faunashot.estimators.pooling.METHODS`.
        epochs : int
            Length of the schedule.
        stop_at : int, optional
            Epoch after which to end all the same, such as the best one of an earlier fit.
        patience : int
            Epochs without a lower validation loss after which to end.
        batch_size : int
            Windows in memory at once.
        accumulate : int
            Batches whose mean gradient makes one step; where an epoch has fewer, all of them.
        windows_per_clip : int
            Windows that are drawn from each clip in each epoch.
        masks, mask_frames, mask_bands : int
            Of SpecAugment.
        mixup : float
            Alpha of the shares, 0 for none.
        label_smoothing : float
            Share of the target that is spread over all classes.
        start_share : float, optional
            Of the start in the mean of the weights, 0 for the trained ones alone; chosen from
            `SHARES` on the validation clips if not given, and even without them.
        C : float
            Of the logistic regression.
        threads : int
            Of TensorFlow.
        """

        learning_rate: float = Field(3e-4, ge=1e-9)
        body_learning_rate: float | None = Field(None, ge=1e-9)
        layer_decay: float = Field(0.8, ge=0, le=1)
        warm_up: float = Field(0.1, ge=0, le=1)
        weight_decay: float = Field(0.0, ge=0, le=1)
        trained: int | str | None = None
        without_gpu: Literal["same", "head"] = "same"
        start: Literal["probe", "drawn"] = "probe"
        head_epochs: int = Field(0, ge=0)
        frozen_batch_norm: bool = True
        pooling: str = MEAN
        epochs: int = Field(5, ge=1)
        stop_at: int | None = Field(None, ge=0)
        patience: int = Field(3, ge=1)
        batch_size: int = Field(32, ge=1)
        accumulate: int = Field(1, ge=1)
        windows_per_clip: int = Field(4, ge=1)
        masks: int = Field(1, ge=0)
        mask_frames: int = Field(16, ge=0)
        mask_bands: int = Field(8, ge=0)
        mixup: float = Field(0.0, ge=0)
        label_smoothing: float = Field(0.0, ge=0, le=1)
        start_share: float | None = Field(None, ge=0, le=1)
        C: float = Field(0.1, ge=1e-9)
        threads: int = Field(2, ge=1)

        @field_validator("pooling")
        @classmethod
        def _known(cls, pooling: str) -> str:
            if pooling not in METHODS:
                raise ParameterError.unknown("head end_to_end.pooling", pooling, METHODS)
            return pooling

    KIND = "end_to_end"
    options: Options
    head_alone_ = False
    """Whether the classifier alone was trained, for want of a GPU."""

    @property
    def pooling(self) -> str:
        """How windows of a clip are pooled."""
        return self.options.pooling

    @property
    def at_once(self) -> int:
        """As in `NetworkClassifier`: they take less memory there than in training."""
        return min(AT_ONCE, FORWARD * self.options.batch_size)

    def _train(self, learn: Windows, held: Windows | None, context: TrainingContext) -> None:
        if context.backbone is None:
            raise ParameterError(
                "backbone: end_to_end trains a pretrained network, which this one has none of"
            )
        deterministic_tensorflow(self.options.threads)
        import keras

        network = whole = context.backbone().build(len(self.classes_), seed=self.seed)
        self._use(network)
        frozen = self._frozen(network)
        kept = Checkpoint(context.checkpoint, self._made_of(learn, held, frozen))
        state = kept.read()
        alone = self._is_head_on_fixed_inputs(network, frozen)
        if alone or state is None:
            embeddings = self._embedded(network, learn)
        if alone:
            learn = replace(learn, X=embeddings)
            held = held and replace(held, X=self._embedded(network, held))
            network, frozen = network.classifier(), 0
            self._use(network)
        shape = network.model.input_shape[1:]
        settings = {**self.options.model_dump(), "frozen": frozen, "seed": self.seed}
        schedule = Schedule(**{name: settings[name] for name in Schedule._fields})
        batches = Drawn(
            learn, shape, schedule, multi_label=self.multi_label_, marked=network.marked
        )
        callbacks = []
        if held is not None:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    "validation_loss", patience=self.options.patience, mode="min"
                )
            )
        how = recipe(
            network,
            schedule,
            multi_label=self.multi_label_,
            batches=len(batches),
            callbacks=callbacks,
        )
        if state is None:
            for name, value in self._start(embeddings, learn).items():
                network.variables[name].assign(value)
            self.history_ = [{"epoch": 0, "start_share": 1.0, **self._validated(held)}]
        else:
            self.history_ = state.history[:1]
        start = network.arrays() if state is None else state.start
        fit = Fit(
            self, batches, evaluate=lambda: self._best_mean(start, held), context=context, kept=kept
        )
        fit(how, epochs=self._last, state=state)
        self._use(whole)

    def _start(
        self, embeddings: npt.NDArray[np.float32], learn: Windows
    ) -> dict[str, npt.NDArray[Any]]:
        """Variables of the classifier that are set before the first epoch."""
        if self.options.start == "drawn":
            return standardising(embeddings)
        return linear_probe(embeddings, learn, C=self.options.C, multi_label=self.multi_label_)

    def _embedded(self, network: LayeredNetwork, windows: Windows) -> npt.NDArray[np.float32]:
        """Embeddings of windows, shape (N, dim), as the network is now."""
        import tensorflow as tf

        shape = network.model.input_shape[1:]
        embed = tf.function(partial(network.body, training=False)).get_concrete_function(
            tf.TensorSpec([None, *shape])
        )
        return in_parts(
            lambda part: embed(as_inputs(windows.X[part], shape)),
            len(windows.X),
            at_once=self.at_once,
        )

    def _is_head_on_fixed_inputs(self, network: LayeredNetwork, frozen: int) -> bool:
        """Whether embeddings stay as they are in training, so that they need be made only once."""
        masked = self.options.masks > 0 and len(network.model.input_shape) == 3
        return frozen == len(network.layers) - 1 and not masked and self.options.mixup == 0

    def _frozen(self, network: LayeredNetwork) -> int:
        """Lowest layers that stay as they are."""
        below, trained = len(network.layers) - 1, self.options.trained
        if self.options.without_gpu == "head" and training_precision() == "float32":
            trained, self.head_alone_ = "head", True
            _say_head_alone()
        if trained is None:
            return network.frozen
        named = {"all": below, "head": 0}
        layers = named.get(trained, -1) if isinstance(trained, str) else trained
        if not 0 <= layers <= below:
            raise ParameterError(f"trained: {trained}; needs to be all, head, or from 0 to {below}")
        return below - layers

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
        """The epoch and the share that the validation clips chose; where there was no GPU, that."""
        alone = {"trained": "head"} if self.head_alone_ else {}
        return {"best_epoch": self.best_epoch_, "best_share": self.best_share_, **alone}

    @property
    def best_share_(self) -> float:
        """Share of the start in the weights that are kept."""
        return float(self.history_[self.best_epoch_]["start_share"])

    def _use(self, network: Network) -> None:
        tf = deterministic_tensorflow(self.options.threads)
        self.network_ = network
        self._to_logits = tf.function(partial(network.model, training=False)).get_concrete_function(
            tf.TensorSpec([None, *network.model.input_shape[1:]])
        )

    def _architecture(self) -> dict[str, Any]:
        """Layers as Keras writes them: to be served it needs no backbone."""
        network = self.network_
        names = {id(variable): name for name, variable in network.variables.items()}
        return {
            "layers": json.loads(network.model.to_json()),
            "variables": [names[id(variable)] for variable in network.model.variables],
        }

    def _rebuild(self, architecture: Mapping[str, Any]) -> None:
        deterministic_tensorflow(self.options.threads)
        import keras

        layers = json.dumps(architecture["layers"])
        if training_precision() == "float32":  # trained on a GPU, to answer without one
            layers = layers.replace('"mixed_float16"', '"float32"')
        made = keras.models.model_from_json(layers)
        self._use(Network(made, dict(zip(architecture["variables"], made.variables, strict=True))))

    def _logits(self, X: npt.NDArray[np.float32]) -> Any:
        return self._to_logits(as_inputs(X, self.network_.model.input_shape[1:]))

    def _made_of(self, learn: Windows, held: Windows | None, frozen: int) -> dict[str, str]:
        settings = {**self.options.model_dump(exclude={"threads"}), "seed": self.seed}
        settings["frozen"] = frozen
        arrays = [*learn.arrays, self.classes_, *(held.arrays if held else ())]
        return {
            "settings": json.dumps(settings, sort_keys=True),
            "weights": array_hash(self.network_.arrays().values()),
            "windows": array_hash(arrays),
        }

    def _best_mean(self, start: Arrays, held: Windows | None) -> tuple[Arrays, dict[str, Any]]:
        """The mean of the weights with the lowest validation loss; ties go to the larger share."""
        now = self.network_.arrays()
        given = () if self.options.start_share is None else (self.options.start_share,)
        tried = []
        for share in given or (SHARES if held else (EVEN,)):
            own = np.float32(share)
            mean = {name: own * start[name] + (1 - own) * now[name] for name in now}
            self.network_.assign(mean)
            tried.append((mean, {"start_share": share, **self._validated(held)}))
        self.network_.assign(now)
        return min(tried, key=lambda one: one[1].get("validation_loss", 0.0))

    def _validated(self, held: Windows | None) -> dict[str, Any]:
        """Loss and accuracy of the validation clips, where there are any."""
        return {} if held is None else validated(*self._pooled(held), tempered=True)

    @property
    def _last(self) -> int:
        return (
            self.options.epochs
            if self.options.stop_at is None
            else min(self.options.stop_at, self.options.epochs)
        )


@cache  # once, not in every rotation
def _say_head_alone() -> None:
    say(
        "no GPU: the classifier alone is trained, on the embeddings of the network as published "
        "(without_gpu: head); the system with -full in its name trains all the same"
    )
