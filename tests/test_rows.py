from dataclasses import replace

import polars as pl
import pytest

from passband.errors import InputError
from passband.frequency.component import FULL, Low
from passband.rows import (
    ADDED,
    COLUMNS,
    ComponentRow,
    KernelRow,
    RobustnessRow,
    read_table,
    to_table,
)

PROBE = ComponentRow(
    run="a", subset="test", component=Low(4), metric="accuracy", value=0.5, count=2, class_name="x"
)
ROBUST = RobustnessRow(
    run="a", subset="test", norm="l2", epsilon=0.5, metric="accuracy-ceiling", value=1, count=2
)


def test_one_table_holds_all_kinds_of_rows():
    table = to_table([PROBE, ROBUST])
    assert table.schema == COLUMNS
    assert table["class"].to_list() == ["x", None]
    assert table["radius"].to_list() == [4, None]
    assert table["epsilon"].to_list() == [None, 0.5]


def test_no_rows_are_a_table_too():
    assert to_table([]).schema == COLUMNS


def test_a_table_is_read_as_written(tmp_path):
    table = to_table([PROBE, ROBUST])
    table.write_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet", COLUMNS).equals(table)


def test_a_row_of_an_attack_says_which_one():
    row = replace(ROBUST, attack="PGD-20", band="lfc:8", radius=3, rho=0.5, normalized=True)
    table = to_table([ROBUST, row])
    assert table["attack"].to_list() == [None, "PGD-20"]
    assert table["band"].to_list() == [None, "lfc:8"]
    assert table["radius"].to_list() == [None, 3]
    assert table["rho"].to_list() == [None, 0.5]
    assert table["normalized"].to_list() == [None, True]


def test_a_table_written_before_there_were_attacks_is_read(tmp_path):
    table = to_table([PROBE, ROBUST])
    table.drop(ADDED, strict=False).write_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet", COLUMNS).equals(table)
    assert read_table(tmp_path / "rows.parquet", ["value", "rho"]).columns == ["value", "rho"]
    table.drop("value").write_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="lacks the columns value"):
        read_table(tmp_path / "other.parquet", COLUMNS)


def test_what_was_shown_is_one_text_in_tables_of_any_version(tmp_path):
    rows = [replace(PROBE, component=component) for component in (Low(4), Low(4.5), FULL)]
    table = to_table([*rows, ROBUST])
    assert table["shown"].to_list() == ["lfc:4", "lfc:4.5", "full", None]
    table.drop("shown").write_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet", COLUMNS).equals(table)


def test_errors_that_were_rows_of_their_own_stand_beside_their_values(tmp_path):
    kernel = KernelRow(
        run="a", subset=None, metric="roughness", value=1.5, error=0.1, count=8, rho=0.0, normalized=False
    )
    rows = [
        kernel,
        replace(kernel, rho=1.0, value=0.5, error=0.2),
        replace(kernel, metric="accuracy", error=None),
    ]
    table = to_table(rows)
    errors = [replace(row, metric="roughness-error", value=row.error) for row in rows[:2]]
    to_table([*errors, *rows]).drop("error").write_parquet(tmp_path / "rows.parquet")
    assert read_table(tmp_path / "rows.parquet", COLUMNS).equals(table)


def test_what_is_no_such_table_is_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_table(tmp_path / "none.parquet", COLUMNS)
    pl.DataFrame({"run": ["a"]}).write_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match="lacks the columns seed, epoch"):
        read_table(tmp_path / "other.parquet", COLUMNS)
