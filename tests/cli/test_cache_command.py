"""`faunashot cache`: what is kept and for what, as a table or JSON, and less of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

KEYS = {"kind", "backbone", "version", "layer", "perturbation", "windows", "size", "bytes"}
KEYS |= {"last_used", "folder"}


@pytest.fixture
def cache(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("FAUNASHOT_CACHE", str(folder))
    return folder


@pytest.fixture
def embedded(faunashot, cache, tmp_path) -> Callable:
    """Embed two seconds of noise by a step between windows, used last so many days ago."""
    noise = np.random.default_rng(0).normal(0, 0.1, 2 * 16_000)
    sf.write(tmp_path / "owl.wav", noise, 16_000)

    def run(hop_s: float, *, days: float = 0) -> None:
        before = {*cache.rglob("*.parquet")}
        out = ["--out", f"by {hop_s}", "--hop-s", str(hop_s)]
        assert faunashot("embed", "owl.wav", "--backbone", "logmel_stats", *out).code == 0
        for file in {*cache.rglob("*.parquet")} - before:
            used = file.stat().st_mtime - days * 86_400
            os.utime(file, (used, used))

    return run


def rows(answer) -> list:
    assert (answer.code, answer.err) == (0, "")
    return json.loads(answer.out)


def test_an_empty_cache_is_told_of(faunashot, cache):
    assert rows(faunashot("cache", "--json")) == []
    answer = faunashot("cache")
    assert answer.code == 0
    assert f"0 bytes in {cache}" in answer.out


def test_what_is_kept_is_listed_the_latest_first(faunashot, embedded, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    embedded(0.5, days=3)
    embedded(1.0)
    latest, older = rows(faunashot("cache", "--json"))
    assert set(latest) == KEYS
    assert (latest["kind"], latest["backbone"], latest["version"]) == (
        "features",
        "logmel_stats",
        "1",
    )
    assert (latest["windows"], older["windows"]) == (2, 3)
    assert latest["last_used"] > older["last_used"]
    assert latest["bytes"] == sum(
        file.stat().st_size for file in Path(latest["folder"]).iterdir() if file.stem != "spec"
    )
    assert "logmel_stats" in faunashot("cache").out


def test_what_is_old_is_removed_and_made_anew(faunashot, embedded, cache):
    embedded(0.5, days=3)
    embedded(1.0)
    before = {file for file in cache.rglob("*") if file.is_file()}
    (would,) = rows(faunashot("cache", "prune", "--older-than", "2d", "--dry-run", "--json"))
    assert {file for file in cache.rglob("*") if file.is_file()} == before
    (removed,) = rows(faunashot("cache", "prune", "--older-than", "2d", "--json"))
    assert removed == would
    assert removed["windows"] == 3
    (left,) = rows(faunashot("cache", "--json"))
    assert left["windows"] == 2
    assert (
        "0 bytes would be removed"
        in faunashot("cache", "prune", "--max-size", "1GB", "--dry-run").out
    )
    assert "removed" in faunashot("cache", "prune", "--max-size", "0").out
    assert rows(faunashot("cache", "--json")) == []
    embedded(1.0)
    assert rows(faunashot("cache", "--json")) == []  # the folder has it all still


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--older-than 30d, --max-size 10GB or both"),
        (["--older-than", "soon"], "--older-than soon: must be a number and m, h, d or w"),
        (["--older-than", "-1d"], "--older-than -1d: must be"),
        (["--max-size", "big"], "--max-size big: must be a size"),
        (["--max-size", "-1GB"], "--max-size -1GB: must be a size"),
    ],
)
def test_what_cannot_be_understood_is_one_line(arguments, said, faunashot, embedded, cache):
    embedded(1.0)
    answer = faunashot("cache", "prune", *arguments)
    assert answer.code == 1
    (line,) = answer.err.splitlines()
    assert said in line
    assert len(rows(faunashot("cache", "--json"))) == 1


def test_a_cache_elsewhere_is_one_line(faunashot, monkeypatch):
    monkeypatch.setenv("FAUNASHOT_CACHE", "memory://cache")
    answer = faunashot("cache")
    assert answer.code == 1
    (line,) = answer.err.splitlines()
    assert "memory://cache/features is on another machine" in line
