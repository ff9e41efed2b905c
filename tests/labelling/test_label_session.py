"""Answers of a session, and the corpus that they make."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import soundfile as sf

from faunashot.data.corpora.folder import Folder
from faunashot.errors import AudioError, CorpusError
from faunashot.labelling.clip import PLAYED_PEAK, in_context, spectrogram_png, wav
from faunashot.labelling.corpus import LABELS, LabelledCorpus
from faunashot.labelling.items import Item
from faunashot.labelling.session import Session

RATE = 8000


@pytest.fixture
def items(recording: Path) -> list[Item]:
    return [Item(recording, at, at + 2) for at in (0, 2, 4, 6)]


@pytest.fixture
def session(items: list[Item], tmp_path: Path) -> Session:
    return Session(items, LabelledCorpus(tmp_path / "frogs"), classes=["frog"])


def test_answers_make_a_corpus_that_the_pipeline_reads(session: Session) -> None:
    session.label(0, "noise")
    session.uncertain(1)
    session.label(2, "frog")
    clips = list(Folder().entries(session.corpus.folder))
    assert [clip.label for clip in clips] == ["noise", "frog"]
    assert len({clip.group for clip in clips}) == 1, "clips of one recording are one group"


def test_a_clip_is_the_part_that_was_asked_for(session: Session, recording: Path) -> None:
    session.label(0, "noise")
    clip, rate = sf.read(session.corpus.folder / session.corpus.labelled[0]["path"])
    whole, _ = sf.read(recording)
    assert rate == RATE
    np.testing.assert_allclose(clip, whole[: 2 * RATE], atol=1e-4)


def test_a_later_session_asks_for_what_has_no_answer(session: Session, items: list[Item]) -> None:
    session.label(0, "noise")
    session.skip(1)
    session.uncertain(2)
    later = Session(items, LabelledCorpus(session.corpus.folder))
    assert later.items == [items[1], items[3]]
    assert later.classes == ["noise"]


def test_the_last_answer_can_be_taken_back_with_its_clip(session: Session) -> None:
    session.label(0, "noise")
    session.label(1, "noise")
    (second,) = [row["path"] for row in session.corpus.labelled[1:]]
    session.undo()
    assert session.corpus.counts == {"noise": 1}
    assert not (session.corpus.folder / second).exists()
    assert session.state()["item"]["number"] == 1
    session.uncertain(1)
    session.undo()
    assert session.corpus.uncertain == []
    assert LabelledCorpus(session.corpus.folder).counts == {"noise": 1}


def test_what_was_skipped_comes_back_and_no_answer_is_lost(session: Session) -> None:
    session.label(0, "noise")
    session.skip(1)
    session.undo()
    assert session.state()["item"]["number"] == 1
    assert session.corpus.counts == {"noise": 1}


def test_an_answer_to_another_item_is_refused(session: Session) -> None:
    session.label(0, "noise")
    with pytest.raises(CorpusError, match="another item is asked"):
        session.label(0, "frog")
    assert session.corpus.counts == {"noise": 1}


def test_after_the_last_there_is_no_item(session: Session) -> None:
    for number in range(4):
        session.uncertain(number)
    assert session.state()["item"] is None
    with pytest.raises(CorpusError):
        session.skip(4)


@pytest.mark.parametrize("name", ["", "  ", "a;b", "a\nb", "a\tb"])
def test_what_can_be_no_class_is_refused(session: Session, name: str) -> None:
    with pytest.raises(CorpusError, match="cannot be the name of a class"):
        session.label(0, name)
    assert session.corpus.counts == {}


@pytest.mark.parametrize("name", ['say "hi", frog', "Kauz, großer", "NA", "001"])
def test_names_are_kept_as_they_are(session: Session, name: str) -> None:
    session.label(0, name)
    assert LabelledCorpus(session.corpus.folder).counts == {name: 1}
    assert [clip.label for clip in Folder().entries(session.corpus.folder)] == [name]


def test_a_bad_recording_is_said_and_can_be_skipped(tmp_path: Path, recording: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    silent = tmp_path / "silent.wav"
    sf.write(silent, np.zeros(RATE), RATE)
    asked = [Item(bad), Item(silent), Item(recording, 20, 22)]
    session = Session(asked, LabelledCorpus(tmp_path / "frogs"))
    lines = []
    for number in range(3):
        lines.append(session.state()["item"]["error"])
        with pytest.raises(AudioError):
            session.label(number, "frog")
        session.skip(number)
    assert "silence" in lines[1]
    assert "ends before 20 s" in lines[2]
    assert not (tmp_path / "frogs" / LABELS).exists()


def test_a_full_disk_loses_no_answer(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    session.label(0, "noise")

    def full(file: Path, content: object) -> None:
        raise OSError(28, "No space left on device", str(file))

    monkeypatch.setattr("faunashot.labelling.corpus.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        session.label(1, "frog")
    assert session.corpus.counts == {"noise": 1}
    assert session.state()["item"]["number"] == 1


def test_another_table_of_labels_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / LABELS).write_text("path,label\na.wav,frog\n")
    with pytest.raises(CorpusError, match="not written by `faunashot label`"):
        LabelledCorpus(tmp_path)


def test_an_item_is_played_and_shown_with_what_lies_around_it(recording: Path) -> None:
    context = in_context(Item(recording, 4, 6), context_s=1)
    assert (context.begin_s, context.audio.duration_s) == (3, 4)
    assert context.own.duration_s == 2
    played, rate = sf.read(io.BytesIO(wav(context)))
    assert rate == RATE
    assert np.abs(played).max() == pytest.approx(PLAYED_PEAK, abs=1e-3)
    picture = matplotlib.image.imread(io.BytesIO(spectrogram_png(context)))
    brightness = picture[..., :3].sum(axis=2)
    row = round(len(brightness) * (1 - 1000 / (RATE / 2)))  # 1 kHz, counted from the top
    inside = brightness[:, brightness.shape[1] * 3 // 8 : brightness.shape[1] * 5 // 8]
    assert abs(int(inside.mean(axis=1).argmax()) - row) <= 2


def test_a_spectrogram_ends_where_it_is_asked_to(recording: Path) -> None:
    context = in_context(Item(recording, 4, 6), context_s=0)
    whole, lower = (
        matplotlib.image.imread(io.BytesIO(spectrogram_png(context, fmax_hz=hz)))
        for hz in (None, 2000)
    )
    assert len(lower) == pytest.approx(len(whole) / 2, abs=1)


def test_two_minutes_are_shown_too(tmp_path: Path) -> None:
    file = tmp_path / "long.wav"
    sf.write(file, np.random.default_rng(0).normal(0, 0.1, 130 * RATE), RATE)
    context = in_context(Item(file), context_s=1)
    assert context.end_s == 120
    picture = matplotlib.image.imread(io.BytesIO(spectrogram_png(context)))
    assert picture.shape[1] >= 1000
