"""What could be labelled next: as the model hears it, and not what has a label already."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from faunashot.errors import CorpusError, ParameterError, StoreError
from faunashot.estimators.examples import Examples
from faunashot.estimators.head import make_head
from faunashot.features.spec import FeatureSpec
from faunashot.features.store import Features
from faunashot.recogniser import Recogniser
from faunashot.search.candidates import candidates, joined_for
from faunashot.search.known import Known
from faunashot.systems.record import BackboneRecord, TrainedSystem

SPEC = FeatureSpec("made-up", "1", "w" * 64, 16000, 1.0, 1.0, 3, layer="top")


@pytest.fixture
def recogniser() -> Recogniser:
    rng = np.random.default_rng(0)
    X = np.vstack([rng.normal(at, 0.3, (6, 3)) for at in ([1, 0, 0], [0, 1, 0])]).astype("f4")
    head = make_head("prototype").fit(Examples.of_rows(X, ["owl"] * 6 + ["wren"] * 6))
    made = BackboneRecord(name="made-up", layer="top", options={}, weights_hash="w" * 64)
    record = TrainedSystem(
        estimator=head.KIND, backbones=[made], classes=["owl", "wren"], learned_from=["a.wav"]
    )
    return Recogniser(head, record)


@pytest.fixture
def features() -> Features:
    rng = np.random.default_rng(1)
    index = pd.DataFrame(
        {
            "clip_id": np.repeat(["b.wav", "a.wav", "c.wav", "d.wav"], 3),
            "start_s": np.tile([0.0, 1.0, 2.0], 4),
            "end_s": np.tile([1.0, 2.0, 3.0], 4),
        }
    )
    return Features(rng.random((12, 3)).astype("f4"), index, SPEC)


def test_windows_and_recordings_have_the_scores_of_the_model(recogniser, features) -> None:
    known = Known.of_clips(recogniser.record.learned_from)
    by_window = candidates(features, recogniser, by="window", known=known, root="night/")
    assert set(by_window.table["file"]) == {f"night/{name}.wav" for name in "abcd"}
    assert by_window.table.loc[by_window.table["known"], "file"].unique().tolist() == [
        "night/a.wav"
    ]
    row = by_window.table.index[
        (by_window.table["file"] == "night/c.wav") & (by_window.table["start_s"] == 1)
    ][0]
    of_c = Features(features.windows[6:9], features.index.iloc[6:9].reset_index(drop=True), SPEC)
    assert by_window.probabilities[row] == pytest.approx(recogniser.scores(of_c).windows[1])
    assert by_window.embeddings[np.array([row])] == pytest.approx(features.windows[[7]])
    by_recording = candidates(features, recogniser, by="recording", known=known)
    assert len(by_recording.table) == 4
    of_c_row = by_recording.table.index[by_recording.table["file"] == "c.wav"][0]
    assert by_recording.probabilities[of_c_row] == pytest.approx(recogniser.scores(of_c).clips[0])
    assert by_recording.table["end_s"].tolist() == [3.0] * 4


@pytest.mark.parametrize("strategy", ["uncertainty", "diversity", "both", "random"])
def test_what_is_suggested_has_no_label(recogniser, features, strategy: str) -> None:
    known = Known.of_clips(["a.wav"])
    known.spans["b.wav"] = [(0.5, 1.0)]
    found = candidates(features, recogniser, by="window", known=known)
    chosen = found.suggested(8, strategy=strategy)
    keys = set(zip(chosen["file"], chosen["start_s"], strict=True))
    assert len(keys) == 8
    assert "a.wav" not in {file for file, _ in keys}
    assert ("b.wav", 0.0) not in keys
    with pytest.raises(ParameterError, match="--n 9: there are 8 to choose from beside 4"):
        found.suggested(9, strategy=strategy)


def test_features_of_another_backbone_are_a_line(recogniser, features) -> None:
    other = Features(features.windows, features.index, FeatureSpec("x", "2", "v", 1, 1, 1, 3))
    with pytest.raises(StoreError, match=r"reads features of made-up .*, and these are of x 2"):
        joined_for(recogniser, [other])
    none = Features(features.windows[:0], features.index.iloc[:0], SPEC)
    with pytest.raises(StoreError, match="hold no window"):
        joined_for(recogniser, [none])
    assert joined_for(recogniser, [other, features]) is features


def test_known_by_hash_by_source_and_by_the_tables_of_label(tmp_path: Path) -> None:
    clips = pd.DataFrame(
        {"clip_id": ["x", "y", "z"], "group": ["one", "one", "two"], "sha256": ["h1", "h2", "h3"]}
    )
    known = Known.of_clips(["x"], clips)
    assert known.of_recordings(["x", "y", "z", "q"], {"q": "h1"}).tolist() == [
        True,
        True,
        False,
        True,
    ]
    folder = tmp_path / "frogs"
    folder.mkdir()
    header = "path,label,group,file,start_s,end_s,labelled_at\n"
    (folder / "labels.csv").write_text(header + "a.flac,frog,n.wav,n.wav,5.0,10.0,\n")
    (folder / "uncertain.csv").write_text(header + ",,m.wav,m.wav,0.0,,\n")
    (folder / "a.flac").write_bytes(b"sound")
    known.add(folder)
    assert known.overlap("n.wav", 9.5, 10.5)
    assert not known.overlap("n.wav", 10.0, 11.0)
    assert known.overlap("m.wav", 100.0, 101.0)
    assert len(known.sha256) == 2
    (tmp_path / "whole.csv").write_text("path;label\nq.wav;owl\n")
    known.add(tmp_path / "whole.csv")
    assert "q.wav" in known.files


def test_a_recording_is_known_however_its_name_is_written(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = f"path,label\n{tmp_path}/night/whole.wav,owl\n"
    (tmp_path / "whole.csv").write_text(whole)
    (tmp_path / "part.csv").write_text("file,start_s,end_s\nnight/../night/part.wav,5,10\n")
    known = Known()
    known.add(tmp_path / "whole.csv")
    known.add(tmp_path / "part.csv")
    names = ["night/whole.wav", "./night//whole.wav", "night/part.wav"]
    assert known.of_recordings(names, {}).tolist() == [True, True, False]
    assert known.overlap(f"{tmp_path}/night/part.wav", 9, 11)


@pytest.mark.parametrize(
    ("content", "lack"), [("name\nx\n", "no column file or path"), ("file,start_s\nx,y\n", "row 2")]
)
def test_a_table_that_says_nothing_of_files_is_a_line(tmp_path: Path, content, lack) -> None:
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(CorpusError, match=lack):
        Known().add(tmp_path / "t.csv")
    with pytest.raises(CorpusError, match="there is no such"):
        Known().add(tmp_path / "none")
