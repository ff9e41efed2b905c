from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from faunashot.data.corpora.animals_sounds import AnimalsSounds


@pytest.mark.parametrize("outer", ["", "Animals_Sounds", "animals_sounds"])
def test_layout(root: Path, touch: Callable[..., None], outer: str) -> None:
    base = root / outer
    touch(base, "training/CAT/b.wav", "Testing/Cat/b.wav")
    assert list(AnimalsSounds().noise(root)) == []
    touch(base, "NOISE/wind/w.wav", "NOISE/wind/a.txt", "NOISE/rain/r.wav", "NOISE/loose.wav")
    testing, training = AnimalsSounds().clips(root)
    assert (testing.clip_id, testing.fold, testing.label) == ("Testing/Cat/b.wav", "test", "cat")
    assert (training.label, training.fold, training.group) == ("cat", "train", "training/CAT/b")
    assert training.path == (Path(outer) / "training/CAT/b.wav").as_posix()
    assert list(AnimalsSounds().noise(root)) == [base / "NOISE/wind/w.wav"]


@pytest.mark.shared
def test_real_copy(shared: Path) -> None:
    root = shared / "data" / "animals-sounds"
    corpus = AnimalsSounds()
    clips = list(corpus.clips(root))
    assert (len(clips), corpus.problems) == (358, [])
    assert Counter(c.fold for c in clips) == {"train": 308, "test": 50}
    assert len({c.label for c in clips}) == 10
    assert Counter(c.label for c in clips if c.fold == "train")["donkey"] == 15
    assert len({c.group for c in clips}) == 358
    assert len(list(corpus.noise(root))) == 8
