"""The pipeline under harm: bad recordings, a typo, a stage that is killed, a disk that is full."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import yaml
from pipeline_project import (
    RATE,
    call,
    change,
    environment,
    label_rows,
    new_project,
    own_line,
    runs_of,
    tone,
)

from faunashot.errors import StoreError
from faunashot.features import store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

EMBED, FEATURES = "embed", "features/main/folder/logmel_stats"
DOWNSTREAM = (EMBED, "train", "evaluate", "report")
REASONS = {
    "one sample.wav": f"too short: 1 samples at {RATE} Hz, under 10 ms",
    "cut.wav": "announces are not there, 50 % of it, which is too much to go without",
    "empty.wav": "empty file",
    "nan.wav": "holds 3 samples that are NaN or infinite",
    "none.wav": "holds no samples",
    "silent.wav": "digital silence: every sample is 0",
    "text.wav": "can decode it",
    "twice.wav": "it has more than one label: owl, wren",
}


def messy(root: Path) -> None:
    """Recordings as they come: a third bad, some odd, and a class of three in a few folds."""
    odd: dict[str, Callable[[Path, np.ndarray], object]] = {
        "mpeg.wav": lambda f, x: sf.write(f, x, RATE, format="MP3"),
        "fast.wav": lambda f, x: sf.write(f, np.repeat(x, 12), 192_000),
        "eight channels.wav": lambda f, x: sf.write(f, np.tile(x[:, None], 8), RATE),
        "eight bit.wav": lambda f, x: sf.write(f, x, RATE, subtype="PCM_U8"),
        "clipping.wav": lambda f, x: sf.write(f, (20 * x).clip(-1, 1), RATE),
        "Käuzchen, früh 夜.wav": lambda f, x: sf.write(f, x, RATE),
        "twice.wav": lambda f, x: sf.write(f, x, RATE),
        "one sample.wav": lambda f, x: sf.write(f, x[:1], RATE),
        "none.wav": lambda f, x: sf.write(f, x[:0], RATE),
        "silent.wav": lambda f, x: sf.write(f, 0 * x, RATE),
        "nan.wav": lambda f, x: sf.write(
            f, np.r_[x, [np.nan] * 3], RATE, format="WAV", subtype="FLOAT"
        ),
        "cut.wav": lambda f, x: (sf.write(f, x, RATE), os.truncate(f, f.stat().st_size // 2)),
        "empty.wav": lambda f, x: f.touch(),
        "text.wav": lambda f, x: f.write_text("Not a sound.\n" * 99),
    }
    rows = []
    for label, count in (("owl", 6), ("wren", 6), ("frog", 3)):
        for number in range(count):
            rows.append((f"{label}-{number}.wav", label, 1 + number % 5))
            sf.write(root / rows[-1][0], tone(label, number), RATE)
    for number, (name, write) in enumerate(odd.items()):
        rows.append((name, "owl", 1 + number % 5))
        write(root / name, tone("owl", 100 + number))
    label_rows(root, [*rows, ("twice.wav", "wren", 1)])
    (root / "around").symlink_to(".")


def test_messy_recordings_stop_the_run_or_are_listed_and_passed_over(tmp_path):
    project = new_project(tmp_path / "messy", messy)

    change(project, ingest__max_bad_share=0.1, protocol__k=2)
    stopped = call(project, "dvc", "repro")
    assert stopped.returncode != 0
    said = own_line(stopped.stderr)
    assert said.startswith("folder: 8 of 29 clips are bad, more than ingest.max_bad_share = 0.1")
    assert said.split("the first is ")[1].startswith("cut.wav: cut off: ")
    assert list(yaml.safe_load((project / "dvc.lock").read_text())["stages"]) == ["check"]
    assert not (project / "clips/folder.parquet").exists()

    change(project, ingest__max_bad_share=0.9)
    done = call(project, "dvc", "repro")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    report = json.loads((project / "reports/ingest.json").read_text("utf-8"))["folder"]
    assert [bad["path"] for bad in report["bad"]] == sorted(REASONS)
    for bad in report["bad"]:
        assert bad["reason"].endswith(REASONS[bad["path"]]), bad
    assert [flagged["path"] for flagged in report["flagged"]] == ["clipping.wav"]
    assert report["clips_a_class"] == {"frog": 3, "owl": 12, "wren": 6}
    assert "note: class frog: " in done.stderr
    assert json.loads((project / "metrics.json").read_text())["clips"] == 21
    assert call(project, "dvc", "status").stdout.strip() == "Data and pipelines are up to date."


@pytest.mark.parametrize(
    ("target", "said"),
    [("loop.wav", "Too many levels of symbolic links"), ("nowhere", "No such file or directory")],
)
def test_dvc_itself_stops_at_a_link_that_leads_nowhere_and_names_it(copy, target, said):
    (copy / "data/recordings/loop.wav").symlink_to(target)
    done = call(copy, "dvc", "repro")
    assert done.returncode != 0
    assert "ERROR: failed to reproduce 'check'" in done.stderr
    assert said in done.stderr
    assert "data/recordings/loop.wav" in done.stderr


def test_a_typo_in_the_parameters_is_one_line_before_any_work(copy):
    change(copy, protocols__few_shot__epsiodes=5, protocol__k=2)
    done = call(copy, "dvc", "repro")
    assert done.returncode != 0
    said = own_line(done.stderr)
    assert said.startswith("params.yaml: unknown key 'protocols.few_shot.epsiodes'; did you mean")
    assert "'protocols.few_shot.episodes'" in said


def as_if_never_embedded(project: Path) -> None:
    """Forget all from embed on, MLflow's store and DVC's cache included."""
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    for stage in DOWNSTREAM:
        del lock["stages"][stage]
    (project / "dvc.lock").write_text(yaml.safe_dump(lock))
    for folder in (".dvc/cache", ".cache", "features", "models", "predictions", "plots"):
        shutil.rmtree(project / folder)
    for name in ("metrics.json", "curve.csv", "predictions.csv"):
        (project / name).unlink()
    for file in (project / "mlruns").iterdir():
        shutil.rmtree(file) if file.is_dir() else file.name == ".gitignore" or file.unlink()


def embed_process(project: Path) -> int | None:
    """Id of the process that runs the embed stage of this project."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            here = (folder / "cwd").resolve() == project.resolve()
            shell = "python" not in Path(os.fsdecode(command[0])).name
            if here and not shell and b"stages/embed.py" in command:
                return int(folder.name)
        except OSError:
            continue
    return None


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs Linux's /proc")
def test_a_killed_stage_leaves_nothing_half_done_and_the_next_run_ends_the_same(whole, copy):
    as_if_never_embedded(copy)
    running = subprocess.Popen(
        ["dvc", "repro"],
        cwd=copy,
        env=environment(copy),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    victim = None
    while running.poll() is None and victim is None:
        time.sleep(0.01)
        victim = embed_process(copy) if open_embed_runs(copy) else None
    assert victim is not None, "the stage was over before it could be killed"
    os.kill(victim, signal.SIGKILL)
    _, stderr = running.communicate(timeout=60)
    assert running.returncode != 0
    assert f"failed to reproduce '{EMBED}'" in stderr
    with pytest.raises(StoreError):
        store.load(copy / FEATURES)
    assert open_embed_runs(copy)

    again = call(copy, "dvc", "repro")
    assert again.returncode == 0, again.stderr
    for name in ("metrics.json", "curve.csv", "predictions.csv"):
        assert (copy / name).read_bytes() == (whole / name).read_bytes(), name
    assert {run["status"] for run in runs_of(copy)} == {"FINISHED"}


def open_embed_runs(project: Path) -> list[dict[str, str]]:
    """MLflow's runs of the stage that have not ended."""
    if not (project / "mlruns/mlflow.db").exists():
        return []
    try:
        runs = runs_of(project)
    except sqlite3.OperationalError:  # its tables are being made
        return []
    return [r for r in runs if r.get("dvc.stage") == EMBED and r["status"] == "RUNNING"]


def stage(project: Path, name: str, *, after: str) -> subprocess.CompletedProcess[str]:
    """Run a stage's script after some other lines."""
    script, *arguments = name.split()
    code = (
        f"import errno, os, resource, runpy, sys; import numpy as np\n{after}\n"
        f"sys.argv = {[script, *arguments]!r}; runpy.run_path({script!r}, run_name='__main__')"
    )
    return call(project, sys.executable, "-c", code)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_no_space_for_a_table_is_one_line(copy):
    out = copy / "clips/folder.parquet"
    out.unlink()
    out.symlink_to("/dev/full")
    done = call(copy, sys.executable, "stages/ingest.py")
    assert done.returncode == 1
    assert own_line(done.stderr).endswith(
        "no disk space left; what was being written has been dropped"
    )


FULL_HALFWAY = """
from pathlib import Path
whole = Path.write_bytes
def write_bytes(file, content):
    whole(file, bytes(content)[:1000])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(file))
Path.write_bytes = write_bytes
"""


def test_no_space_for_features_is_one_line_and_the_old_ones_stay_whole(copy):
    before = store.load(copy / FEATURES)
    files = {file.name for file in (copy / FEATURES).iterdir()}
    change(copy, frontends__logmel_stats__hop_s=0.25)
    done = stage(copy, "stages/embed.py", after=FULL_HALFWAY)
    assert done.returncode == 1
    assert "no disk space left" in own_line(done.stderr)
    assert {file.name for file in (copy / FEATURES).iterdir()} == files
    after = store.load(copy / FEATURES, spec=before.spec)
    np.testing.assert_array_equal(after.windows, before.windows)


def test_no_space_for_mlflow_is_one_line(copy):
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))"
    done = stage(copy, "stages/audit.py", after=limit)
    assert done.returncode == 1
    assert "mlflow" in own_line(done.stderr).lower()
