from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from faunashot.data.corpora.gtzan import Gtzan
from faunashot.errors import CorpusError

Make = Callable[[str, Path], None]
Touch = Callable[..., None]


@pytest.mark.parametrize("place", ["genres", "genres_original", "Data/genres_original", ""])
def test_every_published_layout(root: Path, touch: Touch, place: str) -> None:
    touch(root / place, "blues/blues.00000.wav", "blues/._blues.00001.wav", "rock/rock.00001.au")
    touch(root / place, "blues/blues.mf", "podcasts/x.wav")
    blues, rock = Gtzan().clips(root)
    assert (blues.clip_id, blues.label, blues.fold) == ("blues.00000", "blues", None)
    assert blues.group == "blues.00000"
    assert rock.path == (Path(place) / "rock/rock.00001.au").as_posix()


def test_the_broken_file_is_listed_and_known(root: Path, make: Make) -> None:
    make("gtzan", root)
    assert Gtzan.known_faults.keys() == {"jazz.00054"}
    assert "jazz.00054" in [clip.clip_id for clip in Gtzan().clips(root)]


def test_fault_filtered_split(root: Path, make: Make) -> None:
    make("gtzan", root)
    (root / "train_filtered.txt").write_text("blues/blues.00000.au\nblues/blues.00099.wav\n")
    (root / "valid_filtered.txt").write_text("rock/rock.00001.wav\n\n")
    with pytest.raises(CorpusError, match=r"add test_filtered\.txt"):
        list(Gtzan().clips(root))
    (root / "test_filtered.txt").write_text("rubbish\n")
    corpus = Gtzan()
    assert {clip.clip_id: clip.fold for clip in corpus.clips(root)} == {
        "blues.00000": "train",
        "rock.00001": "validation",
    }
    assert [path for path, _ in corpus.problems] == ["rubbish", "blues.00099"]
    (root / "test_filtered.txt").write_text("rock/rock.00001.wav\n")
    with pytest.raises(CorpusError, match=r"rock\.00001 is in both valid_filtered.*test_filtered"):
        list(corpus.clips(root))


def test_two_files_of_one_excerpt(root: Path, make: Make, touch: Touch) -> None:
    make("gtzan", root)
    touch(root, "genres/rock/rock.00001.wav")
    corpus = Gtzan(classes=["rock"])
    assert [clip.path for clip in corpus.clips(root)] == ["genres/rock/rock.00001.au"]
    assert corpus.problems == [("genres/rock/rock.00001.wav", "the same excerpt as rock.00001.au")]


def test_fetch_says_how_and_where(root: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        Gtzan().fetch(root)
    how, where = str(caught.value).splitlines()
    assert "andradaolteanu/gtzan-dataset-music-genre-classification" in how
    assert "account" in how
    assert str(root) in where
