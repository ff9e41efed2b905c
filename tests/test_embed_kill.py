"""Embedding killed at random points, and by two processes at once: features are always whole."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from pipeline_project import own_line

from faunashot.errors import StoreError
from faunashot.features import store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

KILLS = 20 if "FAUNASHOT_LONG" in os.environ else 8
WITHIN_S = 0.5
"""Of its first shard; undisturbed, a run takes some six times as long."""

RECORDINGS = 60
EMBED = """
import sys
from faunashot.features import plan
from faunashot.cli.main import main
plan.SHARD_WINDOWS = 12
survey = plan.plan
plan.plan = lambda *args: (survey(*args), print("planned", flush=True))[0]
main()
"""


def start(folder: Path, out: Path, cache: Path | None = None) -> subprocess.Popen[str]:
    """`faunashot embed` with small shards and a cache that is beside the features if not given.

    It prints a line when it begins to embed, and JSON at the end.
    """
    arguments = [
        "embed",
        folder,
        "--backbone",
        "logmel_stats",
        "--hop-s",
        "0.1",
        "--out",
        out,
        "--json",
    ]
    return subprocess.Popen(
        [sys.executable, "-c", EMBED, *map(str, arguments)],
        env={**os.environ, "FAUNASHOT_CACHE": str(cache or cache_of(out))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def cache_of(out: Path) -> Path:
    return out.with_name(f"{out.name} cache")


def finished(folder: Path, out: Path) -> dict[str, bytes]:
    """The store's files after a run that ends well."""
    running = start(folder, out)
    _, said = running.communicate(timeout=120)
    assert (running.returncode, said) == (0, "")
    return content(out)


def content(out: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in out.iterdir()}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(3)
    for i in range(RECORDINGS):
        sf.write(folder / f"{i:02}.wav", rng.normal(0, 0.1, rng.integers(4_000, 80_000)), 16_000)
    return folder


@pytest.fixture(scope="module")
def half(recordings: Path, tmp_path_factory) -> Path:
    """A store of every other recording."""
    folder = tmp_path_factory.mktemp("half")
    odd = sorted(os.listdir(recordings))[1::2]
    shutil.copytree(recordings, folder / "recordings", ignore=lambda *_: odd)
    finished(folder / "recordings", folder / "store")
    return folder / "store"


@pytest.fixture(scope="module")
def undisturbed(recordings: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "store"
    assert len(finished(recordings, out)) > 2 * 40
    return out


def test_a_run_killed_again_and_again_ends_with_the_same_store(
    recordings, half, undisturbed, tmp_path
) -> None:
    out, expected, chance = tmp_path / "store", content(undisturbed), random.Random(7)
    rows = {"half": store.load(half), "whole": store.load(undisturbed)}
    before, killed, ended = "", 0, 0
    while killed < KILLS:
        running = start(recordings, out)
        assert running.stdout.readline() == "planned\n", running.stderr.read()
        time.sleep(chance.uniform(0, WITHIN_S))
        running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        killed += running.returncode == -signal.SIGKILL
        try:
            found = store.load(out)
            (before,) = (name for name, one in rows.items() if len(one.index) == len(found.index))
            assert found.index.equals(rows[before].index)
            np.testing.assert_array_equal(found.windows[:], rows[before].windows[:])
        except StoreError:
            assert before == ""  # a store that was there is never refused
        if before == "whole":
            ended += 1
            assert finished(recordings, out) == expected
            shutil.rmtree(out)
            shutil.rmtree(cache_of(out))
            shutil.copytree(half, out)
            before = "half"
    assert killed - ended > 5
    assert finished(recordings, out) == expected


def test_two_processes_at_once_make_one_store(recordings, undisturbed, tmp_path) -> None:
    both = [start(recordings, tmp_path / "store") for _ in range(2)]
    said = [running.communicate(timeout=120)[1] for running in both]
    codes = [running.returncode for running in both]
    assert 0 in codes
    for code, stderr in zip(codes, said, strict=True):
        if code:
            assert own_line(stderr).endswith(
                "is being written by another process; wait for it to end"
            )
        else:
            assert stderr == ""
    assert content(tmp_path / "store") == content(undisturbed)


def test_two_processes_that_fill_one_cache_embed_everything_once(
    recordings, undisturbed, tmp_path
) -> None:
    outs = [tmp_path / "A", tmp_path / "B"]
    both = [start(recordings, out, tmp_path / "cache") for out in outs]
    ended = [running.communicate(timeout=120) for running in both]
    assert [running.returncode for running in both] == [0, 0]
    answers = [json.loads(said.removeprefix("planned\n"))[0] for said, _ in ended]
    windows = answers[0]["windows"]
    assert sorted(answer["embedded"] for answer in answers) == [0, windows]
    for out in outs:
        assert content(out) == content(undisturbed)


def test_a_run_killed_while_others_wait_lets_one_go_on(recordings, undisturbed, tmp_path) -> None:
    first = start(recordings, tmp_path / "A", tmp_path / "cache")
    assert first.stdout.readline() == "planned\n", first.stderr.read()
    while not list(tmp_path.rglob("cache/features/*/*.parquet")):
        assert first.poll() is None
        time.sleep(0.002)
    second = start(recordings, tmp_path / "B", tmp_path / "cache")
    assert second.stdout.readline() == "planned\n", second.stderr.read()
    first.send_signal(signal.SIGKILL)
    first.communicate(timeout=60)
    said, _ = second.communicate(timeout=120)
    assert second.returncode == 0
    (answer,) = json.loads(said)
    assert answer["embedded"] < answer["windows"]
    assert content(tmp_path / "B") == content(undisturbed)
