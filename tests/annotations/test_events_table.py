"""The table of events, and CSV files of it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from faunashot.annotations.formats import ANNOTATION_FORMATS
from faunashot.annotations.formats.csv import Csv
from faunashot.annotations.table import COLUMNS, as_table
from faunashot.errors import AnnotationError, ParameterError

ROW = {"file": "night/a.wav", "start_s": 1.5, "end_s": 3, "label": "frog"}


def test_all_columns_are_there_with_their_types() -> None:
    table = as_table([ROW])
    assert {name: str(kind) for name, kind in table.dtypes.items()} == COLUMNS
    assert table["model"][0] == ""
    assert pd.isna(table["score"][0])


def test_an_empty_table_has_all_columns() -> None:
    assert list(as_table([])) == list(COLUMNS)


def test_further_columns_stay_behind() -> None:
    assert list(as_table([ROW | {"site": "pond"}])) == [*COLUMNS, "site"]


@pytest.mark.parametrize(
    "bad", [{"start_s": -1.0}, {"end_s": 1.0}, {"end_s": float("nan")}, {"start_s": float("inf")}]
)
def test_what_is_no_span_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match=r"event 2 of night/a\.wav: .* no span"):
        as_table([ROW, ROW | bad])


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ParameterError, match="'label'"):
        as_table([{"file": "a", "start_s": 0, "end_s": 1}])


def test_csv_is_a_format_that_is_found() -> None:
    assert ANNOTATION_FORMATS["csv"] is Csv


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a file a time
@given(st.lists(st.tuples(TEXTS, TEXTS, st.floats(0, 1e6), st.floats(0, 1e4))))
def test_csv_gives_back_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, float, float]]
) -> None:
    file = tmp_path_factory.mktemp("csv") / "events.csv"
    table = as_table(
        {"file": name, "start_s": start, "end_s": start + length, "label": label, "score": 0.5}
        for name, label, start, length in rows
    )
    Csv().write(table, file)
    pd.testing.assert_frame_equal(Csv().read(file), table)


@pytest.mark.parametrize("text", ["NA", "None", "", "a,b", 'say "hi"', "1e3", "001"])
def test_a_label_stays_the_text_that_it_is(tmp_path: Path, text: str) -> None:
    table = as_table([ROW | {"label": text}])
    Csv().write(table, tmp_path / "events.csv")
    assert list(Csv().read(tmp_path / "events.csv")["label"]) == [text]


def test_csv_without_a_column_is_refused_with_what_it_has(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("file,start_s,label\na,0,frog\n")
    with pytest.raises(AnnotationError, match=r"events\.csv: no column 'end_s'; it has file"):
        Csv().read(file)
