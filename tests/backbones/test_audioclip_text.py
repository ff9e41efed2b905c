"""AudioCLIP's texts: tokens by a made-up table of merges, and a small transformer."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from faunashot.backbones._audioclip.text import TextTransformer
from faunashot.backbones._audioclip.tokens import MERGES, Tokeniser, read_merges
from faunashot.backbones.base import HasText, load
from faunashot.errors import ParameterError, WeightsError

LEARNED = [
    ("o", "g</w>"),
    ("d", "og</w>"),
    ("i", "n"),
    ("'", "s</w>"),
    ("in", "in"),
    ("1", "2</w>"),
]
WIDTH, DIM = 128, 8


@pytest.fixture(scope="module")
def tokens() -> Tokeniser:
    return Tokeniser(LEARNED)


def spelt(tokens: Tokeniser, text: str) -> list[str]:
    """The tokens of a text, without its start and end."""
    names = {number: name for name, number in tokens._numbers.items()}
    row = list(tokens([text])[0])
    end = row.index(tokens.end)
    assert row[0] == tokens.start
    assert not any(row[end + 1 :])
    return [names[number] for number in row[1:end]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a DOG", "a</w> dog</w>"),
        ("  dog\n\tdog ", "dog</w> dog</w>"),
        ("dogin", "d o g i n</w>"),
        ("inining", "inin in g</w>"),
        ("dog's dog\u2019s", "dog</w> 's</w> dog</w> 's</w>"),
        ("'s!'s", "'s</w> ! '</w> s</w>"),
        ("12", "1</w> 2</w>"),
        ("dog12&amp;amp;!?", "dog</w> 1</w> 2</w> & ! ?</w>"),
        ("e\u0301", "Ã ©</w>"),
        ("", ""),
    ],
)
def test_words_become_tokens(tokens, text: str, expected: str) -> None:
    assert spelt(tokens, text) == expected.split()


def test_a_text_that_is_too_long_is_refused(tokens) -> None:
    assert tokens(["dog " * 75]).shape == (1, 77)
    with pytest.raises(ParameterError, match=r"'dog dog .* has 76 tokens, at most 75 fit"):
        tokens(["bird", "dog " * 76])


def merges_file(folder: Path, n: int = 48_894) -> Path:
    lines = ["version", *(" ".join(pair) for pair in LEARNED)]
    lines += [f"x{at} y" for at in range(n - len(LEARNED))]
    file = folder / MERGES.name
    file.write_bytes(gzip.compress("\n".join([*lines, "not used"]).encode()))
    return file


def test_the_published_table_is_read_as_far_as_clip_used_it(tmp_path) -> None:
    tokens = Tokeniser(read_merges(merges_file(tmp_path)))
    assert (tokens.start, tokens.end) == (49_406, 49_407)
    assert spelt(tokens, "dog") == ["dog</w>"]
    assert list(tokens(["a!"])[0, :4]) == [49_406, 320, 256, 49_407]


def test_another_table_is_refused(tmp_path) -> None:
    with pytest.raises(WeightsError, match="has 101 merges of CLIP's 48894"):
        read_merges(merges_file(tmp_path, 100))
    whole = merges_file(tmp_path)
    whole.write_bytes(whole.read_bytes()[:-2_000])
    with pytest.raises(WeightsError, match=r"16e6\.txt\.gz cannot be read"):
        read_merges(whole)


def text_tensors(n_tokens: int, *, blocks: int = 2) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {
        "positional_embedding": (77, WIDTH),
        "text_projection": (WIDTH, DIM),
        "token_embedding.weight": (n_tokens, WIDTH),
        "ln_final.weight": (WIDTH,),
        "ln_final.bias": (WIDTH,),
    }
    for at in range(blocks):
        block = f"transformer.resblocks.{at}"
        for name, out, width in (
            ("attn.in_proj_", 3 * WIDTH, WIDTH),
            ("attn.out_proj.", WIDTH, WIDTH),
            ("mlp.c_fc.", 4 * WIDTH, WIDTH),
            ("mlp.c_proj.", WIDTH, 4 * WIDTH),
        ):
            shapes |= {f"{block}.{name}weight": (out, width), f"{block}.{name}bias": (out,)}
        for norm in ("ln_1", "ln_2"):
            shapes |= {f"{block}.{norm}.weight": (WIDTH,), f"{block}.{norm}.bias": (WIDTH,)}
    rng = np.random.default_rng(0)
    return {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes.items()}


def test_a_token_sees_those_before_it_alone() -> None:
    network = TextTransformer(text_tensors(50))
    row = np.array([48, 3, 7, 9, 49, 0, 0])
    hidden = network.hidden(row)
    assert hidden.shape == (5, WIDTH)
    other = network.hidden(np.array([48, 3, 7, 8, 49, 5, 5]))
    np.testing.assert_array_equal(other[:3], hidden[:3])
    assert np.abs(other[3:] - hidden[3:]).max(axis=1).min() > 0.01
    np.testing.assert_array_equal(
        network.embed(np.array([row, row[::1]]))[1:], network.embed(row[None])
    )


def test_attention_is_the_softmax_of_each_head() -> None:
    tensors = text_tensors(50, blocks=1)
    x = np.random.default_rng(1).normal(size=(4, WIDTH)).astype(np.float32)
    given = TextTransformer(tensors)._attention(x, "transformer.resblocks.0.attn")
    kernel, bias = (
        tensors[f"transformer.resblocks.0.attn.in_proj_{n}"] for n in ("weight", "bias")
    )
    query, key, value = np.split(x @ kernel.T + bias, 3, axis=1)
    mixed = np.zeros((4, WIDTH))
    for head in range(0, WIDTH, 64):
        of = slice(head, head + 64)
        for at in range(4):
            shares = np.exp(key[: at + 1, of] @ query[at, of] / 8)
            mixed[at, of] = shares @ value[: at + 1, of] / shares.sum()
    out, bias = (tensors[f"transformer.resblocks.0.attn.out_proj.{n}"] for n in ("weight", "bias"))
    np.testing.assert_allclose(given, mixed @ out.T + bias, atol=1e-5)


def test_texts_are_embedded(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FAUNASHOT_WEIGHTS", str(merges_file(tmp_path).parent))
    save_file(text_tensors(49_408), tmp_path / "small.safetensors")
    made: Any = load("audioclip", weights=str(tmp_path / "small.safetensors"))
    assert isinstance(made, HasText)
    prompts = ["a dog", "a dog barks in the rain", "A DOG"]
    embedded = made.embed_text(prompts)
    assert (embedded.shape, embedded.dtype) == ((3, DIM), np.float32)
    np.testing.assert_array_equal(embedded[0], embedded[2])
    assert np.abs(embedded[0] - embedded[1]).max() > 0.01
    np.testing.assert_array_equal(made.embed_text(prompts[1:2]), embedded[1:2])
    assert made.embed_text([]).shape == (0, DIM)


@pytest.mark.parametrize(("kept", "scale"), [(3.0, np.exp(3)), (5.0, 100.0), (-1.0, 1.0)])
def test_cosines_are_scaled_as_was_trained(tmp_path, kept: float, scale: float) -> None:
    tensors = {"ln_final.bias": np.zeros(1, np.float32)}
    for name, more in (("with", {"logit_scale_at": np.array(kept, np.float32)}), ("without", {})):
        save_file(tensors | more, tmp_path / f"{name}.safetensors")
    made: Any = load("audioclip", weights=str(tmp_path / "with.safetensors"))
    assert made.text_scale == pytest.approx(scale)
    other: Any = load("audioclip", weights=str(tmp_path / "without.safetensors"))
    assert other.text_scale == 100


def test_missing_tensors_of_the_text_branch_are_named() -> None:
    tensors = text_tensors(50)
    del tensors["transformer.resblocks.1.mlp.c_fc.bias"]
    with pytest.raises(WeightsError, match=r"lack transformer\.resblocks\.1\.mlp\.c_fc\.bias"):
        TextTransformer(tensors).hidden(np.array([48, 3, 49]))
    with pytest.raises(WeightsError, match="no text transformer"):
        TextTransformer({"audio.fc.weight": np.zeros((2, 2))})
