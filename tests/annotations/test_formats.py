"""Every format of events: what is written is read back, and other programs' tables are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.formats.base import RecordingInfo
from faunashot.annotations.table import as_table

NASTY = [
    'a, b', 'say "hi"', '"hi"', "tab\there", "line\nbreak", "cr\rhere", "\r\n", "Grünspecht", "NA",
    "001", "1e3", "100 %", "%09", "%2509", "%20NA", "back\\slash", "\\", "", " frog ", "鳥", "\x00",
    "True", "None", "nan", "inf", "0x1", "<NA>",
]  # fmt: skip

LABELS = st.one_of(st.sampled_from(NASTY), st.text(st.characters(blacklist_categories=("Cs",))))
FILES = st.sampled_from(["night/a.wav", "night/b 100%.wav", "c\td.wav", 'e"f, g.wav', "h\\i.wav"])
SECONDS = st.integers(0, 10**9).map(lambda n: n / 1e6)
BANDS = st.one_of(st.none(), st.tuples(st.integers(0, 5000), st.integers(5000, 20000)))
INFO = RecordingInfo(duration_s=2000.0, sample_rate=48000)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"file": FILES, "start_s": SECONDS, "length": SECONDS, "label": LABELS,
         "score": st.integers(0, 10**6).map(lambda n: n / 1e6), "band": BANDS}
    ),
    max_size=6,
)  # fmt: skip

ROUND_TRIP = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def table_of(rows: list[dict]) -> pd.DataFrame:
    return as_table(
        {
            "file": row["file"],
            "start_s": row["start_s"],
            "end_s": row["start_s"] + row["length"],
            "label": row["label"],
            "score": row["score"],
            "low_hz": row["band"][0] if row["band"] else np.nan,
            "high_hz": row["band"][1] if row["band"] else np.nan,
        }
        for row in rows
    )


def expected(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """What a format keeps of a table: what it has no place for is gone, as its module says."""
    kept = table.copy()
    if name == "audacity":
        kept["file"] = pd.Series([""] * len(kept), dtype="str")
    if name in ("audacity", "crowsetta"):
        kept["score"] = np.nan
    if name == "crowsetta":
        kept[["low_hz", "high_hz"]] = np.nan
        order = {file: n for n, file in enumerate(dict.fromkeys(kept["file"]))}
        kept = kept.sort_values("file", key=lambda of: of.map(order), kind="stable")
    if name == "soundevent":
        order = {file: n for n, file in enumerate(dict.fromkeys(kept["file"]))}
        kept = kept.sort_values("file", key=lambda of: of.map(order), kind="stable")
    if name == "raven":
        kept["low_hz"] = kept["low_hz"].fillna(0.0)
        kept["high_hz"] = kept["high_hz"].fillna(24000.0)
    return kept.reset_index(drop=True)


@pytest.mark.parametrize("name", list(ANNOTATION_FORMATS))
@ROUND_TRIP
@given(rows=ROWS)
def test_what_is_written_is_read_back(tmp_path: Path, name: str, rows: list[dict]) -> None:
    kind = ANNOTATION_FORMATS[name]()
    table = table_of(rows)
    file = tmp_path / f"events{kind.suffix}"
    infos = dict.fromkeys(table["file"], INFO)
    kind.write(table, file, recordings=infos)
    assert kind.recognises(file.read_bytes()[:4096]) or (name == "audacity" and table.empty)
    pd.testing.assert_frame_equal(kind.read(file), expected(table, name), rtol=0, atol=2e-6)
