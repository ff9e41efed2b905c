"""When a recording began: recorders' headers, file names, zones, nights of changing clocks."""

from __future__ import annotations

import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from faunashot.audio.recorded import beginning_of, missing_zones, overlaps, site_of
from faunashot.errors import ParameterError

BERLIN = "Europe/Berlin"
MOTH = "Recorded at {} by AudioMoth 24F319055FDF2205 at medium gain while battery was 4.6V."


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def wav(path: Path, *before: bytes, after: bytes = b"", samples: int = 8) -> Path:
    """A WAV file with chunks before and after its audio."""
    form = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))
    body = b"WAVE" + form + b"".join(before) + chunk(b"data", bytes(2 * samples)) + after
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    return path


def comment(text: str) -> bytes:
    return chunk(b"LIST", b"INFO" + chunk(b"IART", b"AudioMoth") + chunk(b"ICMT", text.encode()))


def wamd(text: str) -> bytes:
    entries = {0: struct.pack("<H", 1), 1: b"SM4", 5: text.encode()}
    packed = (struct.pack("<HI", number, len(of)) + of for number, of in entries.items())
    return chunk(b"wamd", b"".join(packed))


@pytest.mark.parametrize(
    ("said", "iso"),
    [
        ("04:30:00 12/05/2023 (UTC)", "2023-05-12T04:30:00+00:00"),
        ("04:30:00 12/05/2023 (UTC+2)", "2023-05-12T04:30:00+02:00"),
        ("04:30:00 12/05/2023 (UTC-10)", "2023-05-12T04:30:00-10:00"),
        ("04:30:00 12/05/2023 (UTC+5:30)", "2023-05-12T04:30:00+05:30"),
        ("04:30:00 12/05/2023 (UTC-3:30)", "2023-05-12T04:30:00-03:30"),
        ("04:30:00.250 12/05/2023 (UTC)", "2023-05-12T04:30:00.250000+00:00"),
        ("04:30:00 12/05/2023", "2023-05-12T04:30:00+00:00"),
    ],
)
def test_an_audiomoth_header_says_time_and_zone(tmp_path: Path, said: str, iso: str) -> None:
    file = wav(tmp_path / "20200101_000000.WAV", comment(MOTH.format(said)))
    found = beginning_of(file, BERLIN)  # the header's zone counts, not the user's
    assert found is not None
    assert (found.at.isoformat(), found.source) == (iso, "AudioMoth header")


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize(
    ("said", "iso"),
    [
        ("2023-05-12T04:30:00+02:00", "2023-05-12T04:30:00+02:00"),
        ("2023-05-12T04:30:00.123Z", "2023-05-12T04:30:00.123000+00:00"),
        ("2023-05-12 04:30:00", "2023-05-12T04:30:00"),
    ],
)
def test_guano(tmp_path: Path, said: str, iso: str, where: str) -> None:
    guano = chunk(b"guan", f"GUANO|Version: 1.0\nTimestamp: {said}\nMake: X".encode())
    file = tmp_path / "a.wav"
    wav(file, guano) if where == "before" else wav(file, after=guano)
    found = beginning_of(file)
    assert found is not None
    assert (found.at.isoformat(), found.source) == (iso, "GUANO")


@pytest.mark.parametrize(
    ("said", "iso"),
    [
        ("2014-04-02 22:59:14-05:00", "2014-04-02T22:59:14-05:00"),
        ("2014-04-02 22:59:14.500", "2014-04-02T22:59:14.500000+02:00"),
        ("2014-04-02 22:59:14", "2014-04-02T22:59:14+02:00"),
    ],
)
def test_wamd_takes_the_users_zone_where_it_has_none(tmp_path: Path, said: str, iso: str) -> None:
    found = beginning_of(wav(tmp_path / "a.wav", after=wamd(said)), BERLIN)
    assert found is not None
    assert (found.at.isoformat(), found.source) == (iso, "WAMD")


@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEguan\xff\xff\xff\xffno line"]
)
def test_a_torn_header_leaves_the_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "POND_20230512_043000.wav"
    file.write_bytes(content)
    found = beginning_of(file)
    assert found is not None
    assert found.at == datetime(2023, 5, 12, 4, 30)


@pytest.mark.parametrize("text", ["Recorded at 04:30:00 12/13/2023 (UTC)", "a dog", ""])
def test_a_comment_that_is_no_time_leaves_the_name(tmp_path: Path, text: str) -> None:
    assert beginning_of(wav(tmp_path / "x.wav", comment(text))) is None


@pytest.mark.parametrize(
    ("name", "iso"),
    [
        ("20230512_043000.WAV", "2023-05-12T04:30:00+00:00"),
        ("20230512_043000T.WAV", "2023-05-12T04:30:00+00:00"),
        ("24F319055FDF2205_20230512_043000.WAV", "2023-05-12T04:30:00+00:00"),
        ("20230512/043000.WAV", "2023-05-12T04:30:00+00:00"),
        ("645DB058.WAV", "2023-05-12T03:19:52+00:00"),
        ("POND_20230512_043000.wav", "2023-05-12T04:30:00"),
        ("POND-A_20230512_043000_250.wav", "2023-05-12T04:30:00.250000"),
        ("SM2_0+1_20230512_043000.wav", "2023-05-12T04:30:00"),
        ("20230512T043000+1000_reef.flac", "2023-05-12T04:30:00+10:00"),
        ("20230512T043000Z.flac", "2023-05-12T04:30:00+00:00"),
        ("2023-05-12 04-30-00.ogg", "2023-05-12T04:30:00"),
    ],
)
def test_file_names(name: str, iso: str) -> None:
    found = beginning_of(Path("night") / name)
    assert found is not None
    assert found.at.isoformat() == iso


@pytest.mark.parametrize(
    "name",
    [
        "20231312_043000.wav", "20230512_250000.wav", "20230230_043000.wav", "frog.wav",
        "00000000.wav", "12345678.wav", "1234567890_123456.wav", "120230512_043000.wav",
        "DEADBEEF.WAV", "5EB3A0F0.mp3", "20230512.wav",
    ],
)  # fmt: skip
def test_names_that_are_no_dates_are_no_times(name: str) -> None:
    assert beginning_of(Path(name)) is None


def test_the_users_zone_is_taken_for_a_name(tmp_path: Path) -> None:
    for name in ("POND_20230512_043000.wav", "20230512_043000.WAV"):
        found = beginning_of(tmp_path / name, BERLIN)
        assert found is not None
        assert found.at.isoformat() == "2023-05-12T04:30:00+02:00"
        assert found.zone == "timezone Europe/Berlin"
    assert missing_zones({name: found.at}) is None


def test_without_a_zone_that_is_said() -> None:
    found = beginning_of(Path("POND_20230512_043000.wav"))
    assert found is not None
    assert found.zone == "none said: local time"
    line = missing_zones({"a.wav": found.at, "b.wav": None, "c.wav": found.at})
    assert line is not None
    assert line.startswith("a.wav and 1 more: no time zone is said")


def test_an_unknown_zone_is_one_line() -> None:
    with pytest.raises(ParameterError, match="'Europe/Berlin'"):
        beginning_of(Path("a.wav"), "Europe/Berlim")


def test_nights_in_which_clocks_change() -> None:
    twice = beginning_of(Path("P_20231029_023000.wav"), BERLIN)
    skipped = beginning_of(Path("P_20230326_023000.wav"), BERLIN)
    assert twice is not None
    assert skipped is not None
    assert twice.at.isoformat() == "2023-10-29T02:30:00+02:00"
    assert "came twice that night in Europe/Berlin" in (twice.note or "")
    assert skipped.at.isoformat() == "2023-03-26T03:30:00+02:00"
    assert "was skipped that night" in (skipped.note or "")


def test_recordings_that_overlap_are_said_by_site() -> None:
    at = datetime(2023, 5, 12, 4, 30, tzinfo=UTC)
    began = {
        "pond/a.wav": at,
        "pond/b.wav": at.astimezone(timezone(timedelta(hours=2))) + timedelta(seconds=590),
        "pond/c.wav": at + timedelta(seconds=1190.5),  # as recorders round
        "reed/a.wav": at,
        "reed/b.wav": None,
    }
    lines = overlaps(began, dict.fromkeys(began, 600.0))
    assert lines == ["pond/a.wav and pond/b.wav overlap by 10 s: an event may be in both"]


@pytest.mark.parametrize(
    ("name", "site"),
    [
        ("night/POND-A_20230512_043000.wav", "POND-A"),
        ("pond/20230512_043000.WAV", "pond"),
        ("pond/24F319055FDF2205_20230512_043000.WAV", "pond"),
        ("pond/20230512/043000.WAV", "pond"),
        ("pond/frog.wav", "pond"),
        ("frog.wav", ""),
    ],
)
def test_site(name: str, site: str) -> None:
    assert site_of(Path(name)) == site
