import polars as pl
import pytest

from passband.errors import InputError
from passband.files import write_json
from passband.results.tables import RUN_COLUMNS, read_runs
from passband.rows import ProbeRow, to_table


def write(folder, value: float, **record):
    folder.mkdir()
    about = {"kind": "run", "status": "finished", "message": None, "classes": list("abcde")}
    write_json(folder / "config.json", about | record)
    row = ProbeRow(run=folder.name, subset="test", component="full", metric="accuracy", value=value, count=2)
    to_table([row]).write_parquet(folder / "rows.parquet")
    (folder / "weights.safetensors").touch()
    return folder


def test_rows_of_many_runs_are_one_table(tmp_path):
    first = write(tmp_path / "x", 0.5)
    second = write(tmp_path / "y", 0.25, status="failed", message="the loss is inf")
    table = read_runs([("a", first), ("b", second), ("a", first)])
    assert table.schema == RUN_COLUMNS
    assert table.select("label", "run", "value", "chance", "failed").rows() == [
        ("a", "x", 0.5, 0.2, False),
        ("b", "y", 0.25, 0.2, True),
        ("a", "x", 0.5, 0.2, False),
    ]


def test_measurements_come_after_with_the_label_of_their_run(tmp_path):
    run = write(tmp_path / "x", 0.5)
    measured = write(tmp_path / "m", 0.25, kind="measurement")
    table = read_runs([("a", run)], [("a", measured)])
    assert table.schema == RUN_COLUMNS
    assert table.select("label", "run", "value", "chance", "failed").rows() == [
        ("a", "x", 0.5, 0.2, False),
        ("a", "m", 0.25, 0.2, False),
    ]
    with pytest.raises(InputError, match="not the folder of a measurement"):
        read_runs([], [("a", run)])


def test_rows_of_an_earlier_version_are_read_and_lack_nothing(tmp_path):
    run = write(tmp_path / "x", 0.5)
    rows = pl.read_parquet(run / "rows.parquet").drop("attack", "band", "rho", "normalized")
    rows.write_parquet(run / "rows.parquet")
    table = read_runs([("a", run)])
    assert table.schema == RUN_COLUMNS
    assert table["rho"].to_list() == [None]


def test_no_runs_are_a_table_too():
    assert read_runs([]).schema == RUN_COLUMNS


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="not the folder of a run"):
        read_runs([("a", tmp_path)])
