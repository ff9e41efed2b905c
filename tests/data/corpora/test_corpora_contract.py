"""What holds for every registered corpus; a new one needs a maker in conftest.py."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from faunashot.data.corpora import CORPORA, create
from faunashot.data.corpora.base import Corpus, CorpusOptions
from faunashot.errors import CorpusError, ParameterError

Make = Callable[[str, Path], None]


@pytest.mark.parametrize("name", CORPORA.names())
def test_facts_are_stated(name: str) -> None:
    corpus = create(name)
    assert isinstance(corpus, Corpus)
    assert corpus.name == type(corpus).name == name
    assert corpus.licence.strip()
    assert corpus.citation.strip()
    assert type(corpus).__doc__
    if corpus.url is not None:
        assert corpus.url.startswith("https://")
        assert re.search(r"\(\d{4}\)\. \w", corpus.citation), "authors (year). title"
    for names in corpus.class_sets.values():
        assert len(set(names)) == len(names) > 0


@pytest.mark.parametrize("name", CORPORA.names())
def test_clips_keep_the_contract(name: str, root: Path, make: Make) -> None:
    make(name, root)
    corpus = create(name)
    clips = list(corpus.clips(root))
    assert bool(clips) == (name != "none")
    assert [c.path for c in clips] == sorted(c.path for c in clips)
    assert len({c.clip_id for c in clips}) == len(clips)
    assert len({c.path for c in clips}) == len(clips)
    for clip in clips:
        assert not PurePosixPath(clip.path).is_absolute()
        assert ".." not in PurePosixPath(clip.path).parts
        assert (root / clip.path).is_file()
        assert clip.clip_id
        assert clip.label
        assert clip.group
        assert clip.fold != ""
    assert list(corpus.clips(root)) == list(create(name).clips(root)) == clips
    assert corpus.multi_label is create(name).multi_label is CORPORA[name].multi_label
    assert corpus.problems == []
    assert corpus.known_faults.keys() <= {c.clip_id for c in clips}


@pytest.mark.parametrize("name", CORPORA.names())
def test_clips_do_not_depend_on_where_the_root_is(name: str, tmp_path: Path, make: Make) -> None:
    roots = [tmp_path / "here", tmp_path / "there" / "it is"]
    for root in roots:
        root.mkdir(parents=True)
        make(name, root)
    one, other = (list(create(name).clips(root)) for root in roots)
    assert one == other


@pytest.mark.parametrize("name", sorted(set(CORPORA) - {"none"}))
def test_a_root_without_the_corpus_is_refused(name: str, root: Path) -> None:
    missing = root / "missing"
    for nothing in (missing, root):
        with pytest.raises(CorpusError, match=re.escape(str(nothing))) as caught:
            list(create(name).clips(nothing))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", sorted(set(CORPORA) - {"none"}))
def test_classes_choose(name: str, root: Path, make: Make) -> None:
    make(name, root)
    every = list(create(name).clips(root))
    label = every[0].label
    chosen = list(create(name, classes=[label]).clips(root))
    assert chosen == [clip for clip in every if clip.label == label]
    assert list(create(name, classes=label).clips(root)) == chosen
    with pytest.raises(ParameterError, match=f"corpora.{name}.classes: .*{label}"):
        list(create(name, classes=[f"{label}x"]).clips(root))
    for choice in create(name).class_sets:
        list(create(name, classes=choice).clips(root))


@pytest.mark.parametrize("name", CORPORA.names())
def test_options_have_defaults_and_are_checked(name: str) -> None:
    kind = CORPORA[name]
    assert issubclass(kind.Options, CorpusOptions)
    assert create(name).options == kind.Options()
    assert kind.Options.__doc__
    for option in kind.Options.model_fields:
        with pytest.raises(ParameterError, match=rf"corpora\.{name}\.{option}: ") as caught:
            create(name, **{option: object()})
        assert "\n" not in str(caught.value)
        with pytest.raises(ParameterError, match=rf"did you mean 'corpora\.{name}\.{option}'"):
            create(name, **{f"{option}x": None})
    with pytest.raises(ParameterError, match=rf"corpora\.{name}\.classes: needs .*, got \[1, 2\]"):
        create(name, classes=[1, 2])


def test_none_needs_no_folder(tmp_path: Path) -> None:
    corpus = create("none")
    assert list(corpus.clips(tmp_path / "missing")) == []
    corpus.fetch(tmp_path / "missing")
    assert not (tmp_path / "missing").exists()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ParameterError, match=r"corpus: unknown value 'esc5'; did you mean 'esc50'"):
        create("esc5")
    with pytest.raises(ParameterError, match=r"corpora\.meadow\.reader: .*'folder'"):
        create("meadow", reader="foldr")
    for wrong, right in (("tabel", "table"), ("multilabel", "multi_label"), ("clases", "classes")):
        with pytest.raises(ParameterError, match=rf"corpora\.meadow\.{wrong}'.*meadow\.{right}'"):
            create("meadow", reader="folder", **{wrong: "x"})


def test_a_reader_gives_the_corpus_its_name() -> None:
    corpus = create("meadow", reader="folder", classes=["owl"])
    assert corpus.options.classes == ["owl"]
    assert (corpus.name, type(corpus).name) == ("meadow", "folder")


def test_a_module_is_imported_when_it_is_asked_for() -> None:
    code = (
        "import sys; from faunashot.data.corpora import create; create('none');"
        "heavy = ('faunashot.data.corpora.esc50', 'pooch', 'soundfile');"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
