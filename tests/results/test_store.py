from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from helpers import bright_sides
from passband.errors import InputError
from passband.models.catalog import build_model
from passband.models.load import load_model
from passband.results.store import find_measurement, find_run, write_measurement, write_run
from passband.rows import ProbeRow, to_table
from passband.train.config import RunConfig, model_arguments

CONFIG = RunConfig("sides", model="lenet", batch_norm=True, batch_statistics=True)
ROW = ProbeRow(run="abc", subset="test", component="full", metric="accuracy", value=0.5, count=2)


def write(folder: Path, **values) -> torch.nn.Module:
    train = bright_sides(6)
    model = build_model(**model_arguments(CONFIG, num_classes=3, in_channels=3), seed=0)
    write_run(
        folder,
        **{
            "run": "abc",
            "config": CONFIG,
            "probe": {"radii": [4]},
            "model": model,
            "datasets": {"train": train, "test": replace(train, subset="test")},
            "rows": to_table([ROW]),
            "environment": {"threads": 1},
            **values,
        },
    )
    return model


def test_what_is_written_is_read(tmp_path):
    model = write(tmp_path / "run")
    record = find_run(tmp_path / "run")
    assert record["run"] == "abc"
    assert record["probe"] == {"radii": [4]}
    assert RunConfig.from_dict(record["config"]) == CONFIG.resolved()
    assert record["data"]["fingerprint"] == bright_sides(6).fingerprint
    assert pl.read_parquet(tmp_path / "run" / "rows.parquet").equals(to_table([ROW]))
    assert json.loads((tmp_path / "run" / "environment.json").read_text()) == {"threads": 1}
    images = torch.rand(4, 3, 28, 28)  # BatchNorm with batch statistics comes back as such
    torch.testing.assert_close(load_model(str(tmp_path / "run")).eval()(images), model.eval()(images))


def test_a_failed_run_has_a_message_and_no_network(tmp_path):
    write(tmp_path / "run", failure="the loss is nan")
    record = find_run(tmp_path / "run")
    assert (record["status"], record["message"]) == ("failed", "the loss is nan")
    assert not (tmp_path / "run" / "weights.safetensors").exists()
    with pytest.raises(InputError, match="holds no network, since its run failed: the loss is nan"):
        load_model(str(tmp_path / "run"))


def test_what_is_no_run_is_none(tmp_path):
    assert find_run(tmp_path) is None
    assert find_run(tmp_path / "missing") is None
    (tmp_path / "config.json").write_text('{"kind": "audit"}')
    assert find_run(tmp_path) is None
    write(tmp_path / "run")
    (tmp_path / "run" / "weights.safetensors").unlink()
    assert find_run(tmp_path / "run") is None
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        find_run(tmp_path)


def test_a_measurement_is_written_whole_and_found(tmp_path):
    write(tmp_path / "run")
    folder = tmp_path / "measurements" / "m"
    assert find_measurement(folder) is None
    write_measurement(
        folder,
        name="m",
        run=find_run(tmp_path / "run"),
        settings={"kind": "made-up", "rho": 0.5},
        test_fingerprint="abc",
        rows=to_table([ROW]),
        environment={"seconds": 1.5},
    )
    record = find_measurement(folder)
    assert (record["measurement"], record["run"], record["settings"]["rho"]) == ("m", "abc", 0.5)
    assert record["data"]["test_fingerprint"] == "abc"
    assert record["data"]["fingerprint"] == bright_sides(6).fingerprint
    assert pl.read_parquet(folder / "rows.parquet").equals(to_table([ROW]))
    assert find_run(folder) is None
    assert find_measurement(tmp_path / "run") is None
    (folder / "rows.parquet").unlink()
    assert find_measurement(folder) is None
