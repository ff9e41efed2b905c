"""``faunashot init``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

TEMPLATE = Path(__file__).resolve().parents[1] / "project"
"""Most are links to files of this repository; a wheel holds the files. None is called as DVC calls
a pipeline: it would be one of this repository, too."""

COPIED = {
    "MLproject": "MLproject",
    "gitignore": ".gitignore",
    "dvcignore": ".dvcignore",
    "dvcplots.yaml": "dvcplots/dvc.yaml",
}
"""Files of the template that stay as they are, and what they are called in a project."""

MADE = [
    *COPIED.values(),
    *("params.yaml", "dvc.yaml", "python_env.yaml", "README.md"),
    *("data/none/README.md", "backbones/README.md"),
    *(".dvc", "mlruns", "mlflow.db"),
]
"""What a project has beside the version file; none of it may be there before."""

DECLARED = (
    "Networks of your own, a YAML file each, see docs/BACKBONES.md of faunashot: what changes in "
    "this\nfolder makes the stages run again that use them.\n"
)
ABSENT = "This folder stands for a corpus that is not here: DVC needs a path.\n"

NAMED = 8
"""Classes that are listed at most: folders of subsets, taken for classes, show there."""

DVC_CONFIG = {
    "core.analytics": "false",
    "core.check_update": "false",
    "plots.html_template": "plots.html",
}


def init(
    recordings: Annotated[
        Path, typer.Argument(help="Folder with a folder for each class, or with a labels.csv.")
    ],
    project: Annotated[
        Path, typer.Option(help="Folder of the project; this one if not given.")
    ] = Path(),
) -> None:
    """Make a project for a folder of recordings: git, DVC, parameters, and what to do next."""
    from faunashot.errors import ParameterError

    recordings, project = recordings.resolve(), project.resolve()
    counts = _clips_a_class(recordings)
    if recordings in (project, *project.parents):
        raise ParameterError(
            f"{project} holds the recordings, or lies among them: name another folder, --project"
        )
    _refuse_to_overwrite(project)
    root = recordings.relative_to(project) if project in recordings.parents else recordings
    with _removed_on_failure(project):
        _write(project, root, counts)
        _put_under_version_control(project)
    names = ", ".join([*counts][:NAMED]) + (", ..." if len(counts) > NAMED else "")
    print(f"{project}: {sum(counts.values())} recordings of {len(counts)} classes ({names}). Next:")
    if project != Path.cwd():
        print(f"  cd {project}")
    print("  dvc exp run                   a first experiment; reports/report.html shows it")
    print("  dvc exp run -S protocol.k=1   another; README.md says more")
    print("  faunashot recognise FILE      what its model hears in a recording")


def _clips_a_class(recordings: Path) -> dict[str, int]:
    """How many clips each class has, from names and the table alone."""
    import pandas as pd

    from faunashot.data.corpora import create
    from faunashot.data.labels import clips_a_class
    from faunashot.errors import CorpusError

    if not recordings.is_dir():
        raise CorpusError(f"{recordings} is not a folder")
    labels = [clip.label for clip in create("folder").clips(recordings)]
    counts = clips_a_class(pd.DataFrame({"label": labels}))
    if len(counts) < 2:
        raise CorpusError(
            f"{recordings} holds recordings of one class, {min(counts)}: there has to be a folder "
            "for each class, two or more"
        )
    return counts


def _refuse_to_overwrite(project: Path) -> None:
    from faunashot.errors import ParameterError
    from faunashot.pipeline import VERSION_FILE

    there = [name for name in [*MADE, VERSION_FILE] if (project / name).exists()]
    if there:
        raise ParameterError(
            f"{project} has {', '.join(there)} already, which init does not overwrite: "
            "name another folder, --project"
        )


@contextmanager
def _removed_on_failure(project: Path) -> Iterator[None]:
    """Leave a project as a whole or not at all."""
    from faunashot.pipeline import VERSION_FILE

    made = [project / name for name in (".git", "data", "backbones", "")]
    before = {path for path in made if path.exists()}
    try:
        yield
    except BaseException:
        for path in made:
            if path not in before:
                shutil.rmtree(path, ignore_errors=True)
        for name in [*MADE, VERSION_FILE]:
            path = project / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        raise


def _write(project: Path, root: Path, counts: dict[str, int]) -> None:
    from faunashot import __version__
    from faunashot.pipeline import VERSION_FILE

    fewest = min(counts.values())
    k = max(1, min(5, fewest * 4 // 5))  # a fifth of each class is scored in turn

    def set_corpus(params: Any) -> None:
        params["corpus"], params["root"] = "folder", root.as_posix()
        params["protocol"]["k"] = k

    texts = {
        **{ours: (TEMPLATE / name).read_text("utf-8") for name, ours in COPIED.items()},
        "params.yaml": _edited("params.yaml", set_corpus),
        "dvc.yaml": _edited("pipeline.yaml", _run_the_installed),
        "python_env.yaml": f"python: '{sys.version_info.major}.{sys.version_info.minor}'\n"
        f"dependencies:\n  - faunashot[birdnet]=={__version__}\n",
        VERSION_FILE: f"{__version__}\n",
        "mlruns/.gitignore": "*\n!.gitignore\n",
        "data/none/README.md": ABSENT,
        "backbones/README.md": DECLARED,
        "README.md": (TEMPLATE / "README.md")
        .read_text("utf-8")
        .format(
            name=project.name,
            classes=f"{len(counts)} classes ({', '.join(counts)})",
            version=__version__,
            clips=sum(counts.values()),
            root=root.as_posix(),
            k=k,
        ),
    }
    texts["MLproject"] = texts["MLproject"].replace("PYTHONPATH=src ", "")
    for name, text in texts.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(text, "utf-8")
    with suppress(OSError):  # where links are not allowed, `mlflow ui` needs an address
        (project / "mlflow.db").symlink_to("mlruns/mlflow.db")


def _edited(name: str, edit: Callable[[Any], None]) -> str:
    """A YAML file of the template, changed, with its comments."""
    from io import StringIO

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 100
    data = yaml.load((TEMPLATE / name).read_text("utf-8"))
    edit(data)
    text = StringIO()
    yaml.dump(data, text)
    return text.getvalue()


def _run_the_installed(pipeline: Any) -> None:
    """Have stages run the installed package, and depend on its version, not on source files."""
    from faunashot.pipeline import VERSION_FILE

    for stage in pipeline["stages"].values():
        stage["cmd"] = re.sub(r"stages/(\w+)\.py", r"-m faunashot.pipeline \1", stage["cmd"])
        deps = stage["deps"]
        for dep in [d for d in deps if d.startswith(("stages/", "src/"))]:
            deps.remove(dep)
        deps.insert(0, VERSION_FILE)


def _put_under_version_control(project: Path) -> None:
    """Make DVC's folder, and a first commit: experiments are commits."""
    from faunashot.reporting.plots_page import write_plots_page

    has_git = shutil.which("git") is not None
    if has_git and not (project / ".git").exists():
        _run(project, "git", "init", "--quiet")
    dvc = (sys.executable, "-m", "dvc")
    _run(project, *dvc, "init", "--quiet", *([] if has_git else ["--no-scm"]))
    for key, value in DVC_CONFIG.items():
        _run(project, *dvc, "config", key, value)
    with (project / ".dvc" / ".gitignore").open("a", encoding="utf-8") as ignored:
        ignored.write("/plots.html\n")
    write_plots_page(project / ".dvc" / "plots.html")
    if has_git:
        _run(project, "git", "add", "--all")
        known = subprocess.run(["git", "config", "user.email"], cwd=project, capture_output=True)
        who = [] if known.stdout else ["-c", "user.name=faunashot", "-c", "user.email=none"]
        _run(project, "git", *who, "commit", "--quiet", "-m", "A project of faunashot")


def _run(project: Path, *command: str) -> None:
    from faunashot.errors import ParameterError

    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it says nothing"]
        raise ParameterError(f"{' '.join(command)} has failed: {lines[-1]}")
