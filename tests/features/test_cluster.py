"""A store made by a cluster of Ray is the local one, byte for byte, also where a node is lost."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from long_running import LONG

import faunashot.features.plan as plan_module
from faunashot.features import store
from faunashot.features.build import StoredFeatures, store_features
from faunashot.features.cluster import ray_actors
from faunashot.features.engine import local
from faunashot.features.extractors import extractor
from faunashot.features.plan import Plan, Recording, plan

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'faunashot[ray]'")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

RATE = 16_000
RECORDINGS, SHARD_WINDOWS = 60, 120
HOP_S = 0.1
LOAD = partial(extractor, "logmel_stats", options={"hop_s": HOP_S})


@pytest.fixture(scope="module")
def made(logmel_by_the_tenth, tmp_path_factory) -> Plan:
    """A plan of many shards, one recording of which is bad."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(2)
    for i in range(RECORDINGS):
        sf.write(folder / f"{i:02}.wav", rng.normal(0, 0.1, rng.integers(8_000, 256_000)), RATE)
    os.truncate(folder / "07.wav", 6_000)
    recordings = [Recording(file.name, file) for file in sorted(folder.iterdir())]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan_module, "SHARD_WINDOWS", SHARD_WINDOWS)
        return plan(recordings, logmel_by_the_tenth)


@pytest.fixture(scope="module")
def logmel_by_the_tenth():
    return LOAD()


@pytest.fixture(scope="module")
def expected(made: Plan, logmel_by_the_tenth, tmp_path_factory) -> Path:
    """The store that this process makes."""
    out = tmp_path_factory.mktemp("local") / "store"
    outcome = store_features(made, out, local(logmel_by_the_tenth))
    assert len(made.shards) > 20
    assert outcome.windows > 3_000
    assert [bad["clip_id"] for bad in outcome.bad] == ["07.wav"]
    return out


@pytest.fixture
def engine(monkeypatch) -> Iterator[Callable[..., StoredFeatures]]:
    """Ray, on a cluster of its own; stopped at the end."""
    monkeypatch.setenv("RAY_worker_niceness", "0")  # or other tests would be served before it
    yield ray_actors(LOAD, actors=2)
    ray.shutdown()


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def assert_same(url: str | Path, expected: Path) -> None:
    ours, theirs = store.load(url), store.load(expected)
    assert np.asarray(ours.windows).tobytes() == np.asarray(theirs.windows).tobytes()
    assert ours.index.equals(theirs.index)
    assert (ours.spec, ours.bad) == (theirs.spec, theirs.bad)


def test_ray_makes_the_same_bytes_and_only_what_is_missing(
    made: Plan, expected: Path, engine, cache: Path, tmp_path: Path
) -> None:
    outcome = store_features(made, tmp_path / "store", engine)
    assert outcome.embedded == outcome.windows == len(store.load(expected).index)
    assert content(tmp_path / "store") == content(expected)
    lost = min((tmp_path / "store").glob("*.npy"))
    rows = len(np.load(lost))
    lost.unlink()
    assert store_features(made, tmp_path / "store", engine).embedded == 0
    lost.unlink()
    next(cache.rglob(lost.name)).unlink()
    assert store_features(made, tmp_path / "store", engine).embedded == rows
    assert content(tmp_path / "store") == content(expected)


@pytest.fixture
def bucket(monkeypatch) -> Iterator[str]:
    """URL of an empty bucket of a server of S3 in this process."""
    server_module = pytest.importorskip("moto.server", reason="moto is not installed")
    fsspec = pytest.importorskip("s3fs", reason="s3fs is not installed")
    server = server_module.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    fsspec.S3FileSystem.clear_instance_cache()
    fsspec.S3FileSystem().mkdir("features")
    yield "s3://features/of/logmel"
    server.stop()
    fsspec.S3FileSystem.clear_instance_cache()


def in_bucket(url: str) -> dict[str, bytes]:
    import s3fs

    bucket = s3fs.S3FileSystem(use_listings_cache=False)
    return {name.rsplit("/", 1)[-1]: bucket.cat(name) for name in bucket.find(url)}


def test_a_store_on_s3_is_the_same(
    made: Plan, expected: Path, logmel_by_the_tenth, bucket: str
) -> None:
    by_threads = store_features(made, bucket, local(logmel_by_the_tenth))
    assert by_threads.embedded == by_threads.windows
    assert in_bucket(bucket) == content(expected)
    assert_same(bucket, expected)
    assert store_features(made, bucket, local(logmel_by_the_tenth)).embedded == 0


@LONG
def test_a_store_that_ray_makes_on_s3_is_the_same(
    made: Plan, expected: Path, logmel_by_the_tenth, engine, bucket: str, monkeypatch
) -> None:
    by_threads = store_features(made, bucket, local(logmel_by_the_tenth))
    assert store_features(made, f"{bucket} again", engine).embedded == 0
    assert in_bucket(f"{bucket} again") == content(expected)

    monkeypatch.setenv("FAUNASHOT_CACHE", "s3://features/cache")
    by_ray = store_features(made, f"{bucket} by ray", engine)
    assert by_ray == by_threads
    assert in_bucket(f"{bucket} by ray") == content(expected)
    assert_same(f"{bucket} by ray", expected)


@LONG
def test_a_node_that_is_killed_half_way_loses_and_doubles_nothing(
    made: Plan, expected: Path, cache: Path, tmp_path: Path
) -> None:
    from ray.cluster_utils import Cluster

    out = tmp_path / "store"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        other = cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False)
        assert ray.cluster_resources()["CPU"] == 2
        written_at_kill: list[int] = []

        def kill_when_some_are_there() -> None:
            while (written := len(list(cache.rglob("*.parquet")))) < 6:
                time.sleep(0.005)
            cluster.remove_node(other, allow_graceful=False)
            written_at_kill.append(written)

        killer = threading.Thread(target=kill_when_some_are_there, daemon=True)
        killer.start()
        outcome = store_features(made, out, ray_actors(LOAD, actors=2))
        killer.join(timeout=60)
        assert 6 <= written_at_kill[0] < len(made.shards) // 2
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert outcome.windows == len(store.load(expected).index)
    assert content(out) == content(expected)
    assert_same(out, expected)
