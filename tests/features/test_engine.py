"""A folder is the same bytes however it came to be; it has what is good and lists what is bad."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile as sf

import faunashot.features.plan as plan_module
from faunashot.audio.equalise import Equaliser
from faunashot.audio.noise import Noise, NoiseMixer
from faunashot.errors import StoreError
from faunashot.features import shards, store
from faunashot.features.build import StoredFeatures, store_features
from faunashot.features.cache import shards_of
from faunashot.features.cut import cut
from faunashot.features.engine import local
from faunashot.features.extractors import Extractor, extractor, of_layer
from faunashot.features.plan import Plan, Recording, plan
from faunashot.files import DRAFT, locked

RATE = 8_000
SHARD_WINDOWS = 20
LENGTHS_S = [2.0, 0.3, 1.1, 3.0, 0.7, 1.0, 2.6, 0.5, 1.9, 0.1, 1.5, 2.2]
NAMES = [f"{i:02}.wav" for i in range(len(LENGTHS_S))]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "SHARD_WINDOWS", SHARD_WINDOWS)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """A folder of twelve recordings of noise."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for seed, (name, length_s) in enumerate(zip(NAMES, LENGTHS_S, strict=True)):
        record(folder / name, length_s, seed=seed)
    return folder


def record(path: Path, length_s: float, *, seed: int) -> None:
    noise = np.random.default_rng(seed).normal(0, 0.1, round(length_s * RATE))
    sf.write(path, noise, RATE)


def planned(folder: Path, backbone: Extractor, **options) -> Plan:
    recordings = [Recording(file.name, file) for file in sorted(folder.iterdir())]
    return plan(recordings, backbone, **options)


def stored(folder: Path, out: Path, backbone: Extractor, **options) -> StoredFeatures:
    workers = options.pop("workers", 2)
    made = planned(folder, backbone)
    return store_features(made, out, local(backbone, workers=workers), **options)


def content(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*.*")}


def n_cached(folder: Path, backbone: Extractor) -> int:
    """Windows of whole shards in the cache."""
    derivation = planned(folder, backbone).derivation
    return sum(facts.n_rows for facts in shards.shards_in(shards_of(derivation), derivation))


def n_windows(folder: Path, backbone: Extractor, *names: str) -> int:
    return sum(len(cut(folder / name, backbone).inputs) for name in names)


@pytest.fixture
def fresh(tiny, tmp_path: Path) -> Callable[[Path], dict[str, bytes]]:
    """What a folder of features is if it is made in one undisturbed run, with nothing cached."""

    def made(folder: Path) -> dict[str, bytes]:
        shutil.rmtree(tmp_path / "fresh", ignore_errors=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FAUNASHOT_CACHE", str(tmp_path / "fresh" / "cache"))
            assert stored(folder, tmp_path / "fresh" / "out", tiny, workers=1).embedded > 0
        return content(tmp_path / "fresh" / "out")

    return made


def assert_holds(out: Path, folder: Path, backbone: Extractor, names: Sequence[str]) -> None:
    """The store's rows are those of the named recordings, each embedded by itself."""
    found = store.load(out)
    cuts = {name: cut(folder / name, backbone) for name in names}
    expected = np.concatenate([backbone.network(one.inputs) for one in cuts.values()])
    assert np.asarray(found.windows).tobytes() == expected.tobytes()
    clip_ids = [name for name, one in cuts.items() for _ in one.start_s]
    assert found.index["clip_id"].tolist() == clip_ids
    for column in ("start_s", "end_s"):
        times = np.concatenate([getattr(one, column) for one in cuts.values()])
        np.testing.assert_array_equal(found.index[column], times)


def test_a_store_holds_every_window_once_in_order(clips: Path, tiny, tmp_path: Path) -> None:
    outcome = stored(clips, tmp_path / "out", tiny)
    assert_holds(tmp_path / "out", clips, tiny, NAMES)
    assert outcome == StoredFeatures(n_windows(clips, tiny, *NAMES), outcome.windows, ())
    sizes = [len(part) for part in store.load(tmp_path / "out").windows._parts]
    assert len(sizes) > 3
    assert max(sizes) <= SHARD_WINDOWS


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("batch", [1, 7, 64, 1000])
def test_workers_and_batches_change_no_byte(
    workers, batch, clips, tiny, fresh, monkeypatch, tmp_path
) -> None:
    expected = fresh(clips)
    monkeypatch.setattr(tiny, "batch_size", batch)
    tiny.batches.clear()
    stored(clips, tmp_path / "out", tiny, workers=workers)
    assert max(tiny.batches) == min(batch, sum(tiny.batches))
    assert content(tmp_path / "out") == expected


@pytest.mark.parametrize("name", ["logmel_stats", pytest.param("yamnet", marks=pytest.mark.shared)])
def test_workers_and_batches_change_no_byte_of_real_features(
    name, request, monkeypatch, tmp_path
) -> None:
    shared = request.getfixturevalue("shared")
    real = sorted((shared / "data" / "esc50-mini" / "audio").glob("*.ogg"))[::60]
    if name == "yamnet":
        request.getfixturevalue(name)  # its weights
    _assert_same_bytes([*real], extractor(name), tmp_path)


def test_workers_and_batches_change_no_byte_of_birdnets_features(
    birdnet, monkeypatch, tmp_path
) -> None:
    for seed, length_s in enumerate([13.0, 2.0, 31.0, 61.0]):
        record(tmp_path / f"{seed}.wav", length_s, seed=seed)
    _assert_same_bytes(sorted(tmp_path.glob("*.wav")), of_layer(birdnet), tmp_path)


def _assert_same_bytes(files: list[Path], source: Extractor, tmp_path: Path) -> None:
    made = plan([Recording(file.name, file) for file in files], source)
    assert len(made.shards) > 1
    found = []
    for workers, batch in ((1, 1), (2, 7), (1, 32), (2, 32)):
        of_size = replace(source, batch_size=batch)
        out = tmp_path / f"{workers} {batch}"
        assert store_features(made, out, local(of_size, workers=workers)).windows > 30
        found.append(content(out))
    assert all(other == found[0] for other in found[1:])


def test_only_what_is_added_is_embedded(clips: Path, tiny, fresh, tmp_path: Path) -> None:
    stored(clips, tmp_path / "out", tiny)
    record(clips / "05b.wav", 1.3, seed=100)
    record(clips / "99.wav", 2.0, seed=101)
    shutil.copy(clips / "03.wav", clips / "00 again.wav")
    tiny.batches.clear()
    outcome = stored(clips, tmp_path / "out", tiny)
    assert outcome.embedded == n_windows(clips, tiny, "05b.wav", "99.wav") == sum(tiny.batches)
    assert outcome.windows == len(store.load(tmp_path / "out").index)
    assert content(tmp_path / "out") == fresh(clips)
    assert stored(clips, tmp_path / "out", tiny).embedded == 0


def test_what_is_taken_away_leaves_nothing(clips: Path, tiny, fresh, tmp_path: Path) -> None:
    stored(clips, tmp_path / "out", tiny)
    for name in ("00.wav", "06.wav", "11.wav"):
        (clips / name).unlink()
    outcome = stored(clips, tmp_path / "out", tiny)
    assert outcome.embedded == 0
    assert content(tmp_path / "out") == fresh(clips)


def test_a_renamed_recording_is_not_embedded_again(clips, tiny, fresh, tmp_path) -> None:
    stored(clips, tmp_path / "out", tiny)
    (clips / "00.wav").rename(clips / "zz.wav")
    assert stored(clips, tmp_path / "out", tiny).embedded == 0
    assert content(tmp_path / "out") == fresh(clips)
    assert_holds(tmp_path / "out", clips, tiny, sorted(os.listdir(clips)))


@pytest.mark.parametrize("after", [1, 4, 9, len(LENGTHS_S)])
def test_an_interrupted_run_goes_on(after, clips: Path, tiny, fresh, tmp_path: Path) -> None:
    steps: list[object] = []

    def interrupt(done: object) -> None:
        steps.append(done)
        if len(steps) > after:  # the first step tells of what was there
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stored(clips, tmp_path / "out", tiny, on_progress=interrupt)
    with pytest.raises(StoreError, match="is not a features store"):
        store.load(tmp_path / "out")
    written = n_cached(clips, tiny)
    outcome = stored(clips, tmp_path / "out", tiny)
    assert outcome.embedded == outcome.windows - written
    assert written > 0 or after == 1
    assert content(tmp_path / "out") == fresh(clips)


def _truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


TEARS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "half an array": ("*.npy", _truncate),
    "one bit": ("*.npy", lambda file: _write(file, file.read_bytes()[:-1] + b"?")),
    "an empty array": ("*.npy", lambda file: file.write_bytes(b"")),
    "no array": ("*.npy", Path.unlink),
    "half the times": ("*.parquet", _truncate),
    "other times": ("*.parquet", lambda file: _edit_times(file)),
    "empty times": ("*.parquet", lambda file: file.write_bytes(b"")),
    "no times": ("*.parquet", Path.unlink),
}


def _write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def _edit_times(file: Path) -> None:
    table = pq.read_table(file)
    pq.write_table(table.set_column(1, "start_s", table["end_s"]), file)


@pytest.mark.parametrize("where", ["cache", "folder", "both"])
@pytest.mark.parametrize("tear", TEARS)
def test_what_is_torn_is_made_anew(tear, where, clips, tiny, fresh, cache, tmp_path) -> None:
    pattern, damage = TEARS[tear]
    expected = fresh(clips)
    whole = stored(clips, tmp_path / "out", tiny)
    first = min((tmp_path / "out").glob("?" * 64 + pattern[1:])).name
    if where != "folder":
        damage(next(cache.rglob(first)))
    if where == "both" and (tmp_path / "out" / first).exists():
        damage(tmp_path / "out" / first)
    if where == "folder":
        damage(tmp_path / "out" / first)
    (tmp_path / "out" / f"{DRAFT}left").write_bytes(b"by a killed run")
    mended = stored(clips, tmp_path / "out", tiny)
    assert mended.embedded <= SHARD_WINDOWS
    if where == "both":
        assert mended.embedded > 0
    elif pattern == "*.parquet":  # which is no link
        assert mended.embedded == 0
    assert replace(mended, embedded=whole.embedded) == whole
    assert content(tmp_path / "out") == expected
    stored(clips, tmp_path / "elsewhere", tiny)
    assert content(tmp_path / "elsewhere") == expected
    assert stored(clips, tmp_path / "a third", tiny).embedded == 0


@pytest.mark.parametrize(
    ("pattern", "damage"),
    [
        ("meta.json", _truncate),
        ("meta.json", Path.unlink),
        ("index-*", _truncate),
        ("index-*", Path.unlink),
    ],
)
def test_lists_of_what_is_there_are_made_anew(
    pattern, damage, clips, tiny, fresh, tmp_path
) -> None:
    stored(clips, tmp_path / "out", tiny)
    damage(next((tmp_path / "out").glob(pattern)))
    assert stored(clips, tmp_path / "out", tiny).embedded == 0
    assert content(tmp_path / "out") == fresh(clips)


def _cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 3)


def _announce_more(file: Path) -> None:
    content = bytearray(file.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = (len(content) * 3).to_bytes(4, "little")
    file.write_bytes(content)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut off": (_cut_off, "cut off: .* of audio that its header .* too much to go without"),
    "header of a longer one": (_announce_more, "cut off: [0-9]+ bytes of audio that its header"),
    "empty": (lambda file: file.write_bytes(b""), "empty file"),
    "text": (lambda file: file.write_text("no sound\n" * 99), "can decode it"),
    "no samples": (lambda file: sf.write(file, np.zeros(0), RATE), "holds no samples"),
    "not a number": (
        lambda file: sf.write(file, np.full(9_000, np.nan), RATE, subtype="FLOAT"),
        "holds 9000 samples that are NaN or infinite",
    ),
    "no file": (lambda file: (file.unlink(), file.mkdir()), "not a file"),
}


@pytest.mark.parametrize("harm", BAD)
def test_what_is_bad_is_listed_and_the_rest_is_stored(harm, clips, tiny, tmp_path) -> None:
    damage, reason = BAD[harm]
    damage(clips / "03.wav")
    outcome = stored(clips, tmp_path / "out", tiny)
    (bad,) = outcome.bad
    assert re.search(reason, bad["reason"])
    assert bad == bad | {"clip_id": "03.wav", "start_s": 0.0, "end_s": None}
    assert store.load(tmp_path / "out").bad == list(outcome.bad)
    assert_holds(tmp_path / "out", clips, tiny, [name for name in NAMES if name != "03.wav"])


def test_what_is_there_of_a_recording_is_stored_and_noted(clips, tiny, tmp_path) -> None:
    """Whatever its header says, which may have been believed by an older version."""
    whole = (clips / "03.wav").read_bytes()
    at = whole.index(b"data") + 4
    stored(clips, tmp_path / "out", tiny)
    for size, kept, note in (
        (8, len(whole), "its header announces 8 of the"),
        (len(whole) - 44, len(whole) - 1_000, "cut off: 1000 bytes"),
    ):
        content = whole[:at] + size.to_bytes(4, "little") + whole[at + 4 :]
        (clips / "03.wav").write_bytes(content[:kept])
        made = planned(clips, tiny)
        ((clip_id, said),) = made.notes
        assert (clip_id, said.startswith(note)) == ("03.wav", True)
        assert store_features(made, tmp_path / "out", local(tiny)).bad == ()
        assert_holds(tmp_path / "out", clips, tiny, NAMES)
        keys = [chunk.key[0] for shard in made.shards for chunk in shard.chunks]
        assert sum(key.endswith("+") for key in keys) == (size == 8)


LATER: dict[str, tuple[Callable[[Path], object], str]] = {
    "removed": (Path.unlink, "unreadable: No such file or directory"),
    "changed": (lambda file: record(file, 2.0, seed=9), "was changed during the run"),
    "cut off": (_cut_off, "was changed during the run"),
}


@pytest.mark.parametrize("harm", LATER)
def test_what_happens_to_a_recording_during_the_run_is_listed(
    harm, clips, tiny, fresh, tmp_path
) -> None:
    damage, reason = LATER[harm]
    expected, recording = fresh(clips), (clips / "03.wav").read_bytes()
    made = planned(clips, tiny)
    told: list[object] = []

    def harm_first(done: object) -> None:
        if not told:
            damage(clips / "03.wav")
        told.append(done)

    outcome = store_features(made, tmp_path / "out", local(tiny), on_progress=harm_first)
    bad = {"clip_id": "03.wav", "start_s": 0.0, "end_s": None, "reason": reason}
    assert outcome.bad == (bad,)
    assert store.load(tmp_path / "out").bad == [bad]
    assert_holds(tmp_path / "out", clips, tiny, [name for name in NAMES if name != "03.wav"])
    (clips / "03.wav").write_bytes(recording)
    mended = stored(clips, tmp_path / "out", tiny)
    assert mended.bad == ()
    assert mended.embedded == n_windows(clips, tiny, "03.wav")
    assert content(tmp_path / "out") == expected


def test_a_bad_recording_is_embedded_once_it_is_mended(clips, tiny, fresh, tmp_path) -> None:
    expected, recording = fresh(clips), (clips / "06.wav").read_bytes()
    _cut_off(clips / "06.wav")
    assert len(stored(clips, tmp_path / "out", tiny).bad) == 1
    again = stored(clips, tmp_path / "out", tiny)
    assert (again.embedded, len(again.bad)) == (0, 1)
    (clips / "06.wav").write_bytes(recording)
    mended = stored(clips, tmp_path / "out", tiny)
    assert (mended.embedded, mended.bad) == (n_windows(clips, tiny, "06.wav"), ())
    assert content(tmp_path / "out") == expected


@pytest.mark.parametrize("seed", range(6))  # the order of shards by key differs
def test_copies_of_a_recording_survive_that_their_shards_are_mended(
    seed, tiny, fresh, monkeypatch, tmp_path
) -> None:
    """Mending a shard moves the rows of what others take from it."""
    clips = tmp_path / "clips"
    clips.mkdir()
    for number, name in enumerate("abcdef"):
        record(clips / f"{name}.wav", 1.0, seed=10 * seed + number)
    shutil.copy(clips / "b.wav", clips / "f.wav")
    monkeypatch.setattr(plan_module, "SHARD_WINDOWS", 9)
    expected, made = fresh(clips), planned(clips, tiny)
    assert len(made.shards) == 2
    for name in ("a.wav", "d.wav"):
        (clips / name).rename(tmp_path / name)
    assert len(store_features(made, tmp_path / "out", local(tiny)).bad) == 2
    for name in ("a.wav", "d.wav"):
        (tmp_path / name).rename(clips / name)
    assert stored(clips, tmp_path / "out", tiny).bad == ()
    assert content(tmp_path / "out") == expected


@pytest.mark.parametrize("damage", [_cut_off, lambda file: file.write_bytes(b"")])
def test_recordings_all_of_which_are_bad_are_an_empty_store(damage, clips, tiny, tmp_path) -> None:
    for file in clips.iterdir():
        damage(file)
    outcome = stored(clips, tmp_path / "out", tiny)
    assert (outcome.windows, outcome.embedded, len(outcome.bad)) == (0, 0, len(LENGTHS_S))
    found = store.load(tmp_path / "out")
    assert found.windows.shape == (0, tiny.dim)
    assert [bad["clip_id"] for bad in found.bad] == NAMES


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("weights_hash", "1" * 64), ("version", "2"), ("hop_s", 0.5), ("layer", "low")],
)
def test_a_store_of_another_spec_is_not_touched(
    attribute, value, clips, tiny, fresh, tmp_path, monkeypatch
) -> None:
    stored(clips, tmp_path / "out", tiny)
    before = content(tmp_path / "out")
    monkeypatch.setattr(tiny, attribute, value)
    with pytest.raises(StoreError, match=r"holds features of tiny .*, not of tiny ") as caught:
        stored(clips, tmp_path / "out", tiny)
    assert "\n" not in str(caught.value)
    assert content(tmp_path / "out") == before
    stored(clips, tmp_path / "out", tiny, replace=True)
    assert content(tmp_path / "out") == fresh(clips) != before


@pytest.mark.parametrize("changes", [{"format": 1}, {"format": 9, "spec": {"new": 1}}])
def test_a_store_of_another_version_is_not_touched(changes, clips, tiny, fresh, tmp_path) -> None:
    stored(clips, tmp_path / "out", tiny)
    meta = json.loads((tmp_path / "out" / store.META).read_text())
    (tmp_path / "out" / store.META).write_text(json.dumps(meta | changes))
    before = content(tmp_path / "out")
    with pytest.raises(StoreError, match=f"format {changes['format']}, this version writes"):
        stored(clips, tmp_path / "out", tiny)
    assert content(tmp_path / "out") == before
    stored(clips, tmp_path / "out", tiny, replace=True)
    assert content(tmp_path / "out") == fresh(clips)


@pytest.mark.parametrize("name", ["owl.wav", "notes/owl.txt", "windows.npy"])
def test_a_folder_of_other_files_is_not_touched(name, clips, tiny, fresh, tmp_path) -> None:
    stored(clips, tmp_path / "out", tiny)
    (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "out" / name).write_bytes(b"mine")
    before = content(tmp_path / "out")
    record(clips / "new.wav", 1.0, seed=50)
    with pytest.raises(StoreError, match=f"out holds {name}, which is no features") as caught:
        stored(clips, tmp_path / "out", tiny)
    assert "\n" not in str(caught.value)
    assert content(tmp_path / "out") == before
    stored(clips, tmp_path / "out", tiny, replace=True)
    assert content(tmp_path / "out") == fresh(clips)


def test_the_recordings_themselves_are_never_the_store(clips: Path, tiny) -> None:
    before = content(clips)
    with pytest.raises(StoreError, match=r"holds 00\.wav, which is no features"):
        stored(clips, clips, tiny)
    assert content(clips) == before


def test_a_store_that_another_process_writes_is_not_touched(clips, tiny, tmp_path) -> None:
    (tmp_path / "out").mkdir()
    with (
        locked(tmp_path / "out" / store.LOCK),
        pytest.raises(StoreError, match="is being written by another process; wait"),
    ):
        stored(clips, tmp_path / "out", tiny)
    assert content(tmp_path / "out") == {}
    assert stored(clips, tmp_path / "out", tiny).windows > 0


@pytest.fixture
def full_disk(monkeypatch) -> Iterator[Callable[[int], None]]:
    """Let the disk be full from the n-th write on."""
    write = Path.write_bytes

    def after(n: int) -> None:
        writes = iter(range(n))

        def failing(self: Path, content: bytes) -> int:
            if next(writes, None) is None:
                write(self, content[: len(content) // 2])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
            return write(self, content)

        monkeypatch.setattr(Path, "write_bytes", failing)

    yield after
    monkeypatch.undo()


@pytest.mark.parametrize("writes", [0, 1, 2, 3, 4, 9, -1])
def test_a_full_disk_ends_the_run_and_the_next_goes_on(
    writes, clips, tiny, fresh, full_disk, cache, tmp_path
) -> None:
    expected = fresh(clips)
    made = len(planned(clips, tiny).shards)
    # spec.json; two files of each shard, and one of them again in the folder; index and meta.json
    writes %= 3 * made + 3  # -1: all but meta.json
    full_disk(writes)
    with pytest.raises(OSError, match="No space left") as caught:
        stored(clips, tmp_path / "out", tiny)
    assert caught.value.errno == errno.ENOSPC
    for folder in (tmp_path / "out", cache):
        assert not list(folder.rglob(f"{DRAFT}*"))
    with pytest.raises(StoreError, match="is not a features store"):
        store.load(tmp_path / "out")
    full_disk(1_000)
    outcome = stored(clips, tmp_path / "out", tiny)
    assert (outcome.embedded < outcome.windows) == (writes > 2)
    assert (outcome.embedded == 0) == (writes > 3 * made)
    assert content(tmp_path / "out") == expected


def test_a_full_disk_leaves_the_store_that_was(clips, tiny, fresh, full_disk, tmp_path) -> None:
    stored(clips, tmp_path / "out", tiny)
    record(clips / "00a.wav", 1.0, seed=50)
    full_disk(2)
    with pytest.raises(OSError, match="No space left"):
        stored(clips, tmp_path / "out", tiny)
    assert_holds(tmp_path / "out", clips, tiny, NAMES)
    full_disk(1_000)
    stored(clips, tmp_path / "out", tiny)
    assert content(tmp_path / "out") == fresh(clips)


def test_what_is_done_is_told_as_it_is_done(clips: Path, tiny, tmp_path: Path) -> None:
    told: list = []
    outcome = stored(clips, tmp_path / "out", tiny, on_progress=told.append)
    assert sum(done.embedded for done in told) == outcome.windows
    assert told[0].seconds == 0
    audio_s = pytest.approx(sum(sf.info(file).duration for file in clips.iterdir()))
    assert sum(done.seconds for done in told) == audio_s
    told.clear()
    stored(clips, tmp_path / "out", tiny, on_progress=told.append)
    assert [(done.seconds, done.embedded) for done in told] == [(audio_s, 0)]


EQUALISED = {"low_hz": 100.0, "high_hz": 3500.0, "length_s": 2.0, "level_db": -25.0, "snr_db": 25.0}


@pytest.mark.parametrize(("perturbation", "facts"), [(None, None), (Equaliser(), EQUALISED)])
def test_shards_that_are_cached_keep_their_keys(perturbation, facts, tiny, tmp_path):
    record(tmp_path / "owl.wav", 2.0, seed=0)
    sha256 = hashlib.sha256((tmp_path / "owl.wav").read_bytes()).hexdigest()
    spec = {"backbone": "tiny", "version": "1", "weights_hash": "0" * 64, "sample_rate": RATE}
    spec |= {"window_s": 0.5, "hop_s": 0.25, "dim": 3, "blocks": [], "layer": ""}
    made_of = {"format": 3, "spec": spec, "perturbation": facts}
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    made = plan([Recording("owl.wav", tmp_path / "owl.wav")], tiny, perturbation=perturbation)
    assert made.derivation.key == key
    made_of |= {"chunks": [[sha256, 0, None]]}
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
    assert [shard.key for shard in made.shards] == [key]


def test_features_under_one_perturbation_are_not_those_under_another(clips, tiny, tmp_path):
    record(tmp_path / "wind.wav", 1.0, seed=99)
    noises = (Noise(tmp_path / "wind.wav", "a"),)
    elsewhere = (Noise(tmp_path / "not here.wav", "a"),)
    others = (NoiseMixer(20.0, noises), NoiseMixer(0.0, noises))
    perturbations = (
        None,
        Equaliser(),
        *others,
        NoiseMixer(0.0, (Noise(tmp_path / "wind.wav", "b"),)),
    )
    found = []
    for perturbation in perturbations:
        made = planned(clips, tiny, perturbation=perturbation)
        outcome = store_features(made, tmp_path / "out", local(tiny))
        assert outcome.embedded == outcome.windows
        found.append(np.asarray(store.load(tmp_path / "out").windows))
    moved = planned(clips, tiny, perturbation=NoiseMixer(0.0, elsewhere))
    assert store_features(moved, tmp_path / "out", local(tiny)).embedded == 0
    again = planned(clips, tiny)
    assert store_features(again, tmp_path / "out", local(tiny)).embedded == 0
    assert not np.array_equal(found[2], found[3])
    assert not np.array_equal(found[0], found[2])


def test_noise_that_cannot_be_read_makes_every_recording_bad(clips, tiny, tmp_path):
    gone = NoiseMixer(0.0, (Noise(tmp_path / "gone.wav", "a"),))
    outcome = store_features(planned(clips, tiny, perturbation=gone), tmp_path / "out", local(tiny))
    assert [bad["clip_id"] for bad in outcome.bad] == NAMES
    assert outcome.bad[0]["reason"] == f"{tmp_path / 'gone.wav'}: no such file"
