"""A packed corpus comes back as it was; half-written it is gone on with, cut off it is refused."""

from __future__ import annotations

import csv
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import soundfile as sf

from faunashot.data import packed
from faunashot.data.corpora import create
from faunashot.data.packed import Packed, pack
from faunashot.errors import CorpusError, StoreError
from faunashot.estimators.examples import Examples

RATE = 4_000
LABELS = ["owl", "frog;owl", "", "frog"]
SETTINGS = {"rate_hz": RATE, "window_s": 0.5}


def meadow():
    return create("meadow", reader="folder", multi_label=True)


def samples_of(number: int) -> np.ndarray:
    draw = np.random.default_rng(number)
    return draw.integers(-9_000, 9_000, 1_500 + 300 * number).astype(np.int16)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four recordings in 16 bits, from 0.375 to 0.6 s long, of two classes, both or none."""
    made = tmp_path / "corpus"
    made.mkdir()
    for number in range(len(LABELS)):
        sf.write(made / f"{number}.wav", samples_of(number), RATE)
    with (made / "labels.csv").open("w", newline="") as table:
        rows = ([f"{n}.wav", label, f"g{n // 2}", n % 2] for n, label in enumerate(LABELS))
        csv.writer(table).writerows([["path", "label", "group", "fold"], *rows])
    return made


def test_what_was_packed_comes_back(root: Path, tmp_path: Path) -> None:
    done = pack(meadow(), root, tmp_path / "out" / "meadow.h5", **SETTINGS)
    assert (done.clips, done.packed, done.classes, done.longer, done.bad) == (4, 4, 2, 2, ())
    found = Packed(tmp_path / "out" / "meadow.h5")
    assert (found.corpus, found.rate_hz, found.n_samples, len(found)) == ("meadow", RATE, 2_000, 4)
    assert found.clip_ids == ("0.wav", "1.wav", "2.wav", "3.wav")
    assert (found.labels, found.multi_label) == (tuple(LABELS), True)
    assert (found.groups, found.folds) == (("g0", "g0", "g1", "g1"), ("0", "1", "0", "1"))
    assert found.classes == ("frog", "owl")
    assert found.targets.dtype == np.uint8
    assert found.targets.tolist() == [[0, 1], [1, 1], [0, 0], [1, 0]]
    rows = found.read([3, 0])
    assert (rows.dtype, rows.flags.writeable) == (np.int16, True)
    np.testing.assert_array_equal(rows[0], samples_of(3)[:2_000])
    np.testing.assert_array_equal(rows[1], np.pad(samples_of(0), (0, 500)))
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["meadow.h5"]


def test_what_learns_from_arrays_reads_it_where_it_lies(root: Path, tmp_path: Path) -> None:
    pack(meadow(), root, tmp_path / "meadow.h5", **SETTINGS)
    found = Packed(tmp_path / "meadow.h5")
    how = {"groups": found.groups, "multi_label": found.multi_label}
    examples = Examples.of_rows(found.waveforms, found.labels, **how)
    assert np.shares_memory(examples.features.windows, found.waveforms)
    np.testing.assert_array_equal(examples.select([3, 1]).windows(), found.read([3, 1]))
    np.testing.assert_array_equal(examples.targets, found.targets)


def test_any_hdf5_reader_reads_it(root: Path, tmp_path: Path) -> None:
    (root / "1.wav").write_bytes(b"no recording")
    pack(meadow(), root, tmp_path / "meadow.h5", **SETTINGS)
    with h5py.File(tmp_path / "meadow.h5") as opened:
        assert opened["clip_id"].asstr()[:].tolist() == ["0.wav", "2.wav", "3.wav"]
        assert opened["target"][2].tolist() == [1, 0]
        np.testing.assert_array_equal(opened["waveform"][2], samples_of(3)[:2_000])


def test_bad_clips_are_left_out_and_told(root: Path, tmp_path: Path) -> None:
    (root / "1.wav").write_bytes(b"no recording")
    done = pack(meadow(), root, tmp_path / "meadow.h5", **SETTINGS)
    assert [path for path, _ in done.bad] == ["1.wav"]
    assert Packed(tmp_path / "meadow.h5").clip_ids == ("0.wav", "2.wav", "3.wav")
    for file in root.glob("*.wav"):
        file.write_bytes(b"no recording")
    with pytest.raises(CorpusError, match=r"meadow: no clip can be packed; the first is 0\.wav: "):
        pack(meadow(), root, tmp_path / "none.h5", **SETTINGS)
    assert not (tmp_path / "none.h5").exists()


def test_a_file_that_holds_the_same_is_left_as_it_is(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "meadow.h5"
    pack(meadow(), root, file, **SETTINGS)
    before = file.stat().st_mtime_ns
    again = pack(meadow(), root, file, **SETTINGS)
    assert (again.clips, again.packed, file.stat().st_mtime_ns) == (4, 0, before)
    with pytest.raises(StoreError, match=r"4 of meadow, 2000 samples at 4000 Hz\): name another"):
        pack(meadow(), root, file, rate_hz=8_000, window_s=0.5)
    assert len(Packed(file)) == 4


def interrupted(root: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pack all clips, and stop before the file gets its name."""

    def stop(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(packed._Draft, "finish", stop)
        with pytest.raises(KeyboardInterrupt):
            pack(meadow(), root, file, **SETTINGS)


KILLED = """
import os, signal, sys
from pathlib import Path
from faunashot.data import packed
from faunashot.data.corpora import create
packed.AT_ONCE = 1
to_disk, done = packed._to_disk, []
def dies(opened):
    done.append(1)
    to_disk(opened)
    if len(done) == 5:  # samples of the third batch are there, the note of them is not
        os.kill(os.getpid(), signal.SIGKILL)
packed._to_disk = dies
corpus = create("meadow", reader="folder", multi_label=True)
packed.pack(corpus, Path(sys.argv[1]), Path(sys.argv[2]), rate_hz=4000, window_s=0.5, workers=1)
"""


def test_a_killed_process_loses_no_more_than_a_batch(root, tmp_path, monkeypatch) -> None:
    file = tmp_path / "meadow.h5"
    done = subprocess.run([sys.executable, "-c", KILLED, root, file], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not file.exists()
    (draft,) = tmp_path.glob(".draft-meadow.h5")
    with pytest.raises(StoreError, match="was not packed to its end: pack it again"):
        Packed(draft)
    again = pack(meadow(), root, file, **SETTINGS)
    assert again.packed == 2  # of four
    pack(meadow(), root, tmp_path / "whole.h5", **SETTINGS)
    whole, resumed = Packed(tmp_path / "whole.h5"), Packed(file)
    assert resumed.clip_ids == whole.clip_ids
    np.testing.assert_array_equal(resumed.waveforms, whole.waveforms)
    assert not draft.exists()


def test_a_clip_that_was_bad_is_tried_again(root, tmp_path, monkeypatch) -> None:
    content = (root / "1.wav").read_bytes()
    (root / "1.wav").write_bytes(b"?" * len(content))
    interrupted(root, tmp_path / "meadow.h5", monkeypatch)
    (root / "1.wav").write_bytes(content)
    assert pack(meadow(), root, tmp_path / "meadow.h5", **SETTINGS).packed == 1
    found = Packed(tmp_path / "meadow.h5")
    assert found.clip_ids == ("0.wav", "2.wav", "3.wav", "1.wav")
    np.testing.assert_array_equal(found.read(3), samples_of(1)[:2_000].tolist() + [0] * 200)
    assert found.targets.tolist()[3] == [1, 1]


@pytest.mark.parametrize("share", [0.0, 0.2, 0.99])
def test_a_draft_that_is_cut_off_is_packed_anew(root, tmp_path, share: float) -> None:
    pack(meadow(), root, tmp_path / "meadow.h5", **SETTINGS)
    content = (tmp_path / "meadow.h5").read_bytes()
    (tmp_path / ".draft-other.h5").write_bytes(content[: int(share * len(content))])
    assert pack(meadow(), root, tmp_path / "other.h5", **SETTINGS).packed == 4
    assert Packed(tmp_path / "other.h5").clip_ids == Packed(tmp_path / "meadow.h5").clip_ids


@pytest.mark.parametrize("share", [0.0, 0.2, 0.99])
def test_a_file_that_is_cut_off_is_refused(root, tmp_path: Path, share: float) -> None:
    file = tmp_path / "meadow.h5"
    pack(meadow(), root, file, **SETTINGS)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    for refused in (lambda: Packed(file), lambda: pack(meadow(), root, file, **SETTINGS)):
        with pytest.raises(
            StoreError, match=r"meadow\.h5 is cut off, or no packed corpus"
        ) as found:
            refused()
        assert "\n" not in str(found.value)


def test_a_draft_of_other_clips_is_packed_anew(root, tmp_path, monkeypatch) -> None:
    interrupted(root, tmp_path / "meadow.h5", monkeypatch)
    with (root / "labels.csv").open("a") as table:
        table.write("1.wav,toad,g0,1\n")
    done = pack(meadow(), root, tmp_path / "meadow.h5", **SETTINGS)
    assert (done.packed, done.classes) == (4, 3)
