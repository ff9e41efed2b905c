from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from faunashot.data.corpora import create
from faunashot.data.corpora.demo import Demo, generate
from faunashot.errors import CorpusError

Make = Callable[[str, Path], None]
synth = pytest.importorskip("faunashot.audio.synth")


def test_background_is_no_class(root: Path, make: Make) -> None:
    make("demo", root)
    for corpus in (Demo(), create("demo"), create("demo", classes="animals")):
        assert [clip.label for clip in corpus.clips(root)] == ["cow", "dog"]
    assert [clip.label for clip in Demo(classes=["background"]).clips(root)] == ["background"]
    assert list(Demo().noise(root)) == [root / "audio/background-1.ogg"]
    table = (root / "clips.csv").read_text("utf-8").splitlines(keepends=True)
    (root / "clips.csv").write_text("".join(row for row in table if "background" not in row))
    assert list(Demo().noise(root)) == []


def test_rows_without_a_file_are_reported(root: Path, make: Make) -> None:
    make("demo", root)
    (root / "audio/dog-1.ogg").unlink()
    corpus = Demo()
    assert [clip.clip_id for clip in corpus.clips(root)] == ["cow-1"]
    assert corpus.problems == [("dog-1.ogg", "in clips.csv, but not in audio/")]


def test_generate(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    generate(one, 12)
    generate(other, 12)
    files = sorted(path.relative_to(one) for path in one.rglob("*.*"))
    assert len(files) == 13
    assert all((one / file).read_bytes() == (other / file).read_bytes() for file in files)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]
    clips = list(Demo().clips(one))
    assert {clip.label for clip in clips} == set(Demo.class_sets["animals"])
    assert len(clips) + len(list(Demo().noise(one))) == 12


def test_generated_files_hold_what_was_synthesised(root: Path) -> None:
    generate(root, 3, seed=7)
    for made in synth.recordings(3, seed=7):
        audio, sample_rate = soundfile.read(root / "audio" / made.name, dtype="float32")
        assert (sample_rate, audio.shape) == (made.sample_rate, made.audio.shape)
        error_db = 10 * np.log10(np.mean((audio - made.audio) ** 2) / np.mean(made.audio**2))
        assert error_db < -6


def test_generate_leaves_nothing_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(n_clips: int, *, seed: int) -> object:
        yield first
        raise KeyboardInterrupt

    first = next(synth.recordings(1))
    monkeypatch.setattr(synth, "recordings", failing)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "demo", 3)
    assert list(tmp_path.iterdir()) == []


def test_generate_does_not_write_over_anything(root: Path, make: Make) -> None:
    make("demo", root)
    with pytest.raises(CorpusError, match="move it away"):
        generate(root, 1)


def test_fetch_generates_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def fake(root: Path, n_clips: int) -> None:
        calls.append(n_clips)
        root.mkdir()
        (root / "clips.csv").write_text("")

    monkeypatch.setattr("faunashot.data.corpora.demo.generate", fake)
    for _ in range(2):
        Demo().fetch(tmp_path / "demo")
    assert calls == [200]
