"""``faunashot label``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faunashot.cli.listening import listen
from faunashot.cli.output import note

if TYPE_CHECKING:
    from faunashot.labelling.items import Item
    from faunashot.labelling.session import Session


def label(
    asked: Annotated[
        list[Path],
        typer.Argument(
            help="Recordings, folders or globs; or a table of `faunashot suggest` or `detect` "
            "(FILE.csv with the columns file, start_s, end_s)."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the corpus that labels go into.")],
    classes: Annotated[
        list[str] | None,
        typer.Option("--class", help="A class, repeatable; more can be named on the page."),
    ] = None,
    window: Annotated[
        float, typer.Option(min=0.1, help="Seconds; longer recordings are asked for in parts.")
    ] = 5.0,
    context: Annotated[
        float, typer.Option(min=0, help="Seconds around a part that are heard and seen with it.")
    ] = 1.0,
    fmax: Annotated[
        float | None, typer.Option(min=100, help="Upper end of spectrograms in Hz.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, help="Of the page; 0 takes one that is free.")] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    dvc: Annotated[
        bool, typer.Option(help="`dvc add` the corpus at the end, within a DVC project.")
    ] = True,
) -> None:
    """Label recordings on a page in the browser: listen, look at the spectrogram, press a key.

    Each answer is written at once, and a later session goes on with what has none. `uncertain` is
    an answer, too: it is kept apart and makes no clip. The page is for this machine alone.
    """
    from faunashot import files
    from faunashot.errors import CorpusError
    from faunashot.labelling.corpus import LabelledCorpus
    from faunashot.labelling.session import Session as LabelSession

    items = _items(asked, window_s=window)
    out.mkdir(parents=True, exist_ok=True)
    with files.locked(out.parent / f".{out.name}.lock", timeout_s=0) as held:
        if not held:
            raise CorpusError(f"{out} is being labelled by another `faunashot label`")
        corpus = LabelledCorpus(out)
        before = [*corpus.labelled], [*corpus.uncertain]
        session = LabelSession(items, corpus, classes=classes or [], context_s=context)
        if not session.items:
            print(f"{out}: every item has an answer already")
            return
        _serve(session, port=port, fmax_hz=fmax, browser=browser)
    counts = ", ".join(f"{n} {name}" for name, n in sorted(corpus.counts.items())) or "none"
    print(f"{out}: {len(corpus.labelled)} labelled ({counts}), {len(corpus.uncertain)} uncertain")
    if dvc and before != (corpus.labelled, corpus.uncertain):
        _version(out)


def _items(asked: list[Path], *, window_s: float) -> list[Item]:
    from faunashot.audio.recordings import find_recordings
    from faunashot.errors import AudioError
    from faunashot.labelling.items import items_of_recordings, items_of_table

    tables = [path for path in asked if path.suffix.lower() == ".csv"]
    items = [item for table in tables for item in items_of_table(table)]
    found = find_recordings(path for path in asked if path not in tables)
    for name, lack in found.problems:
        typer.echo(f"faunashot: {name}: {lack}", err=True)
    items += items_of_recordings(found.files, window_s=window_s)
    if not items:
        raise AudioError("there is nothing to label")
    return items


def _serve(session: Session, *, port: int, fmax_hz: float | None, browser: bool) -> None:
    """Show the page until it is ended with Ctrl-C."""
    import contextlib
    import webbrowser

    import uvicorn

    from faunashot.labelling.server import application

    listener = listen("127.0.0.1", port)  # from here on a browser waits, and is not refused
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    print(f"{len(session.items)} to label at {address} (Ctrl-C ends it)", flush=True)
    app = application(session, fmax_hz=fmax_hz)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    if browser:
        webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _version(folder: Path) -> None:
    """`dvc add` the folder where it lies in a DVC project, and say what is next."""
    there = folder.resolve()
    if not any((above / ".dvc").is_dir() for above in there.parents):
        note(f"Next: dvc exp run -S corpus=folder -S root={folder}")
        return
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "add", "--quiet", there.name],
        cwd=there.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["it failed"])[0]
        typer.echo(f"faunashot: dvc add {folder}: {reason}", err=True)
        return
    note(
        f"{folder}.dvc pins this state. Next: git add {folder}.dvc, "
        f"dvc exp run -S corpus=folder -S root={folder}"
    )
