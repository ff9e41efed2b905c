from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from faunashot.data.corpora.urbansound8k import UrbanSound8K
from faunashot.data.ingest import located
from faunashot.data.splits import Splits
from faunashot.errors import CorpusError

Make = Callable[[str, Path], None]

HEADER = "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
CLASSES = UrbanSound8K.class_sets["urban"]


def test_classes_are_the_published_ten_in_the_order_of_their_ids() -> None:
    assert len(CLASSES) == 10
    assert (CLASSES[0], CLASSES[3], CLASSES[9]) == ("air_conditioner", "dog_bark", "street_music")
    assert list(CLASSES) == sorted(CLASSES)
    assert set(UrbanSound8K.class_sets["animals"]) <= set(CLASSES)


@pytest.mark.parametrize("outer", ["", "UrbanSound8K", "urbansound8k"])
def test_facts_of_a_slice(root: Path, make: Make, outer: str) -> None:
    (root / outer).mkdir(exist_ok=True)
    make("urbansound8k", root / outer)
    siren, bark, again = UrbanSound8K().clips(root)
    assert (bark.clip_id, bark.label, bark.fold, bark.group) == ("7-3-0-0", "dog_bark", "5", "7")
    assert (siren.label, siren.fold, siren.group) == ("siren", "10", "9")
    assert [clip.salience for clip in (siren, bark, again)] == [
        "foreground",
        "foreground",
        "background",
    ]
    assert [clip.part for clip in (siren, bark)] == ["test", "train"]
    assert bark.path == (Path(outer) / "audio/fold5/7-3-0-0.wav").as_posix()
    assert again.group == bark.group
    assert [c.label for c in UrbanSound8K(classes="animals").clips(root)] == [
        "dog_bark",
        "dog_bark",
    ]


def test_a_part_of_it_works(root: Path, make: Make) -> None:
    make("urbansound8k", root)
    (root / "audio/fold10/9-8-0-2.wav").unlink()
    corpus = UrbanSound8K()
    clips = list(corpus.clips(root))
    assert [c.clip_id for c in clips] == ["7-3-0-0", "7-3-0-1"]
    assert corpus.problems == []
    assert [clip.path for clip in corpus.missing] == ["audio/fold10/9-8-0-2.wav"]
    assert corpus.missing_folds(c.fold for c in clips) == [
        n for n in corpus.official_folds if n != "5"
    ]
    of_one_class = UrbanSound8K(classes="animals")
    assert len(list(of_one_class.clips(root))) == 2
    assert of_one_class.missing == []


def test_a_slice_is_not_looked_for_in_another_fold(root: Path, make: Make) -> None:
    make("urbansound8k", root)
    (root / "audio/fold5/7-3-0-0.wav").rename(root / "audio/fold10/7-3-0-0.wav")
    corpus = UrbanSound8K()
    assert "7-3-0-0" not in [c.clip_id for c in corpus.clips(root)]
    assert [clip.clip_id for clip in corpus.missing] == ["7-3-0-0"]
    assert corpus.problems == [
        ("audio/fold10/7-3-0-0.wav", "it has no row in metadata/UrbanSound8K.csv")
    ]


def test_rows_that_cannot_be_used_are_reported(
    root: Path, make: Make, touch: Callable[..., None]
) -> None:
    make("urbansound8k", root)
    with (root / "metadata/UrbanSound8K.csv").open("a") as table:
        table.write(
            "../../x.wav,1,0,1,1,5,3,dog_bark\n9-9-0-0.wav,9,0,1,1,,8,siren\n,9,0,1,1,1,8,\n"
            "9-8-0-3.wav,9,0,1,1,11,8,siren\n7-3-0-0.wav,7,0,1,1,10,3,dog_bark\n"
        )
    touch(root / "audio", "fold11/9-8-0-3.wav", "fold10/7-3-0-0.wav", "fold1/.DS_Store")
    corpus = UrbanSound8K()
    assert len(list(corpus.clips(root))) == 3
    assert corpus.problems == [
        ("../../x.wav", "the path in metadata/UrbanSound8K.csv leaves audio/fold5/"),
        ("9-9-0-0.wav", "its row in metadata/UrbanSound8K.csv has an empty cell"),
        ("metadata/UrbanSound8K.csv", "its row in metadata/UrbanSound8K.csv has an empty cell"),
        ("9-8-0-3.wav", "fold 11 in metadata/UrbanSound8K.csv is none of 1 to 10"),
        ("audio/fold10/7-3-0-0.wav", "metadata/UrbanSound8K.csv has it in fold 5 too"),
    ]


def test_no_listed_file_at_all(root: Path, make: Make) -> None:
    make("urbansound8k", root)
    (root / "metadata/UrbanSound8K.csv").write_text(HEADER + "1-0-0-0.wav,1,0,1,1,1,0,siren\n")
    with pytest.raises(CorpusError, match="none of the files"):
        list(UrbanSound8K().clips(root))


def test_its_ten_folds_are_rotated_as_published(root: Path, touch: Callable[..., None]) -> None:
    rows = [
        (f"{100 + n}-{c}-0-0.wav", 100 + n, 0, 4, 1, n % 10 + 1, c, label)
        for c, label in enumerate(CLASSES)
        for n in range(10)
    ]
    (root / "metadata").mkdir()
    text = "\n".join(",".join(map(str, row)) for row in rows)
    (root / "metadata/UrbanSound8K.csv").write_text(HEADER + text)
    touch(root / "audio", *(f"fold{row[5]}/{row[0]}" for row in rows))
    clips: pd.DataFrame = located(UrbanSound8K(), root)
    splits = list(Splits(clips, seed=0))
    assert [s.name for s in splits] == [str(n) for n in range(1, 11)]
    assert all((len(s.train), len(s.validation), len(s.test)) == (80, 10, 10) for s in splits)


@pytest.mark.parametrize(("given", "kept"), [("", None), ("3", None), ("2", "background")])
def test_a_salience_that_is_not_known_is_none(root: Path, make: Make, given, kept) -> None:
    make("urbansound8k", root)
    table = root / "metadata/UrbanSound8K.csv"
    table.write_text(HEADER + f"9-8-0-2.wav,9,0,4,{given},10,8,siren\n")
    assert [clip.salience for clip in UrbanSound8K().clips(root)] == [kept]


def test_a_table_without_salience_works(root: Path, make: Make) -> None:
    make("urbansound8k", root)
    (root / "metadata/UrbanSound8K.csv").write_text(
        "slice_file_name,fsID,fold,class\n9-8-0-2.wav,9,10,siren\n"
    )
    (clip,) = UrbanSound8K().clips(root)
    assert clip.salience is None


def test_fetch_says_how_and_where(root: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        UrbanSound8K().fetch(root)
    how, where = str(caught.value).splitlines()
    assert "https://zenodo.org/records/1203745" in how
    assert "urbansounddataset.weebly.com" in how
    assert f"{root}/metadata/UrbanSound8K.csv" in where
