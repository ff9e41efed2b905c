"""A pretrained network fine-tuned end to end, from the linear probe onwards."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from faunashot import options
from faunashot.errors import ParameterError
from faunashot.estimators.base import TrainingContext
from faunashot.estimators.training.checkpoint import Arrays, Checkpoint, array_hash
from faunashot.estimators.training.classifier import (
    AT_ONCE,
    NetworkClassifier,
    in_parts,
    validated,
)
from faunashot.estimators.training.keras_fit import Fit
from faunashot.estimators.training.layerwise import Drawn, Schedule, as_inputs, recipe
from faunashot.estimators.training.windows import Windows
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

FAINT = 1e-6
"""Spread of a dimension of embeddings, of the largest, below which it is rounding: made as wide as
the others it would drown them once the network is trained."""

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

    KIND = "end_to_end"
    options: Options

    @property
    def at_once(self) -> int:
        """As in `NetworkClassifier`: they take less memory there than in training."""
        return min(AT_ONCE, FORWARD * self.options.batch_size)

    def _train(self, learn: Windows, held: Windows | None, context: TrainingContext) -> None:
        if context.backbone is None:
            raise ParameterError(
                "backbone: end_to_end trains a pretrained network, which this one has none of"
            )
        tf = deterministic_tensorflow(self.options.threads)
        import keras

        network: LayeredNetwork = context.backbone().build(len(self.classes_), seed=self.seed)
        self._use(network)
        shape = network.model.input_shape[1:]
        embed = tf.function(partial(network.body, training=False)).get_concrete_function(
            tf.TensorSpec([None, *shape])
        )
        kept = Checkpoint(context.checkpoint, self._made_of(learn, held))
        state = kept.read()
        settings = {**self.options.model_dump(), "frozen": self._frozen(network), "seed": self.seed}
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
            embeddings = in_parts(
                lambda part: embed(as_inputs(learn.X[part], shape)),
                len(learn.X),
                at_once=self.at_once,
            )
            self._start_at_probe(embeddings, learn)
            self.history_ = [{"epoch": 0, "start_share": 1.0, **self._validated(held)}]
        else:
            self.history_ = state.history[:1]
        start = network.arrays() if state is None else state.start
        fit = Fit(
            self, batches, evaluate=lambda: self._best_mean(start, held), context=context, kept=kept
        )
        fit(how, epochs=self._last, state=state)

    def _frozen(self, network: LayeredNetwork) -> int:
        """Lowest layers that stay as they are."""
        below, trained = len(network.layers) - 1, self.options.trained
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
        """The epoch and the share that the validation clips chose."""
        return {"best_epoch": self.best_epoch_, "best_share": self.best_share_}

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

    def _made_of(self, learn: Windows, held: Windows | None) -> dict[str, str]:
        settings = {**self.options.model_dump(exclude={"threads"}), "seed": self.seed}
        arrays = [*learn.arrays, self.classes_, *(held.arrays if held else ())]
        return {
            "settings": json.dumps(settings, sort_keys=True),
            "weights": array_hash(self.network_.arrays().values()),
            "windows": array_hash(arrays),
        }

    def _start_at_probe(self, embeddings: npt.NDArray[np.float32], learn: Windows) -> None:
        """Set the classifier to the logistic regression on the embeddings."""
        scaler = StandardScaler().fit(embeddings)
        scaler.scale_[scaler.scale_ < FAINT * scaler.scale_.max()] = 1.0
        kernel, bias = self._probe(scaler.transform(embeddings), learn)
        classifier = {
            "standard/moving_mean": scaler.mean_,
            "standard/moving_variance": scaler.scale_**2,
            "logits/kernel": kernel.T,
            "logits/bias": bias,
        }
        for name, value in classifier.items():
            self.network_.variables[name].assign(value)

    def _probe(self, X: npt.NDArray[Any], learn: Windows) -> tuple[Any, Any]:
        """Weights, shape (C, dim), and biases, shape (C,), of the logistic regression.

        Where clips carry several labels there is one a class.
        """
        probe = LogisticRegression(C=self.options.C, tol=1e-3, max_iter=5000)
        if self.multi_label_:
            kernel, bias = np.zeros((len(self.classes_), X.shape[1])), np.zeros(len(self.classes_))
            for at, target in enumerate(learn.target.T):
                if target.all():  # no clip is without it
                    bias[at] = np.log(2 * len(target) + 1)
                else:
                    probe.fit(X, target, sample_weight=learn.share)
                    kernel[at], bias[at] = probe.coef_[0], probe.intercept_[0]
            return kernel, bias
        probe.fit(X, learn.target.argmax(axis=1), sample_weight=learn.share)
        kernel, bias = probe.coef_, probe.intercept_
        if len(kernel) == 1:  # two classes share one plane
            kernel, bias = np.stack([-kernel[0], kernel[0]]) / 2, np.stack([-bias[0], bias[0]]) / 2
        return kernel, bias

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
