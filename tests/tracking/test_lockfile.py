from pathlib import Path

from faunashot.tracking.lockfile import input_tags, parse_lock, read_lock

LOCK = """
schema: '2.0'
stages:
  embed@birdnet:
    cmd: embed
    deps:
    - {path: clips.parquet, hash: md5, md5: ccc}
    params:
      params.yaml: {backbone: birdnet}
    outs:
    - {path: features/demo/birdnet, hash: md5, md5: aaa.dir, nfiles: 2}
  train:
    cmd: train
    deps:
    - {path: features/demo/birdnet, hash: md5, md5: old.dir}
    outs:
    - {path: models, hash: md5, md5: bbb.dir}
"""


def test_stages_by_name() -> None:
    stages = parse_lock(LOCK)
    assert list(stages) == ["embed@birdnet", "train"]
    embed = stages["embed@birdnet"]
    assert embed.params == {"backbone": "birdnet"}
    assert embed.tags() == {
        "dvc.in.clips.parquet": "ccc",
        "dvc.out.features/demo/birdnet": "aaa.dir",
    }


def test_a_running_stage_knows_what_earlier_ones_made() -> None:
    inputs = [Path("features/demo/birdnet/windows.npy"), Path("clips.parquet"), Path("models")]
    tags = input_tags(parse_lock(LOCK), inputs, running="train")
    assert tags == {"dvc.in.features/demo/birdnet": "aaa.dir"}


def test_no_lock_no_stages(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "dvc.lock") == {}
    assert parse_lock("") == {}
