from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from unicodedata import normalize

import pytest

from faunashot.data.corpora.folder import Folder
from faunashot.errors import CorpusError, ParameterError

Make = Callable[[str, Path], None]
Touch = Callable[..., None]
WriteTable = Callable[..., None]


def test_class_folders(root: Path, touch: Touch) -> None:
    touch(root, "owl/a.wav", "owl/deep/er/b.xyz", "wren/c", "loose.wav", ".git/d.wav")
    touch(root / "owl", "notes.txt", "cover.PNG", ".DS_Store", "Thumbs.db", ".hidden/e.wav")
    clips = list(Folder().clips(root))
    assert [clip.path for clip in clips] == ["owl/a.wav", "owl/deep/er/b.xyz", "wren/c"]
    assert [clip.label for clip in clips] == ["owl", "owl", "wren"]
    assert all(clip.fold is None and clip.group == clip.path == clip.clip_id for clip in clips)


def test_links_in_a_loop(root: Path, make: Make) -> None:
    make("folder", root)
    (root / "owl/again").symlink_to(root / "owl", target_is_directory=True)
    (root / "owl/all").symlink_to(root, target_is_directory=True)
    (root / "wren/self").symlink_to("self")
    corpus = Folder()
    paths = {clip.path for clip in corpus.clips(root)}
    reasons = dict(corpus.problems)
    assert "owl/three.mp3" in paths
    # owl/all leads to the recordings of wren too, so these have two labels
    assert "more than one label: owl, wren" in reasons["wren/two.flac"]
    assert "owl/all/wren/two.flac" in reasons


def test_a_class_that_is_a_link(root: Path, make: Make, tmp_path: Path, touch: Touch) -> None:
    make("folder", root)
    touch(tmp_path, "elsewhere/x.wav")
    (root / "kite").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert [clip.path for clip in Folder(classes=["kite"]).clips(root)] == ["kite/x.wav"]


def test_a_recording_linked_into_two_classes(root: Path, make: Make) -> None:
    make("folder", root)
    os.link(root / "owl/three.mp3", root / "wren/three.mp3")
    corpus = Folder()
    assert [clip.path for clip in corpus.clips(root)] == ["wren/2024/one.wav", "wren/two.flac"]
    reason = "it has more than one label: owl, wren"
    assert corpus.problems == [("owl/three.mp3", reason), ("wren/three.mp3", reason)]


def test_a_dangling_link_and_a_pipe_do_not_stop(root: Path, make: Make) -> None:
    make("folder", root)
    (root / "owl/gone.wav").symlink_to(root / "nowhere.wav")
    os.mkfifo(root / "owl/pipe.wav")
    corpus = Folder()
    assert len(list(corpus.clips(root))) == 3
    assert dict(corpus.problems) == {
        "owl/gone.wav": "No such file or directory",
        "owl/pipe.wav": "it is not a file",
    }


def test_a_name_that_is_no_text(root: Path, make: Make) -> None:
    make("folder", root)
    try:
        (root / os.fsdecode(b"owl/caf\xe9.wav")).write_text("")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    corpus = Folder()
    assert len(list(corpus.clips(root))) == 3
    assert [reason for _, reason in corpus.problems] == ["its name is not valid text: rename it"]


@pytest.mark.parametrize("name", ["labels.csv", "birds.csv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_table(root: Path, touch: Touch, name: str, delimiter: str) -> None:
    touch(root, "a.wav", "in/b.wav")
    lines = [
        "\ufeffPath,Label,Fold,Group",
        "in/b.wav, great owl ,2,night",
        r"in\..\a.wav,wren,,",
        "",
    ]
    text = "\n".join(lines).replace(",", delimiter)
    (root / name).write_text(text, encoding="utf-8")
    wren, owl = Folder().clips(root)
    assert (owl.path, owl.label, owl.fold, owl.group) == ("in/b.wav", "great owl", "2", "night")
    assert (wren.path, wren.label, wren.fold, wren.group) == ("a.wav", "wren", None, "a.wav")


def test_bad_rows_do_not_stop(root: Path, touch: Touch, write_table: WriteTable) -> None:
    touch(root, "a.wav", "b.wav", "c.wav", "d.wav", "e.wav")
    touch(root.parent, "secret.wav")
    write_table(
        root / "labels.csv",
        ("path", "label", "fold"),
        ("a.wav", "owl", 1),
        ("a.wav", "owl", 1),
        ("b.wav", "owl", 1),
        ("./b.wav", "wren", 1),
        ("c.wav", "", 1),
        ("", "owl", 1),
        ("gone.wav", "owl", 1),
        ("../secret.wav", "owl", 1),
        (root / "a.wav", "owl", 1),
        (r"C:\a.wav", "owl", 1),
        ("d.wav", "owl", 1),
        ("d.wav", "owl", 2),
        ("e.wav",),
    )
    corpus = Folder()
    assert [clip.path for clip in corpus.clips(root)] == ["a.wav"]
    outside = "the path is absolute or leaves the corpus' folder"
    assert dict(corpus.problems) == {
        "b.wav": "it has more than one label: owl, wren",
        "c.wav": "it has no label in labels.csv",
        "labels.csv, row 7": "it has no path",
        "gone.wav": "No such file or directory",
        "../secret.wav": outside,
        str(root / "a.wav"): outside,
        r"C:\a.wav": outside,
        "d.wav": "its rows do not agree on its fold, group or salience",
        "e.wav": "it has no label in labels.csv",
    }
    assert len(corpus.problems) == 9


def test_a_named_table_below_the_root(root: Path, touch: Touch, write_table: WriteTable) -> None:
    touch(root, "audio/a.wav")
    rows = [("path", "label"), ("../audio/a.wav", "owl"), ("../../a.wav", "owl")]
    write_table(root / "meta/t.csv", *rows)
    corpus = Folder(table="meta/t.csv")
    assert [clip.path for clip in corpus.clips(root)] == ["audio/a.wav"]
    assert [path for path, _ in corpus.problems] == ["../../a.wav"]
    for table in ("t.csv", "../t.csv", str(root / "meta/t.csv")):
        with pytest.raises(CorpusError, match=r"corpora\.folder\.table"):
            list(Folder(table=table).clips(root))


def test_several_tables_are_none(root: Path, make: Make, touch: Touch) -> None:
    make("folder", root)
    touch(root, "one.csv", "two.csv")
    assert len(list(Folder().clips(root))) == 3


def test_nothing_that_can_be_used(root: Path, write_table: WriteTable) -> None:
    write_table(root / "labels.csv", ("path", "label"), ("gone.wav", "owl"))
    with pytest.raises(CorpusError, match=r"table labels\.csv; first: gone\.wav: No such file"):
        list(Folder().clips(root))
    write_table(root / "labels.csv", ("file", "label"))
    with pytest.raises(CorpusError, match=r"no column path; its header is: file, label"):
        list(Folder().clips(root))
    (root / "labels.csv").write_bytes(b"path,label\ncaf\xe9.wav,owl\n")
    with pytest.raises(CorpusError, match=r"labels\.csv cannot be read as a UTF-8 table"):
        list(Folder().clips(root))


def test_problems_are_of_the_last_reading(root: Path, make: Make) -> None:
    make("folder", root)
    (root / "owl/gone.wav").symlink_to(root / "nowhere.wav")
    corpus = Folder()
    for _ in range(2):
        list(corpus.clips(root))
        assert len(corpus.problems) == 1


@pytest.mark.shared
def test_real_folders(shared: Path) -> None:
    clips = list(Folder().clips(shared / "data" / "animals-sounds" / "Training"))
    assert len(clips) == 308
    assert len({clip.label for clip in clips}) == 10


ROWS = [
    ("path", "label", "group"),
    ("a.wav", "owl; frog", "night"),
    ("b.wav", "owl", "dawn"),
    ("b.wav", "wren;owl", "dawn"),
    ("c.wav", "", "noon"),
    ("d.wav", "frog", ""),
]


def test_several_labels_a_clip(root: Path, touch: Touch, write_table: WriteTable) -> None:
    touch(root, "a.wav", "b.wav", "c.wav", "d.wav")
    write_table(root / "labels.csv", *ROWS)
    corpus = Folder(multi_label=True)
    clips = list(corpus.clips(root))
    assert corpus.multi_label
    assert corpus.problems == []
    assert {clip.path: clip.label for clip in clips} == {
        "a.wav": "frog;owl",
        "b.wav": "owl;wren",
        "c.wav": "",
        "d.wav": "frog",
    }
    assert [clip.group for clip in clips] == ["night", "dawn", "noon", "d.wav"]


def test_several_labels_only_where_they_are_asked_for(
    root: Path, touch: Touch, write_table: WriteTable
) -> None:
    touch(root, "a.wav", "b.wav", "c.wav", "d.wav")
    write_table(root / "labels.csv", *ROWS)
    corpus = Folder()
    assert [(clip.path, clip.label) for clip in corpus.clips(root)] == [
        ("a.wav", "owl; frog"),
        ("d.wav", "frog"),
    ]
    assert dict(corpus.problems) == {
        "b.wav": "it has more than one label: owl, wren;owl",
        "c.wav": "it has no label in labels.csv",
    }


def test_wanted_classes_of_clips_with_several(
    root: Path, touch: Touch, write_table: WriteTable
) -> None:
    """Only the wanted names stay; a clip of none of all classes does, one of others alone not."""
    touch(root, "a.wav", "b.wav", "c.wav", "d.wav")
    write_table(root / "labels.csv", *ROWS)
    clips = Folder(classes=["owl"], multi_label=True).clips(root)
    assert {clip.path: clip.label for clip in clips} == {
        "a.wav": "owl",
        "b.wav": "owl",
        "c.wav": "",
    }
    with pytest.raises(ParameterError, match="unknown value 'frog;owl'"):
        list(Folder(classes=["frog;owl"], multi_label=True).clips(root))


def test_a_row_that_was_cut_at_its_semicolons_is_reported(root: Path, touch: Touch) -> None:
    touch(root, "a.wav", "b.wav")
    (root / "labels.csv").write_text('path;label\na.wav;frog;owl\nb.wav;"frog;owl"\n')
    corpus = Folder(multi_label=True)
    assert [(clip.path, clip.label) for clip in corpus.clips(root)] == [("b.wav", "frog;owl")]
    assert corpus.problems == [("a.wav", "row 2 of labels.csv has more cells than columns")]


def test_rows_of_several_labels_have_to_agree_on_the_fold(
    root: Path, touch: Touch, write_table: WriteTable
) -> None:
    touch(root, "a.wav", "b.wav")
    rows = [
        ("path", "label", "fold"),
        ("a.wav", "owl", 1),
        ("a.wav", "frog", 2),
        ("b.wav", "owl", 1),
    ]
    write_table(root / "labels.csv", *rows)
    corpus = Folder(multi_label=True)
    assert [clip.path for clip in corpus.clips(root)] == ["b.wav"]
    assert corpus.problems == [("a.wav", "its rows do not agree on its fold, group or salience")]


def test_a_recording_linked_into_two_classes_is_of_both(root: Path, make: Make) -> None:
    make("folder", root)
    os.link(root / "owl/three.mp3", root / "wren/three.mp3")
    labels = {clip.path: clip.label for clip in Folder(multi_label=True).clips(root)}
    assert labels["owl/three.mp3"] == labels["wren/three.mp3"] == "owl;wren"
    assert labels["wren/two.flac"] == "wren"


def test_options_are_read_with_the_name_of_the_corpus() -> None:
    with pytest.raises(ParameterError, match=r"corpora\.folder\.multi_label: .*, got 'yes'"):
        Folder(multi_label="yes")


def test_a_stray_table_beside_class_folders_is_none_of_labels(root: Path, make: Make) -> None:
    make("folder", root)
    (root / "birdnet_params.csv").write_text("File splitting duration,Segment length\n600,3.0\n")
    (root / "latin-1.csv").write_bytes(b"path,label\ncaf\xe9.wav,owl\n")
    assert {clip.label for clip in Folder().clips(root)} == {"owl", "wren"}
    (root / "mine.csv").write_text("Path,Label\nowl/three.mp3,boobook\n")
    assert [clip.label for clip in Folder().clips(root)] == ["boobook"]


@pytest.mark.parametrize("no_table", [None, "none", "", False])
def test_a_table_that_is_found_can_be_overruled(root: Path, make: Make, no_table: object) -> None:
    make("folder", root)
    (root / "labels.csv").write_text("path,label\nowl/three.mp3,boobook\n")
    assert [clip.label for clip in Folder().clips(root)] == ["boobook"]
    assert {clip.label for clip in Folder(table=no_table).clips(root)} == {"owl", "wren"}
    (root / "labels.csv").write_text("file,class\nowl/three.mp3,boobook\n")
    with pytest.raises(CorpusError, match=r"has no column path.*set corpora\.folder\.table: none"):
        list(Folder().clips(root))


def test_a_folder_without_classes_names_the_tables_that_were_not_taken(root: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (root / name).write_text("path,label\nx.wav,owl\n")
    with pytest.raises(CorpusError, match=r"of a\.csv, b\.csv none is .* corpora\.folder\.table"):
        list(Folder().clips(root))


@pytest.mark.parametrize(("on_disk", "written"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_table_and_a_file_name_meet_in_any_unicode_spelling(
    root: Path, touch: Touch, on_disk: str, written: str
) -> None:
    path, label = "Vögel/Käuzchen.wav", "Käuzchen"
    touch(root, normalize(on_disk, path))
    (root / "labels.csv").write_text(
        f"path,label,group\n{normalize(written, path)},{normalize(written, label)},Käuzchen\n"
        f"{normalize(on_disk, path)},{normalize(on_disk, label)},{normalize('NFD', 'Käuzchen')}\n"
    )
    corpus = Folder(classes=[normalize(on_disk, label)])
    (clip,) = corpus.clips(root)
    assert (clip.path, clip.label) == (normalize(on_disk, path), normalize("NFC", label))
    assert corpus.problems == []


def test_class_folders_are_one_class_in_any_unicode_spelling(root: Path, touch: Touch) -> None:
    touch(root, normalize("NFD", "Kauz ä/a.wav"))
    assert [clip.label for clip in Folder(classes=["Kauz ä"]).clips(root)] == ["Kauz ä"]
