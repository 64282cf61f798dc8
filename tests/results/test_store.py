from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch

from helpers import bright_sides
from passband.errors import DamagedError, InputError
from passband.files import SEAL, seal
from passband.frequency.component import FULL
from passband.models.catalog import build_model
from passband.models.fingerprint import weights_hash
from passband.models.load import load_model
from passband.results.store import (
    find_measurement,
    find_run,
    holds_measurement,
    holds_run,
    write_measurement,
    write_run,
)
from passband.rows import ComponentRow, to_table
from passband.train.config import SCHEMA, RunConfig, model_arguments

CONFIG = RunConfig("sides", model="lenet", batch_norm=True, batch_statistics=True)
ROW = ComponentRow(run="abc", subset="test", component=FULL, metric="accuracy", value=0.5, count=2)


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
    (tmp_path / "file").touch()
    assert find_run(tmp_path / "file") is None


def flip(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


FILES = ("config.json", "environment.json", "rows.parquet", "weights.safetensors", SEAL)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1],
        lambda content: flip(content, len(content) // 3),
        lambda content: flip(content, len(content) - 2),
        lambda content: None,
    ],
    ids=["empty", "cut", "last byte lost", "bit flipped", "bit flipped near the end", "removed"],
)
def test_a_damaged_run_is_named_and_is_neither_found_nor_loaded(tmp_path, name, damage):
    write(tmp_path / "run")
    file = tmp_path / "run" / name
    content = damage(file.read_bytes())
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.raises(DamagedError, match=name):
        find_run(tmp_path / "run")
    assert holds_run(tmp_path / "run", "abc") is None
    with pytest.raises(InputError, match=name):
        load_model(tmp_path / "run")


@pytest.mark.parametrize("name", ["config.json", "rows.parquet", "weights.safetensors"])
def test_a_file_of_another_run_is_damage(tmp_path, name):
    write(tmp_path / "run")
    other = build_model(**model_arguments(CONFIG, num_classes=3, in_channels=3), seed=1)
    write(tmp_path / "other", run="def", rows=to_table([replace(ROW, run="def")]), model=other)
    (tmp_path / "run" / name).write_bytes((tmp_path / "other" / name).read_bytes())
    with pytest.raises(DamagedError, match=name):
        find_run(tmp_path / "run")


def test_only_this_run_by_this_schema_is_held(tmp_path):
    write(tmp_path / "run")
    record = holds_run(tmp_path / "run", "abc")
    assert record == find_run(tmp_path / "run")
    assert record["schema"] == SCHEMA
    assert holds_run(tmp_path / "run", "def") is None
    assert holds_run(tmp_path / "none", "abc") is None
    (tmp_path / "run" / "config.json").write_text(json.dumps(record | {"schema": SCHEMA + 1}))
    seal(tmp_path / "run")
    assert find_run(tmp_path / "run")["run"] == "abc"
    assert holds_run(tmp_path / "run", "abc") is None


def test_a_run_of_version_0_1_is_read_and_loaded_but_not_held(tmp_path):
    model = write(tmp_path / "run")
    record = find_run(tmp_path / "run")
    (tmp_path / "run" / SEAL).unlink()
    old = {name: value for name, value in record.items() if name not in ("schema", "weights_hash")}
    (tmp_path / "run" / "config.json").write_text(json.dumps(old))
    assert find_run(tmp_path / "run") == old
    assert holds_run(tmp_path / "run", "abc") is None
    assert weights_hash(load_model(tmp_path / "run")) == weights_hash(model) == record["weights_hash"]
    for name in ("rows.parquet", "weights.safetensors"):
        content = (tmp_path / "run" / name).read_bytes()
        (tmp_path / "run" / name).unlink()
        with pytest.raises(DamagedError, match=f"{name} is missing"):
            find_run(tmp_path / "run")
        (tmp_path / "run" / name).write_bytes(content)
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(DamagedError, match="cannot be read as JSON"):
        find_run(tmp_path / "run")


def test_a_measurement_is_written_whole_and_found(tmp_path):
    write(tmp_path / "run")
    folder = tmp_path / "measurements" / "m"
    assert find_measurement(folder) is None
    write_measurement(
        folder,
        name="m",
        run=find_run(tmp_path / "run"),
        weights="0123",
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
    assert holds_measurement(folder, "m", "0123")
    assert not holds_measurement(folder, "m", "4567")
    assert not holds_measurement(folder, "n", "0123")
    assert not holds_measurement(folder, "m", None)
    (folder / "rows.parquet").unlink()
    with pytest.raises(DamagedError, match="rows.parquet is missing"):
        find_measurement(folder)
    assert not holds_measurement(folder, "m", "0123")
