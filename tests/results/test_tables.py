from dataclasses import replace

import polars as pl
import pytest
import torch

from helpers import Constant, ask, noise
from passband.data.dataset import ImageDataset
from passband.errors import InputError
from passband.files import write_json
from passband.frequency.component import FULL
from passband.results.tables import RUN_COLUMNS, read_runs
from passband.rows import ComponentRow, KernelRow, to_table


def write(folder, value: float, **record):
    folder.mkdir()
    about = {"kind": "run", "status": "finished", "message": None, "classes": list("abcde")}
    write_json(folder / "config.json", about | record)
    row = ComponentRow(
        run=folder.name, subset="test", component=FULL, metric="accuracy", value=value, count=2
    )
    to_table([row]).write_parquet(folder / "rows.parquet")
    (folder / "weights.safetensors").touch()
    return folder


def test_rows_of_many_runs_are_one_table(tmp_path):
    first = write(tmp_path / "x", 0.5)
    second = write(tmp_path / "y", 0.25, status="failed", message="the loss is inf")
    table = read_runs([("a", first), ("b", second), ("a", first)])
    assert table.schema == RUN_COLUMNS
    assert table.select("label", "run", "value", "failed").rows() == [
        ("a", "x", 0.5, False),
        ("b", "y", 0.25, True),
        ("a", "x", 0.5, False),
    ]


def test_measurements_come_after_with_the_label_of_their_run(tmp_path):
    run = write(tmp_path / "x", 0.5)
    measured = write(tmp_path / "m", 0.25, kind="measurement")
    table = read_runs([("a", run)], [("a", measured)])
    assert table.schema == RUN_COLUMNS
    assert table.select("label", "run", "value", "failed").rows() == [
        ("a", "x", 0.5, False),
        ("a", "m", 0.25, False),
    ]
    with pytest.raises(InputError, match="not the folder of a measurement"):
        read_runs([], [("a", run)])


def uneven(subset: str, counts: list[int]) -> ImageDataset:
    data = noise(samples=sum(counts), classes=len(counts), size=(8, 8))
    return replace(
        data, labels=torch.arange(len(counts)).repeat_interleave(torch.tensor(counts)), subset=subset
    )


def test_chance_is_the_share_of_the_most_frequent_class_of_each_rows_subset(tmp_path):
    run = write(tmp_path / "x", 0.5)
    rows = []
    for subset in (uneven("train", [6, 2, 0]), uneven("test", [1, 3, 1])):
        finished = list(ask(Constant(0, 3), subset, []).rows())
        rows += finished
        probed = ask(Constant(0, 3), subset.take(slice(2)), [2])  # of one class
        rows += [replace(row, epoch=1) for row in probed.rows() if row.class_name is None]
    rows.append(
        KernelRow(run="run", subset=None, metric="roughness", value=1.0, count=3, rho=0.0, normalized=False)
    )
    to_table(rows).write_parquet(run / "rows.parquet")
    table = read_runs([("a", run)])
    assert table["value"].to_list() == to_table(rows)["value"].to_list()  # none is lost, doubled or moved
    found = table.select("subset", "chance").unique().sort("subset", nulls_last=True).rows()
    assert found == [("test", 0.6), ("train", 0.75), (None, None)]


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
