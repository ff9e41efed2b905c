"""Models of the library transformers, hidden states as outputs; safetensors alone are loaded."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faunashot.errors import ParameterError, WeightsError
from faunashot.native import quiet_native
from faunashot.runtimes.graph import FloatArray, Graph, Port, not_installed, refused

SAMPLES = "samples"
"""Name of the one input: waveforms, which the model's own feature extractor takes."""

OF_HEAD = ("logits", "audio_embeds", "embeddings")
"""Outputs of a head; others are of the network below it, which is run alone for them."""

HIDDEN = re.compile(r"hidden_states\.(\d+)")

LISTED = 3
"""Names of weights that a message lists."""

FILES = ("config.json", "preprocessor_config.json", "*.safetensors", "*.safetensors.index.json")
"""What is downloaded of a model: no code, and nothing that would be unpickled."""

OF_TEXT = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.json",
    "merges.txt",
)
"""What is downloaded beside it of one that reads."""


class TransformersGraph(Graph):
    """A model of transformers with its own feature extractor, on one thread.

    Outputs are those that the model names, and ``hidden_states.N``: 0 is what enters the first
    layer, N what leaves layer N.

    Parameters
    ----------
    folder : Path
        With ``config.json``, ``preprocessor_config.json`` and weights in safetensors.
    model_class : str
        Of transformers, such as ``AutoModel`` or ``ClapAudioModelWithProjection``.

    Raises
    ------
    ParameterError
        transformers has no such class.
    WeightsError
        transformers or PyTorch is not installed, the model brings code of its own, which is never
        run, or the weights are of another model.
    """

    any_output = True

    def __init__(self, folder: Path, *, model_class: str) -> None:
        self._folder = folder
        self._torch, transformers = imported()
        self._extract = part_of(folder, transformers.AutoFeatureExtractor)
        self._model = model_of_class(folder, model_class)
        self.sample_rate = getattr(self._extract, "sampling_rate", None)
        self.inputs = [Port(SAMPLES, (None, None))]
        self.outputs = [Port("last_hidden_state"), Port("hidden_states.N")]
        labels = getattr(self._model.config, "id2label", None) or {}
        self.labels = tuple(labels[i] for i in sorted(labels))

    def __call__(
        self, inputs: FloatArray, *, source: str, outputs: Sequence[str]
    ) -> list[FloatArray]:
        """As `Graph.__call__`."""
        of_head = {output in OF_HEAD for output in outputs}
        try:
            fed = self._extract(list(inputs), sampling_rate=self.sample_rate, return_tensors="pt")
            hidden = any(HIDDEN.fullmatch(output) for output in outputs)
            with self._torch.inference_mode():
                made = {
                    head: (self._model if head else self._model.base_model)(
                        **fed, output_hidden_states=hidden, return_dict=True
                    )
                    for head in of_head
                }
        except Exception as error:  # whatever transformers raises
            raise refused(self._folder, "run", error) from error
        return [_output(made[output in OF_HEAD], output) for output in outputs]


def imported() -> tuple[Any, Any]:
    """PyTorch, on one thread, and a quiet transformers.

    Raises
    ------
    WeightsError
        One of them is not installed.
    """
    try:
        with quiet_native():
            import torch
            import transformers
    except ImportError as error:
        raise not_installed("transformers", "torch") from error
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    return torch, transformers


def part_of(folder: Path, kind: Any, **options: Any) -> Any:
    """What a class of transformers loads from a folder, of which no code is run.

    Raises
    ------
    WeightsError
        It cannot be loaded.
    """
    try:
        with quiet_native(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of mel bands that are narrower than a bin
            return kind.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False, **options
            )
    except Exception as error:  # whatever transformers raises
        raise refused(folder, "loaded", error) from error


def model_of_class(folder: Path, model_class: str) -> Any:
    """A model of transformers with the weights of a folder, in single precision, to be run.

    Raises
    ------
    ParameterError
        transformers has no such class.
    WeightsError
        The weights are not there, cannot be loaded, or are of another class.
    """
    _, transformers = imported()
    kind: Any = getattr(transformers, model_class, None)
    if not hasattr(kind, "from_pretrained"):
        names = [n for n in dir(transformers) if n.startswith("AutoModel")]
        raise ParameterError.unknown("model_class", model_class, names)
    model, faults = part_of(folder, kind, use_safetensors=True, output_loading_info=True)
    if missing := sorted(faults["missing_keys"])[:LISTED]:
        raise WeightsError(
            f"{folder.name} holds no weights for {', '.join(missing)}: it was made for another "
            f"class than {model_class}"
        )
    return model.float().eval()


def _output(made: Any, output: str) -> FloatArray:
    """An output of a model by its name; raises `ParameterError` where it has none."""
    found = getattr(made, output, None)
    if layer := HIDDEN.fullmatch(output):
        states, at = getattr(made, "hidden_states", None) or (), int(layer[1])
        found = states[at] if at < len(states) else None
    if found is None:
        raise ParameterError.unknown("output", output, _names(made))
    return np.asarray(found.numpy(), dtype=np.float32)


def _names(made: Any) -> list[str]:
    given = [n for n, value in made.items() if hasattr(value, "numpy")]
    states = range(len(getattr(made, "hidden_states", None) or ()))
    return [*given, *(f"hidden_states.{i}" for i in states)]


def snapshot(model: str, *, revision: str, download: bool, text: bool = False) -> Path | None:
    """Folder of a model of the Hugging Face hub in its own cache.

    Parameters
    ----------
    model : str
        ``owner/name``.
    revision : str
        Commit, branch or tag.
    download : bool
        Whether to bring it where it is not there; else None is given.
    text : bool
        Whether what splits texts into tokens belongs to it.

    Raises
    ------
    WeightsError
        huggingface_hub is not installed, or the model cannot be had.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise not_installed("transformers", "torch") from error
    try:
        return Path(
            snapshot_download(
                model,
                revision=revision or None,
                allow_patterns=[*FILES, *(OF_TEXT if text else ())],
                local_files_only=not download,
            )
        )
    except Exception as error:  # of the network, of the hub and of the cache
        if not download:
            return None
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"{model} cannot be had from huggingface.co ({reason}); bring it into a folder, and "
            f"name that as `weights`, or as {model} in FAUNASHOT_WEIGHTS"
        ) from error
