from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from faunashot.data.corpora.esc50 import Esc50
from faunashot.errors import CorpusError

Make = Callable[[str, Path], None]


def test_class_sets_are_the_published_fifty() -> None:
    sets = Esc50.class_sets
    assert (len(sets["animals"]), len(sets["esc10"]), len(sets["environment"])) == (10, 10, 40)
    assert not set(sets["animals"]) & set(sets["environment"])
    assert set(sets["esc10"]) <= set(sets["animals"]) | set(sets["environment"])


def test_facts_of_a_clip(root: Path, make: Make) -> None:
    make("esc50", root)
    clip = list(Esc50().clips(root))[2]
    assert (clip.clip_id, clip.path) == ("1-2-A-0", "audio/1-2-A-0.wav")
    assert (clip.label, clip.fold, clip.group) == ("dog", "1", "2")


def test_absent_files_are_skipped_and_other_extensions_found(root: Path, make: Make) -> None:
    make("esc50", root)
    (root / "audio/1-1-B-41.wav").unlink()
    (root / "audio/1-2-A-0.wav").rename(root / "audio/1-2-A-0.ogg")
    (root / "audio/1-1-A-41.json").write_text("{}")
    (root / "audio/._5-9-A-1.wav").write_text("")
    corpus = Esc50()
    assert [clip.path for clip in corpus.clips(root)] == [
        "audio/1-1-A-41.wav",
        "audio/1-2-A-0.ogg",
        "audio/5-9-A-1.wav",
    ]
    assert corpus.problems == []


def test_no_listed_file_at_all(root: Path, make: Make) -> None:
    make("esc50", root)
    for file in (root / "audio").iterdir():
        file.unlink()
    with pytest.raises(CorpusError, match="none of the files"):
        list(Esc50().clips(root))


def test_a_table_without_its_columns(root: Path, make: Make) -> None:
    make("esc50", root)
    (root / "meta/esc50.csv").write_text("filename,fold\n")
    with pytest.raises(CorpusError, match=r"esc50\.csv has no column category, src_file"):
        list(Esc50().clips(root))


def _archive(path: Path, members: Path) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(members.rglob("*")):
            archive.write(file, Path("ESC-50-master") / file.relative_to(members))
    return str(path)


@pytest.fixture
def served(
    root: Path, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], None]:
    """Let `fetch` get the corpus in `root` as its archive."""

    def serve() -> None:
        _archive(tmp_path / "served.zip", root)

        def download(url: str, target: Path, **_: object) -> Path:
            target.write_bytes((tmp_path / "served.zip").read_bytes())
            return target

        monkeypatch.setattr("faunashot.data.corpora.esc50.download", download)
        monkeypatch.setattr(Esc50, "n_clips", 4)

    make("esc50", root)
    return serve


def test_fetch(served: Callable[[], None], root: Path, tmp_path: Path) -> None:
    served()
    target = tmp_path / "data" / "esc50"
    Esc50().fetch(target)
    assert list(Esc50().clips(target)) == list(Esc50().clips(root))
    assert [path.name for path in target.parent.iterdir()] == ["esc50"]
    (tmp_path / "served.zip").unlink()
    Esc50().fetch(target)


def test_fetch_refuses_an_archive_that_is_not_whole(
    served: Callable[[], None], root: Path, tmp_path: Path
) -> None:
    (root / "audio/1-1-A-41.wav").unlink()
    served()
    target = tmp_path / "data" / "esc50"
    with pytest.raises(CorpusError, match="1 of 4 files are missing"):
        Esc50().fetch(target)
    assert list(target.parent.iterdir()) == []


def test_fetch_leaves_a_part_that_is_there(
    served: Callable[[], None], root: Path, tmp_path: Path
) -> None:
    served()
    (root / "audio/1-1-A-41.wav").unlink()
    with pytest.raises(CorpusError, match=re.escape(f"{root} holds something already")):
        Esc50().fetch(root)
    assert len(list(Esc50().clips(root))) == 3


@pytest.mark.shared
def test_real_copy(shared: Path) -> None:
    root = shared / "data" / "esc50-mini"
    corpus = Esc50()
    clips = list(corpus.clips(root))
    assert (len(clips), corpus.problems) == (472, [])
    assert Counter(c.fold for c in clips) == {"1": 80, "2": 80, "3": 80, "4": 152, "5": 80}
    animals = Counter(c.label for c in Esc50(classes="animals").clips(root))
    others = set(Esc50.class_sets["animals"]) - {"dog", "rooster"}
    assert animals == {"dog": 40, "rooster": 40} | dict.fromkeys(others, 8)
    assert len(list(Esc50(classes="esc10").clips(root))) == 400
    assert len(list(Esc50(classes="environment").clips(root))) == 328
    folds_of_group: dict[str, set[str | None]] = {}
    for clip in clips:
        folds_of_group.setdefault(clip.group, set()).add(clip.fold)
    divided = {group: folds for group, folds in folds_of_group.items() if len(folds) > 1}
    assert divided == {"234879": {"4", "5"}}, "the one flaw of the official folds in this part"
