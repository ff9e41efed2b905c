"""Dates and times of events, also in the night in which clocks go back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.table import as_table
from faunashot.annotations.times import with_times

NIGHT = datetime(2023, 10, 29, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
BEGINNINGS = {"a.wav": NIGHT, "b.wav": datetime(2023, 10, 29, 2, 30), "c.wav": None}
TABLE = with_times(
    as_table(
        {"file": file, "start_s": start, "end_s": start + 1.5, "label": "owl"}
        for file, start in (
            ("a.wav", 0),
            ("a.wav", 3600.25),
            ("b.wav", 3600),
            ("c.wav", 1),
            ("d", 1),
        )
    ),
    BEGINNINGS,
)


def test_times_are_iso_8601_with_the_offset_of_their_moment() -> None:
    assert TABLE["begins_at"].tolist() == [
        "2023-10-29T02:30:00.000+02:00", "2023-10-29T02:30:00.250+01:00",
        "2023-10-29T03:30:00.000", "", "",
    ]  # fmt: skip
    assert TABLE["ends_at"][1] == "2023-10-29T02:30:01.750+01:00"


@pytest.mark.parametrize("name", ["csv", "parquet", "raven"])
def test_formats_keep_them(tmp_path: Path, name: str) -> None:
    kind = ANNOTATION_FORMATS[name]()
    table = TABLE[TABLE["file"] == "a.wav"].reset_index(drop=True)
    kind.write(table, tmp_path / f"a{kind.suffix}")
    found = kind.read(tmp_path / f"a{kind.suffix}")
    assert found[["begins_at", "ends_at"]].equals(table[["begins_at", "ends_at"]])
