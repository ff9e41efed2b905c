"""The tower of a model of the library transformers that embeds texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from faunashot.errors import ParameterError, WeightsError
from faunashot.runtimes.graph import FloatArray, refused
from faunashot.runtimes.transformers_graph import imported, model_of_class, part_of
from faunashot.weights.tensors import tensor_among

VOCABULARIES = ("tokenizer.json", "vocab.json")
"""Files of which one holds the tokens that texts are split into."""


class TransformersText:
    """A text model of transformers with its own tokeniser, on one thread.

    Parameters
    ----------
    folder : Path
        With ``config.json``, weights in safetensors, and the files of the tokeniser.
    model_class : str
        Of transformers, such as ``ClapTextModelWithProjection``.

    Raises
    ------
    ParameterError
        transformers has no such class.
    WeightsError
        transformers or PyTorch is not installed, or the folder is of another model.
    """

    def __init__(self, folder: Path, *, model_class: str) -> None:
        self._folder = folder
        self._torch, transformers = imported()
        if not any((folder / name).is_file() for name in VOCABULARIES):
            # transformers would make a tokeniser that knows no word
            raise WeightsError(f"{folder.name} holds none of {', '.join(VOCABULARIES)} for texts")
        self._tokens = part_of(folder, transformers.AutoTokenizer)
        self._model = model_of_class(folder, model_class)

    def embed(self, texts: Sequence[str], *, output: str) -> FloatArray:
        """The output of this name of each text, (P, dim); they are run one by one, none is padded.

        Raises
        ------
        ParameterError
            There is no such output, or a text is longer than the model takes.
        WeightsError
            The model cannot be run on one.
        """
        return np.concatenate([self._embed(text, output) for text in texts])

    def _embed(self, text: str, output: str) -> FloatArray:
        try:
            fed = self._tokens(text, return_tensors="pt")
            n, most = fed["input_ids"].shape[1], self._tokens.model_max_length
            if n > most:
                raise ParameterError(f"a text has {n} tokens, of which {most} are read: {text!r}")
            with self._torch.inference_mode():
                made = self._model(**fed, return_dict=True)
        except ParameterError:
            raise
        except Exception as error:  # whatever transformers raises
            raise refused(self._folder, "run", error) from error
        if output not in made:
            named = [name for name, value in made.items() if hasattr(value, "numpy")]
            raise ParameterError.unknown("text.name", output, named)
        found = np.asarray(made[output].numpy(), dtype=np.float32)
        if found.ndim != 2:
            raise ParameterError(f"text.name: {output} is {found.shape} of a text, not a row")
        return found


def scale_of(folder: Path, name: str) -> float:
    """The exponential of a weight that is one number.

    Raises
    ------
    WeightsError
        There is none of that name, or a file is torn.
    """
    found = tensor_among(sorted(folder.glob("*.safetensors")), name)
    if found is None or found.size != 1:
        raise WeightsError(f"{folder.name} holds no number {name}: text.scale is the name of one")
    return float(np.exp(found).item())
