"""No recording is embedded twice by one network, and no harm to the cache harms features."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import faunashot.features.plan as plan_module
from faunashot.audio.equalise import Equaliser
from faunashot.audio.reading import Reading
from faunashot.backbones.base import FloatArray
from faunashot.errors import StoreError
from faunashot.features import store
from faunashot.features.build import StoredFeatures, store_features
from faunashot.features.cache import cache_url
from faunashot.features.engine import local
from faunashot.features.extractors import Extractor
from faunashot.features.jobs import EmbedJob, embed_jobs
from faunashot.features.plan import Recording, plan
from faunashot.features.pruning import entries, prune

RATE = 8_000
SHARD_WINDOWS = 12
LENGTHS_S = [1.0, 0.6, 2.0, 0.5, 1.3, 0.9, 1.1, 0.7]

Recordings = list[Recording]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "SHARD_WINDOWS", SHARD_WINDOWS)


def recorded(folder: Path, *seeds: int) -> Recordings:
    """Recordings of noise, named after their seeds."""
    folder.mkdir(exist_ok=True)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        samples = rng.normal(0, 0.1, round(LENGTHS_S[seed % len(LENGTHS_S)] * RATE))
        sf.write(folder / f"{seed}.wav", samples, RATE)
    return [Recording(f"{seed}.wav", folder / f"{seed}.wav") for seed in seeds]


@pytest.fixture
def clips(tmp_path: Path) -> Recordings:
    return recorded(tmp_path / "clips", *range(8))


def embedded(recordings: Sequence[Recording], out: Path, extractor: Extractor) -> StoredFeatures:
    return store_features(plan(recordings, extractor), out, local(extractor))


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.fixture
def fresh(tiny, tmp_path: Path) -> Callable[[Sequence[Recording]], dict[str, bytes]]:
    """Features of recordings that are made with an empty cache."""
    number = itertools.count()

    def made(recordings: Sequence[Recording]) -> dict[str, bytes]:
        folder = tmp_path / f"fresh {next(number)}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FAUNASHOT_CACHE", str(folder / "cache"))
            embedded(recordings, folder / "out", tiny)
        return content(folder / "out")

    return made


class Untouchable:
    """What `Tiny` is, of which nothing but attributes may be used."""

    name, layer, version, weights_hash = "tiny", "", "1", "0" * 64
    sample_rate, window_s, hop_s, window_samples, dim = 8_000, 0.5, 0.25, 4_000, 3
    hop_samples, batch_size = 2_000, 64
    licence = citation = trained_on = "none"
    dtype, runtime = "float32", ""
    reading = Reading()

    def front_end(self, samples: FloatArray) -> FloatArray:
        raise AssertionError("the front end was called")

    def network(self, inputs: FloatArray) -> FloatArray:
        raise AssertionError("the network was called")


def test_going_back_to_a_backbone_embeds_nothing(clips, tiny, tmp_path, monkeypatch) -> None:
    out, windows = tmp_path / "features", []
    for version in ("A", "B", "A", "B"):
        shutil.rmtree(out, ignore_errors=True)  # as DVC does
        monkeypatch.setattr(tiny, "version", version)
        stored = embedded(clips, out, tiny)
        windows.append(stored.embedded)
        assert store.load(out).spec.version == version
    assert windows == [stored.windows, stored.windows, 0, 0]


def test_where_all_is_cached_only_attributes_are_used(clips, tiny, fresh, tmp_path) -> None:
    jobs = [
        EmbedJob("plain", clips, tmp_path / "features" / "plain"),
        EmbedJob("equalised", clips, tmp_path / "features" / "equalised", Equaliser()),
    ]
    first = embed_jobs(jobs, tiny)
    assert first.embedded == first.windows == sum(tiny.batches) > 0
    shutil.rmtree(tmp_path / "features")
    again = embed_jobs(jobs, Untouchable())
    assert (again.windows, again.embedded) == (first.windows, 0)
    assert again.metrics["windows_per_s"] == 0
    assert again.tags == {"weights": "0" * 64, "licence": "none"}
    assert content(tmp_path / "features" / "plain") == fresh(clips)
    for done in (first, again):
        assert [line.split(":")[0] for line in done.lines] == ["plain", "equalised"]


def test_a_job_whose_recordings_are_bad_is_refused(clips, tiny, tmp_path) -> None:
    os.truncate(clips[2].path, 100)
    with pytest.raises(StoreError, match=r"owls: 1 recordings cannot.* first is 2\.wav") as caught:
        embed_jobs([EmbedJob("owls", clips, tmp_path / "features")], tiny)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_what_is_cached_changes_no_byte(order, clips, tiny, fresh, tmp_path) -> None:
    """Parts of a corpus, in any order, and then all of it."""
    parts = (clips[:5], clips[1::2], clips[3:])
    for number in order:
        embedded(parts[number], tmp_path / f"part {number}", tiny)
        assert content(tmp_path / f"part {number}") == fresh(parts[number])
    assert embedded(clips, tmp_path / "all", tiny).embedded == 0
    assert content(tmp_path / "all") == fresh(clips)


def test_a_join_of_two_corpora_embeds_nothing(clips, tiny, fresh, tmp_path) -> None:
    other = recorded(tmp_path / "other", *range(20, 27))
    assert embedded(clips, tmp_path / "A", tiny).embedded > 0
    assert embedded(other, tmp_path / "B", tiny).embedded > 0
    both = [Recording(f"{r.path.parent.name}/{r.clip_id}", r.path) for r in (*clips, *other)]
    assert embedded(both, tmp_path / "A and B", tiny).embedded == 0
    assert content(tmp_path / "A and B") == fresh(both)


def test_the_same_recordings_under_other_names_embed_nothing(clips, tiny, fresh, tmp_path) -> None:
    embedded(clips, tmp_path / "A", tiny)
    (tmp_path / "moved").mkdir()
    moved = []
    for clip in reversed(clips):
        path = shutil.copy(clip.path, tmp_path / "moved" / f"x{clip.clip_id}")
        moved.append(Recording(f"x{clip.clip_id}", Path(path)))
    assert embedded(moved, tmp_path / "B", tiny).embedded == 0
    assert content(tmp_path / "B") == fresh(moved)
    assert set(store.load(tmp_path / "B").index["clip_id"]) == {clip.clip_id for clip in moved}


def test_copies_in_a_corpus_are_embedded_once(clips, tiny, tmp_path) -> None:
    once = embedded(clips, tmp_path / "once", tiny)
    tiny.version = "2"
    tiny.batches.clear()
    twice = [Recording(f"{n}-{clip.clip_id}", clip.path) for n in "ab" for clip in clips]
    twice[1:1] = [Recording("beside", clips[0].path)]  # in one shard
    stored = embedded(twice, tmp_path / "twice", tiny)
    assert stored.embedded == sum(tiny.batches) == once.windows
    found = store.load(tmp_path / "twice")
    rows = {
        clip_id: found.windows[at] for clip_id, at in found.index.groupby("clip_id").indices.items()
    }
    for clip in clips:
        np.testing.assert_array_equal(rows[f"a-{clip.clip_id}"], rows[f"b-{clip.clip_id}"])
    np.testing.assert_array_equal(rows["beside"], rows["a-0.wav"])
    assert len(found.index) == stored.windows > 2 * once.windows


def test_one_more_recording_embeds_only_itself(clips, tiny, fresh, tmp_path) -> None:
    embedded(clips, tmp_path / "A", tiny)
    more = [*clips[:3], *recorded(tmp_path / "more", 30), *clips[3:]]
    tiny.batches.clear()
    stored = embedded(more, tmp_path / "A", tiny)
    assert (
        stored.embedded
        == sum(tiny.batches)
        == len(store.load(tmp_path / "A").index)
        - sum(len(part) for part in [store.load(tmp_path / "A").index.query("clip_id != '30.wav'")])
    )
    assert content(tmp_path / "A") == fresh(more)


def test_a_recording_that_is_not_the_one_listed_is_not_cached(clips, tiny, tmp_path) -> None:
    listed = [Recording(clip.clip_id, clip.path, "0" * 64) for clip in clips]
    with pytest.raises(StoreError, match=r"0\.wav was changed since it was listed") as caught:
        embedded(listed, tmp_path / "out", tiny)
    assert "\n" not in str(caught.value)
    assert entries() == []


def _no_write(below: Path, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing be written below a folder."""
    write, mkdir = Path.write_bytes, Path.mkdir

    def refuse(path: Path) -> None:
        if below in path.parents:
            raise OSError(code, os.strerror(code), str(path))

    def failing_write(self: Path, data: bytes) -> int:
        if below in self.parents and code == errno.ENOSPC:
            write(self, data[: len(data) // 2])
        refuse(self)
        return write(self, data)

    def failing_mkdir(self: Path, *arguments: object, **options: object) -> None:
        if code == errno.EROFS:
            refuse(self)
        mkdir(self, *arguments, **options)

    monkeypatch.setattr(Path, "write_bytes", failing_write)
    monkeypatch.setattr(Path, "mkdir", failing_mkdir)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_where_the_cache_cannot_be_written_the_folder_has_it_all(
    code, clips, tiny, fresh, cache, tmp_path, monkeypatch, capfd
) -> None:
    expected = fresh(clips)
    _no_write(cache, code, monkeypatch)
    stored = embedded(clips, tmp_path / "out", tiny)
    assert stored.embedded == stored.windows
    (line,) = capfd.readouterr().err.splitlines()
    assert os.strerror(code) in line
    assert str(cache) in line
    assert content(tmp_path / "out") == expected
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    again = embedded([*clips, *recorded(tmp_path / "more", 30)], tmp_path / "out", tiny)
    assert 0 < again.embedded == again.windows - stored.windows


def test_a_cache_that_is_no_folder_is_one_that_cannot_be_written(
    clips, tiny, fresh, tmp_path, monkeypatch, capfd
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAUNASHOT_CACHE", str(tmp_path / "file"))
    embedded(clips, tmp_path / "out", tiny)
    assert len(capfd.readouterr().err.splitlines()) == 1
    assert content(tmp_path / "out") == fresh(clips)


def test_a_cache_that_fills_up_half_way_leaves_no_half_shard(
    clips, tiny, fresh, cache, tmp_path, monkeypatch
) -> None:
    expected, writes, write = fresh(clips), itertools.count(), Path.write_bytes

    def failing(self: Path, data: bytes) -> int:
        if cache in self.parents and next(writes) > 3:
            write(self, data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", failing)
    embedded(clips, tmp_path / "out", tiny)
    assert content(tmp_path / "out") == expected
    monkeypatch.setattr(Path, "write_bytes", write)
    assert not list(cache.rglob(".draft*"))
    again = embedded(clips, tmp_path / "elsewhere", tiny)
    assert 0 < again.embedded < again.windows
    assert content(tmp_path / "elsewhere") == expected


def test_a_cache_on_another_file_system_is_copied(
    clips, tiny, fresh, tmp_path, monkeypatch
) -> None:
    shm = Path("/dev/shm")
    if not shm.is_dir() or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system")
    folder = shm / f"faunashot-test-{os.getpid()}"
    monkeypatch.setenv("FAUNASHOT_CACHE", str(folder))
    try:
        embedded(clips, tmp_path / "out", tiny)
        assert entries()
        shutil.rmtree(folder)
        assert content(tmp_path / "out") == fresh(clips)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_cache_behind_a_symlink_is_one(clips, tiny, fresh, cache, tmp_path, monkeypatch) -> None:
    embedded(clips, tmp_path / "A", tiny)
    (tmp_path / "link").symlink_to(cache, target_is_directory=True)
    monkeypatch.setenv("FAUNASHOT_CACHE", str(tmp_path / "link"))
    assert embedded(clips, tmp_path / "B", tiny).embedded == 0
    assert content(tmp_path / "B") == fresh(clips)
    assert not any(file.is_symlink() for file in (tmp_path / "B").iterdir())


def test_a_cache_may_be_a_url(clips, tiny, fresh, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("FAUNASHOT_CACHE", f"memory://{tmp_path.name}")
    assert cache_url() == f"memory://{tmp_path.name}/features"
    assert embedded(clips, tmp_path / "A", tiny).embedded > 0
    assert embedded(clips[::-1], tmp_path / "B", tiny).embedded == 0
    assert content(tmp_path / "A") == fresh(clips)
    assert content(tmp_path / "B") == fresh(clips[::-1])
    with pytest.raises(StoreError, match="is on another machine"):
        entries()


def test_of_two_that_fill_the_cache_at_once_the_second_waits_and_embeds_nothing(
    clips, tiny, fresh, tmp_path, capfd
) -> None:
    inside = threading.Event()
    network = tiny.network

    def slow(inputs: FloatArray) -> FloatArray:
        inside.set()
        threading.Event().wait(0.3)
        return network(inputs)

    tiny.network = slow
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(embedded, clips, tmp_path / "A", tiny)
        assert inside.wait(30)
        second = embedded(clips, tmp_path / "B", Untouchable())
        assert first.result().embedded == first.result().windows
    assert second.embedded == 0
    assert "waiting" in capfd.readouterr().err
    assert content(tmp_path / "A") == content(tmp_path / "B") == fresh(clips)


@pytest.mark.parametrize("half", [False, True])
def test_a_cache_that_is_pruned_during_a_run_harms_nothing(
    half, clips, tiny, fresh, cache, tmp_path
) -> None:
    embedded(clips[::2] if half else clips[:1], tmp_path / "before", tiny)
    opened = store.load(tmp_path / "before")
    rows = np.array(opened.windows[:])

    def prune_all(step: object) -> None:
        prune(entries(), max_bytes=0)

    planned = plan(clips, tiny)
    stored = store_features(planned, tmp_path / "out", local(tiny), on_progress=prune_all)
    assert len(store.load(tmp_path / "out").index) == stored.windows
    assert content(tmp_path / "out") == fresh(clips)
    np.testing.assert_array_equal(opened.windows[:], rows)
    prune(entries(), max_bytes=0)
    assert entries() == []
    assert [path.name for path in (cache / "features").iterdir()] == []
    assert content(tmp_path / "out") == fresh(clips)


def test_what_a_prune_took_before_it_was_linked_is_made_again(
    clips, tiny, fresh, tmp_path, monkeypatch
) -> None:
    from faunashot.storage import Storage

    link, taken = Storage.link, itertools.count()

    def pruned_before(self: Storage, name: str, source: Storage) -> None:
        if next(taken) == 1:
            source.remove({name})
        link(self, name, source)

    monkeypatch.setattr(Storage, "link", pruned_before)
    stored = embedded(clips, tmp_path / "out", tiny)
    assert stored.embedded > stored.windows  # that shard was embedded twice
    assert content(tmp_path / "out") == fresh(clips)


def test_entries_say_what_they_are_for_and_the_longest_unused_goes_first(
    clips, tiny, cache, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(tiny, "layer", "low")
    embed_jobs([EmbedJob("plain", clips, tmp_path / "plain")], tiny)
    monkeypatch.undo()
    monkeypatch.setenv("FAUNASHOT_CACHE", str(cache))
    monkeypatch.setattr(plan_module, "SHARD_WINDOWS", SHARD_WINDOWS)
    for file in cache.rglob("*.parquet"):
        os.utime(file, (1e9, 1e9))
    job = EmbedJob("equalised", clips, tmp_path / "equalised", Equaliser())
    stored = embed_jobs([job], tiny)
    network = cache / "litert" / f"yamnet-{'a' * 16}"
    network.mkdir(parents=True)
    (network / "model.tflite").write_bytes(b"x" * 1000)
    os.utime(network, (5e8, 5e8))
    latest, plain, converted = entries()
    assert (latest.kind, latest.backbone, latest.windows) == ("features", "tiny", stored.windows)
    assert latest.perturbation == Equaliser().facts()
    assert (plain.layer, plain.last_used, plain.perturbation) == ("low", 1e9, None)
    assert (converted.kind, converted.backbone, converted.n_bytes) == ("network", "yamnet", 1000)

    all_bytes = sum(entry.n_bytes for entry in entries())
    would = prune(entries(), older_than_s=3600, dry_run=True)
    assert [entry.kind for entry, _ in would] == ["network"] + ["features"] * len(plain.items)
    assert sum(entry.n_bytes for entry in entries()) == all_bytes
    prune(entries(), max_bytes=all_bytes - 1)
    assert not network.exists()
    prune(entries(), max_bytes=latest.n_bytes + plain.items[0].n_bytes // 2)
    assert [entry.folder for entry in entries()] == [latest.folder]
    assert not plain.folder.exists()
    # to use what is left counts, so that it is what was used last
    before = entries()[0].last_used
    for file in cache.rglob("*.parquet"):
        os.utime(file, (1e9, 1e9))
    shutil.rmtree(tmp_path / "equalised")
    embed_jobs([job], Untouchable())
    assert entries()[0].last_used >= before


def test_what_a_killed_run_left_in_the_cache_is_listed_and_removed(
    clips, tiny, cache, tmp_path
) -> None:
    embedded(clips, tmp_path / "out", tiny)
    (folder,) = (cache / "features").iterdir()
    for name in (f"{'0' * 64}.npy", ".draft-0"):
        (folder / name).write_bytes(b"x" * 100)
        os.utime(folder / name, (1e9, 1e9))
    (folder / "spec.json").write_text("{")
    (entry,) = entries()
    assert entry.backbone == ""
    assert len(prune(entries(), older_than_s=3600)) == 2
    assert not (folder / ".draft-0").exists()
    assert embedded(clips[:3], tmp_path / "more", tiny).embedded == 0
    assert embedded(recorded(tmp_path / "new", 40), tmp_path / "more", tiny).embedded > 0
    assert entries()[0].backbone == "tiny"
