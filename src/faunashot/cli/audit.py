"""``faunashot audit``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from faunashot.cli.output import EXIT_CODES, AsJson, end_with

if TYPE_CHECKING:
    from faunashot.data.corpora.base import Corpus

EPILOG = EXIT_CODES

SECTIONS = {
    "bad": "recordings that cannot be used",
    "flagged": "recordings to listen to",
    "wrong_extension": "names that do not say what the file holds",
    "exact_duplicates": "groups of identical recordings",
    "near_duplicates": "pairs that hold the same sound",
    "crossing": "groups of either kind in several folds",
    "conflicts": "groups of either kind with several labels",
    "across_corpora": "groups of either kind in several corpora",
}
"""The lists of an answer, and what they list."""

FILES = "files"
"""What the files are called that were named one by one, beside the folders."""

UNLABELLED = {"skipped": "no recording has a label"}

SEED = 0
"""Of the shortcuts' folds."""


def audit(
    named: Annotated[
        list[Path],
        typer.Argument(
            help="Folders of corpora, of any layout; recordings of no corpus; or globs of either.",
            metavar="PATH...",
        ),
    ],
    reader: Annotated[
        str | None, typer.Option(help="Layout of all of them; found out if not given.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print what would leak between folds or corpora, and what is wrong with recordings."""
    answer = _answer(_corpora(named, reader))
    print(json.dumps(answer, indent=1, ensure_ascii=False) if as_json else _page(answer))
    end_with(good=answer["clips"], bad=len(answer["bad"]))


def _corpora(named: list[Path], reader: str | None) -> dict[str, tuple[Path, Corpus]]:
    """A corpus a folder that is named, and one of all files; and where its paths begin."""
    from faunashot.audio.recordings import expand, is_recording
    from faunashot.data.loose import LooseRecordings
    from faunashot.errors import AudioError

    corpora: dict[str, tuple[Path, Corpus]] = {}
    files: list[Path] = []
    for name in named:
        matched = expand(name)
        kept = [path for path in matched if path.is_dir() or is_recording(path.name)]
        if not kept and matched != [name]:
            raise AudioError(f"{name}: matches no recordings")
        for path in [name] if matched == [name] else kept:
            if path.is_file():
                files.append(path)
            else:
                corpora[path.as_posix()] = path, _corpus(path, reader)
    return corpora | ({FILES: (Path(), LooseRecordings(files))} if files else {})


def _answer(corpora: Mapping[str, tuple[Path, Corpus]]) -> dict[str, Any]:
    """What is found; of several folders, paths begin with the folder as it was given."""
    from faunashot.data.audit import examine
    from faunashot.data.ingest import ingest
    from faunashot.data.shortcuts import shortcut_score

    root = next(iter(corpora.values()))[0] if len(corpora) == 1 else Path()
    tables = {}
    faults: dict[str, list[dict[str, str]]] = {"bad": [], "flagged": []}
    for name, (folder, corpus) in corpora.items():
        found = ingest(corpus, folder)
        shown = "" if folder in (root, Path()) else f"{folder.as_posix()}/"
        tables[name] = found.clips.assign(path=shown + found.clips["path"])
        faults["bad"] += [bad | {"path": shown + bad["path"]} for bad in found.bad]
        faults["flagged"] += [flag | {"path": shown + flag["path"]} for flag in found.flagged]
    examined = examine(tables, files=lambda role, path: root / path)
    by_folder = examined.clips.groupby("role")
    shortcuts = {
        str(role): shortcut_score(clips, seed=SEED) if clips["label"].any() else UNLABELLED
        for role, clips in by_folder
    }
    return {**examined.report, **faults, "shortcuts": shortcuts}


def _corpus(folder: Path, reader: str | None) -> Corpus:
    """The corpus of a reader, or the first that finds its layout in a folder."""
    from faunashot.audio.recordings import recordings_in
    from faunashot.data import layout
    from faunashot.data.corpora import CORPORA, create
    from faunashot.data.loose import LooseRecordings
    from faunashot.errors import CorpusError

    if reader:
        return create(reader)
    for name in sorted(CORPORA.classes().keys() - {"folder", "none"}):
        corpus = create(name)
        try:
            next(corpus.clips(folder))
        except (CorpusError, StopIteration):
            continue
        return corpus
    is_flat = folder.is_dir() and not layout.subfolders(folder)
    if is_flat and not any(folder.glob("*.csv")) and recordings_in(folder):
        return LooseRecordings([folder])
    return create("folder")


def _page(answer: Mapping[str, Any]) -> str:
    """Counts, then every list that is not empty, an entry a paragraph."""
    lines = [f"{answer['clips']} recordings"]
    lines += [f"{len(answer[name])} {title}" for name, title in SECTIONS.items()]
    lines += [f"{folder}: {_shortcut(score)}" for folder, score in answer["shortcuts"].items()]
    for name, title in SECTIONS.items():
        if answer[name]:
            lines += ["", f"{title.capitalize()}:"]
            lines += [line for entry in answer[name] for line in _entry(entry)]
    return "\n".join(lines)


def _shortcut(score: Mapping[str, Any]) -> str:
    """How well the recorder alone gives the label away."""
    if "skipped" in score:
        return f"what the recorder gives away was not measured ({score['skipped']})"
    return (
        f"the recorder alone gives the label away with macro-F1 {score['macro_f1']:.3f} "
        f"(chance {score['chance_macro_f1']:.3f})"
    )


def _entry(entry: Any) -> Iterator[str]:
    """Lines of a group of paths, a pair or a fault."""
    if isinstance(entry, list):
        yield f"- {entry[0]}"
        yield from (f"  {path}" for path in entry[1:])
    elif "paths" in entry:
        first, second = entry["paths"]
        yield f"- {first}"
        yield f"  {second}"
        yield (
            f"  from {entry['offset_s']:.2f} s, {entry['common_s']:.2f} s in common, "
            f"correlation {entry['correlation']:.3f}"
        )
    else:
        yield f"- {entry['path']}: {entry.get('reason') or entry['codec']}"
