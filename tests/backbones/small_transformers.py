"""Models of transformers with a few random weights, and what splits texts into tokens for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RATE = 16_000
SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
LONGEST = 60
"""Tokens of a text."""


def speech(**changed: Any) -> tuple[Any, Any]:
    """A HuBERT of a few thousand parameters, and its feature extractor."""
    import transformers

    return _speech("Hubert", transformers, changed)


def speech_of_wav2vec2(**changed: Any) -> tuple[Any, Any]:
    """A wav2vec 2.0 of the same parts."""
    import transformers

    return _speech("Wav2Vec2", transformers, changed)


def _speech(name: str, transformers: Any, changed: dict[str, Any]) -> tuple[Any, Any]:
    transformers.set_seed(0)
    parts: dict[str, Any] = {
        **SMALL,
        "intermediate_size": 32,
        "conv_dim": (16,) * 7,
        "num_feat_extract_layers": 7,
        "num_conv_pos_embeddings": 16,
        "num_conv_pos_embedding_groups": 4,
    }
    config = getattr(transformers, f"{name}Config")(**parts | changed)
    model = getattr(transformers, f"{name}Model")(config)
    return model, transformers.Wav2Vec2FeatureExtractor()


def spectrogram(
    *, classes: tuple[str, ...] = ("owl", "wren", "frog"), bands: int = 32, **changed: Any
) -> tuple[Any, Any]:
    """An Audio Spectrogram Transformer with classes of its own."""
    import transformers

    transformers.set_seed(1)
    frames = changed.pop("max_length", 128)
    parts: dict[str, Any] = {**SMALL, "intermediate_size": 32, "num_mel_bins": bands}
    config = transformers.ASTConfig(
        **parts | changed, max_length=frames, id2label=dict(enumerate(classes))
    )
    extract = transformers.ASTFeatureExtractor(max_length=frames, num_mel_bins=bands)
    return transformers.ASTForAudioClassification(config), extract


def clap(*, dim: int = 16, mel: dict[str, Any] | None = None, **changed: Any) -> tuple[Any, Any]:
    """A whole CLAP, and its feature extractor; of windows of a second unless `mel` says so.

    Parameters
    ----------
    dim : int
        Of the space of audio and texts.
    mel : dict, optional
        Of the feature extractor.
    **changed
        Of the audio branch.
    """
    import transformers

    transformers.set_seed(2)
    of_second = {
        "feature_size": 16,
        "sampling_rate": RATE,
        "max_length_s": 1,
        "hop_length": 160,
        "frequency_max": 8_000,
    }
    extract = transformers.ClapFeatureExtractor(
        **of_second if mel is None else mel, truncation="rand_trunc"
    )
    parts: dict[str, Any] = {
        "patch_embeds_hidden_size": 8,
        "hidden_size": 32,
        "depths": [1, 1, 1],
        "num_attention_heads": [2, 2, 2],
        "num_hidden_layers": 3,
        "spec_size": 64,
        "num_mel_bins": extract.feature_size,
        "window_size": 2,
        "projection_dim": dim,
    }
    text = {
        **SMALL,
        "intermediate_size": 32,
        "vocab_size": 300,
        "max_position_embeddings": LONGEST + 2,
        "projection_dim": dim,
    }
    config = transformers.ClapConfig(
        audio_config=parts | changed,
        text_config=text,
        projection_dim=dim,
        logit_scale_init_value=18.0,
    )
    return transformers.ClapModel(config), extract


def write_tokeniser(folder: Path) -> None:
    """The files of a RoBERTa tokeniser, of bytes that are never merged."""
    from tokenizers.pre_tokenizers import ByteLevel

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokens = {name: at for at, name in enumerate([*special, *sorted(ByteLevel.alphabet())])}
    (folder / "vocab.json").write_text(json.dumps(tokens), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n", "utf-8")
    facts = {"tokenizer_class": "RobertaTokenizer", "model_max_length": LONGEST}
    (folder / "tokenizer_config.json").write_text(json.dumps(facts), "utf-8")
