"""Tables of other programs: Raven, BirdNET-Analyzer, Kaleidoscope, Audacity, DCASE, crowsetta."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.formats.base import RecordingInfo
from faunashot.annotations.reading import read_all, read_events
from faunashot.annotations.table import as_table
from faunashot.errors import AnnotationError, ParameterError

BIRDNET = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
    "Common Name\tSpecies Code\tConfidence\tBegin Path\tFile Offset (s)\n"
)
RAVEN = "\t".join(
    ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)",
     "High Freq (Hz)", "Species\n"]
)  # fmt: skip
WITH_VIEWS = RAVEN + (
    "1\tWaveform 1\t1\t10.5\t11.5\t0.0\t24000.0\tfrog\n"
    "1\tSpectrogram 1\t1\t10.5\t11.5\t900.0\t1500.0\tfrog\n"
    "2\tSpectrogram 1\t1\t20.0\t21.0\t900.0\t1500.0\towl\n"
    "2\tSpectrogram 1\t2\t20.0\t21.0\t900.0\t1500.0\towl\n"
    "3\tWaveform 1\t1\t30.0\t31.0\t0.0\t24000.0\towl\n"
)


def write(file: Path, content: str | bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def events(*rows: tuple[str, float, float, str]) -> pd.DataFrame:
    return as_table(
        {"file": file, "start_s": start, "end_s": end, "label": label}
        for file, start, end, label in rows
    )


def spans(found: pd.DataFrame) -> list[tuple]:
    return list(found[["file", "start_s", "end_s", "label"]].itertuples(index=False, name=None))


def test_a_selection_counts_once_in_however_many_views_and_channels(tmp_path: Path) -> None:
    found = read_events(write(tmp_path / "a.Table.1.selections.txt", WITH_VIEWS))
    assert spans(found) == [("a", 10.5, 11.5, "frog"), ("a", 20, 21, "owl"), ("a", 30, 31, "owl")]
    assert found["low_hz"].tolist() == [900, 900, 0]


def test_birdnets_table_of_several_files_is_read_by_file_offset(tmp_path: Path) -> None:
    rows = (
        "1\tSpectrogram 1\t1\t3.0\t6.0\t0\t15000\tTawny Owl\ttawowl1\t0.87\tC:\\n\\a.wav\t3.0\n"
        "2\tSpectrogram 1\t1\t603.0\t606.0\t0\t15000\tTawny Owl\ttawowl1\t0.5\tC:\\n\\b.wav\t3.0\n"
    )
    found = read_events(write(tmp_path / "BirdNET_SelectionTable.txt", BIRDNET + rows))
    assert spans(found) == [("C:/n/a.wav", 3, 6, "Tawny Owl"), ("C:/n/b.wav", 3, 6, "Tawny Owl")]
    assert found["score"].tolist() == [0.87, 0.5]


def test_birdnets_row_for_nothing_is_no_event(tmp_path: Path) -> None:
    row = "1\tSpectrogram 1\t1\t0\t3\t0\t15000\tnocall\tnocall\t1.0\tnight/a.wav\t0\n"
    write(tmp_path / "a.BirdNET.selection.table.txt", BIRDNET + row)
    found = read_all([tmp_path])
    assert (len(found.events), found.recordings) == (0, ["night/a.wav"])


@pytest.mark.parametrize(
    ("content", "file"),
    [
        ("Start (s),End (s),Scientific name,Common name,Confidence,File\n"
         "3.0,6.0,Strix aluco,Tawny Owl,0.87,n/a.wav\n", "n/a.wav"),
        ("INDIR,FOLDER,IN FILE,OFFSET,DURATION,scientific_name,common_name,confidence\n"
         "/d,n,a.wav,3.0,3.0,Strix aluco,Tawny Owl,0.87\n", "a.wav"),
        ("filename\tonset\toffset\tevent_label\na.wav\t3.0\t6.0\tTawny Owl\n", "a.wav"),
        ("audio_file;start_time;end_time;annotation\na.wav;3.0;6.0;Tawny Owl\n", "a.wav"),
        ("start,end,species\n3,6,Tawny Owl\n", "t"),
        ("\ufeffstart_s,end_s,label\r\n3,6,Tawny Owl\r\n", "t"),
    ],
)  # fmt: skip
def test_csv_of_others(tmp_path: Path, content: str, file: str) -> None:
    found = read_events(write(tmp_path / "t.csv", content))
    assert spans(found) == [(file, 3, 6, "Tawny Owl")]


def test_audacity_with_bands_points_and_scores(tmp_path: Path) -> None:
    lines = "1.0\t1.0\tpoint\n\\\t6928.4\t-1.0\n2.0\t2.5\t\n3\t6\tStrix aluco, Tawny Owl\t0.8700\n"
    found = read_events(write(tmp_path / "a.labels.txt", lines))
    assert spans(found)[0] == ("a", 1, 1, "point")
    assert found["low_hz"][0] == pytest.approx(6928.4)
    assert pd.isna(found["high_hz"][0])
    assert found["label"].tolist() == ["point", "", "Strix aluco, Tawny Owl"]
    assert found["score"].tolist()[2] == 0.87


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings_of_windows(tmp_path: Path, codec: str) -> None:
    text = RAVEN + "1\tSpectrogram 1\t1\t1.0\t2.0\t0\t8000\tGrünspecht\n"
    file = write(tmp_path / "a.txt", text.replace("\n", "\r\n").encode(codec))
    assert read_events(file)["label"].tolist() == ["Grünspecht"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (RAVEN + "1\tS\t1\t1.0\tx\t0\t1\tfrog\n", r"line 2: 'x' is no number \(end_s\)"),
        (RAVEN + "1\tS\t1\t5.0\t1.0\t0\t1\tfrog\n", "line 2: from 5 s to 1 s is no span"),
        (RAVEN + "\n1\tS\t1\t-1\t1.0\t0\t1\tfrog\n", "line 3: from -1 s to 1 s is no span"),
        (RAVEN + "1\tS\t1\t1\t\t0\t1\tfrog\n", r"line 2: '' is no number \(end_s\)"),
        (RAVEN + "1\tS\t1\t1,5\t2,5\t0\t1\tfrog\n", "line 2: '1,5' is no number"),
        (RAVEN + "1\tS\t1\t1\t2\t0\t1\tfrog\tgreen\n", "line 2: 9 cells, but 8 in the header"),
        (RAVEN.replace("Species", "Notes"), "no column 'label'; it has Selection, View"),
        (BIRDNET + "1\tS\t1\t1\t2\t0\t1\tx\tx\t.5\ta.wav\t?\n", r"line 2: '\?' is no number"),
        ("start,end,label\n1,2\n", "line 2: 2 cells, but 3 in the header"),
        ("a dog barks\n", "no table of events of any format"),
        ("PK\x03\x04", "a spreadsheet or an archive: save it as CSV"),
        ("1\t2\tfrog\nowl\n", "line 2: no beginning and end between tabs"),
        ('{"collection_type": "dataset"}', "soundevent cannot read it"),
        ("label,onset_s,offset_s,notated_path,annot_path,sequence,annotation\nfrog,x,1,a,b,0,0\n",
         "crowsetta cannot read it"),
        ("PAR1 and no more", "no Parquet file that can be read"),
    ],
)  # fmt: skip
def test_a_bad_table_is_one_line_and_the_others_are_read(
    tmp_path: Path, text: str, line: str
) -> None:
    bad = write(tmp_path / "bad.txt", text)
    with pytest.raises(AnnotationError, match=line) as raised:
        read_events(bad)
    assert str(raised.value).startswith(f"{bad}: ")
    assert "\n" not in str(raised.value)
    good = write(tmp_path / "good.txt", "1.0\t2.0\tfrog\n")
    found = read_all([bad, good])
    assert spans(found.events) == [("good", 1, 2, "frog")]
    assert [name for name, _ in found.problems] == [str(bad)]


def test_raven_runs_on_over_several_recordings(tmp_path: Path) -> None:
    table = events(("n/a.wav", 1, 2, "frog"), ("n/c.wav", 3, 4.5, "owl"))
    silent = {name: RecordingInfo(600.0, 48000) for name in ("n/a.wav", "n/b.wav", "n/c.wav")}
    file = tmp_path / "all.selections.txt"
    ANNOTATION_FORMATS["raven"]().write(table, file, recordings=silent)
    raw = pd.read_csv(file, sep="\t")
    assert raw["Begin Time (s)"].tolist() == [1, 1203]
    assert raw["End Time (s)"].tolist() == [2, 1204.5]
    assert raw["File Offset (s)"].tolist() == [1, 3]
    assert raw["Begin File"].tolist() == ["a.wav", "c.wav"]
    assert raw["High Freq (Hz)"].tolist() == [24000, 24000]
    assert spans(read_events(file)) == spans(table)


def test_raven_of_several_recordings_needs_their_lengths(tmp_path: Path) -> None:
    table = events(("a.wav", 1, 2, "frog"), ("b.wav", 3, 4.5, "owl"))
    with pytest.raises(ParameterError, match=r"the length of a\.wav has to be given"):
        ANNOTATION_FORMATS["raven"]().write(table, tmp_path / "all.txt")


TRUTH = events(("a.wav", 1.25, 2.5, 'say "hi", frog'), ("a.wav", 3, 4.5, "owl\twl"))


def test_crowsetta_opens_our_selection_tables(tmp_path: Path) -> None:
    crowsetta = pytest.importorskip("crowsetta")
    file = tmp_path / "a.selections.txt"
    ANNOTATION_FORMATS["raven"]().write(TRUTH, file)
    boxes = crowsetta.formats.bbox.Raven.from_file(file).to_bbox()
    assert [(b.onset, b.offset, b.label) for b in boxes] == [
        (1.25, 2.5, 'say "hi", frog'), (3, 4.5, "owl%09wl"),
    ]  # fmt: skip


def test_crowsetta_opens_our_labels(tmp_path: Path) -> None:
    crowsetta = pytest.importorskip("crowsetta")
    file = tmp_path / "a.labels.txt"
    ANNOTATION_FORMATS["audacity"]().write(TRUTH, file)
    sequence = crowsetta.formats.seq.AudSeq.from_file(file).to_seq()
    assert sequence.onsets_s.tolist() == [1.25, 3]
    ANNOTATION_FORMATS["audacity"]().write(TRUTH.assign(low_hz=900.0, high_hz=1500.0), file)
    boxes = crowsetta.formats.bbox.AudBBox.from_file(file).to_bbox()
    assert [(b.onset, b.low_freq, b.high_freq) for b in boxes] == [
        (1.25, 900, 1500),
        (3, 900, 1500),
    ]


def test_we_open_crowsettas_examples(tmp_path: Path) -> None:
    crowsetta = pytest.importorskip("crowsetta")
    for name, example, format_ in (
        ("raven", "Recording1", "Raven"),
        ("audacity", "spinetail.txt", "AudBBox"),
    ):
        path = Path(crowsetta.example(example, return_path=True))
        options = {"annot_col": "Species"} if name == "raven" else {}
        boxes = getattr(crowsetta.formats.bbox, format_).from_file(path, **options).to_bbox()
        found = read_events(path)
        assert len(found) == len(boxes) > 0
        assert found["label"].tolist() == [box.label for box in boxes]
        assert found["start_s"].tolist() == pytest.approx([box.onset for box in boxes])
        assert found["high_hz"].tolist() == pytest.approx([box.high_freq for box in boxes])


def test_soundevent_opens_our_aoef(tmp_path: Path) -> None:
    soundevent = pytest.importorskip("soundevent")
    file = tmp_path / "a.soundevent.json"
    known = {"a.wav": RecordingInfo(10.0, 48000), "b.wav": RecordingInfo(10.0, 48000)}
    scored = TRUTH.assign(score=[0.25, 0.75])
    ANNOTATION_FORMATS["soundevent"]().write(scored, file, recordings=known)
    clips = soundevent.io.load(file).clip_predictions
    assert [len(clip.sound_events) for clip in clips] == [2, 0]
    assert clips[0].sound_events[0].tags[0].tag.value == 'say "hi", frog'
    ANNOTATION_FORMATS["soundevent"]().write(TRUTH, file, recordings=known)
    assert len(soundevent.io.load(file).clip_annotations) == 2
    assert read_all([file]).recordings == ["a.wav", "b.wav"]
