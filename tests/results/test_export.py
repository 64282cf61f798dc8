import json

import polars as pl
import pytest
import torch

import passband as pb
from made_up_store import add_checkpoint, add_measurement, add_run
from passband.errors import DamagedError, InputError
from passband.files import check_seal, seal
from passband.results.export import export_networks, export_without_weights, gather_rows, write_rows
from passband.results.listing import check_entry, list_measurements, list_runs
from passband.results.places import Store
from passband.results.store import find_run
from passband.rows import COLUMNS


def look(store):
    runs = list_runs(Store(store))
    return [*runs, *list_measurements(Store(store), runs)]


def test_a_table_has_every_row_of_every_run_with_its_settings(tmp_path):
    add_run(tmp_path, "aaaa", seed=1)
    add_run(tmp_path, "bbbb", failure="the loss is nan", mixup=0.5, size=(28, 32), component="lfc:4")
    add_run(tmp_path, "cccc", size=28, schema=None)
    add_measurement(tmp_path, "m", "aaaa")
    table = gather_rows(look(tmp_path), {"aaaa": "vanilla"})
    for entry in look(tmp_path):
        own = pl.col("measurement").is_null() if entry.kind == "run" else pl.col("measurement") == "m"
        part = table.filter(pl.col("run") == ("aaaa" if entry.name == "m" else entry.name), own)
        expected = pl.read_parquet(entry.folder / "rows.parquet")
        assert part.select(list(COLUMNS)).equals(expected.select(list(COLUMNS)))
    named = ["run", "label", "measurement", "status", "seed", "config.seed", "config.mixup", "config.size"]
    assert table.select(named).unique(maintain_order=True).rows() == [
        ("aaaa", "vanilla", None, "finished", 1, 1, None, None),
        ("bbbb", None, None, "failed", 0, 0, 0.5, "[28, 32]"),
        ("cccc", None, None, "older", 0, 0, None, "28"),
        ("aaaa", "vanilla", "m", "finished", 0, 1, None, None),
    ]
    (measurement,) = [entry for entry in look(tmp_path) if entry.name == "m"]
    alone = gather_rows([measurement], runs=look(tmp_path))
    assert alone.select("run", "config.seed", "metric").row(0) == ("aaaa", 1, "robust-accuracy")
    assert set(table["config.component"].unique()) == {None, "lfc:4"}
    assert pl.Null not in table.dtypes


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_is_read(tmp_path, suffix):
    add_run(tmp_path, "aaaa", mixup=0.25)
    table = gather_rows(look(tmp_path))
    file = tmp_path / "deep" / f"rows{suffix}"
    write_rows(table, file)
    read = pl.read_csv(file, infer_schema_length=None) if suffix == ".csv" else pl.read_parquet(file)
    assert read["value"].to_list() == table["value"].to_list()
    assert read["config.mixup"].to_list() == [0.25] * len(table)
    assert set(table.columns) - set(read.columns) == ({"each"} if suffix == ".csv" else set())
    with pytest.raises(InputError, match="exists. Choose another --out"):
        write_rows(table, file)
    write_rows(table, file, overwrite=True)
    with pytest.raises(InputError, match=r"a file that ends in .parquet or .csv, got .*x.txt"):
        write_rows(table, tmp_path / "x.txt")
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_what_is_damaged_or_has_not_ended_is_refused_and_nothing_is_written(tmp_path):
    add_run(tmp_path, "aaaa")
    folder = add_run(tmp_path, "bbbb")
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(DamagedError, match="weights.safetensors is damaged"):
        gather_rows(look(tmp_path))
    with pytest.raises(DamagedError, match="weights.safetensors is damaged"):
        export_networks(look(tmp_path), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    add_checkpoint(tmp_path, "cccc", 1)
    with pytest.raises(InputError, match="cccc has not ended: it is interrupted"):
        gather_rows(look(tmp_path)[2:])
    with pytest.raises(InputError, match="there is nothing to export"):
        gather_rows([])


def test_networks_are_models_that_say_what_they_are(tmp_path):
    for run, seed in (("aaaa", 0), ("bbbb", 1)):
        add_run(tmp_path, run, seed=seed)
    images = torch.rand(4, 3, 28, 28)
    export_networks(look(tmp_path), tmp_path / "both")
    export_networks(look(tmp_path)[:1], tmp_path / "one")
    for exported, run in (("both/aaaa", "aaaa"), ("both/bbbb", "bbbb"), ("one", "aaaa")):
        folder = tmp_path / exported
        check_seal(folder, ["config.json", "weights.safetensors", "README.md"])
        found, own = (pb.load_model(place).eval()(images) for place in (folder, tmp_path / "runs" / run))
        torch.testing.assert_close(found, own, rtol=0, atol=0)
        card = (folder / "README.md").read_text()
        assert f"Run `{run}`" in card
        assert "- Accuracy on 8 test images: 0.7500" in card
        config = json.loads((folder / "config.json").read_text())
        assert config["weights_hash"] in card
        assert config["data"]["test_fingerprint"] in card


def test_a_run_without_weights_is_refused_by_name(tmp_path):
    add_run(tmp_path, "aaaa", failure="the loss is nan")
    with pytest.raises(InputError, match="aaaa has no weights: the loss is nan. Leave it out."):
        export_networks(look(tmp_path), tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    add_run(tmp_path, "bbbb")
    with pytest.raises(InputError, match="is not empty"):
        export_networks(look(tmp_path)[1:], tmp_path / "full")


def test_a_store_without_networks_holds_all_else_and_says_what_it_lacks(tmp_path):
    whole, bare = tmp_path / "whole", tmp_path / "bare"
    for run in ("aaaa", "bbbb"):
        add_run(whole, run)
    add_run(whole, "cccc", failure="the loss is nan")
    add_measurement(whole, "m", "aaaa")
    export_without_weights(look(whole), bare, keep={"bbbb"})
    found = {entry.name: entry for entry in look(bare)}
    assert {name: entry.status for name, entry in found.items()} == {
        "aaaa": "finished", "bbbb": "finished", "cccc": "failed", "m": "finished",
    }  # fmt: skip
    for entry in look(whole):
        check_entry(found[entry.name])
        assert (found[entry.name].folder / "rows.parquet").read_bytes() == (
            entry.folder / "rows.parquet"
        ).read_bytes()
    assert find_run(bare / "runs" / "aaaa") is not None
    assert not (bare / "runs" / "aaaa" / "weights.safetensors").exists()
    with pytest.raises(InputError, match="aaaa holds no network, since it was exported without"):
        pb.load_model(bare / "runs" / "aaaa")
    with pytest.raises(InputError, match=r"aaaa has no weights: they were left out"):
        export_networks([found["aaaa"]], tmp_path / "nets")
    assert pb.load_model(bare / "runs" / "bbbb") is not None
    export_without_weights(look(bare), tmp_path / "again")  # of what lacks them already, the rest
    assert gather_rows(look(tmp_path / "again")).equals(gather_rows(look(whole)))
    (bare / "runs" / "aaaa" / "rows.parquet").write_bytes(b"cut")
    with pytest.raises(DamagedError):
        export_without_weights(look(bare), tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_a_store_to_publish_does_not_say_where_data_lay(tmp_path):
    add_run(tmp_path / "whole", "aaaa", dataset="parquet:/home/me/cats")
    add_measurement(tmp_path / "whole", "m", "aaaa")
    folder = add_measurement(tmp_path / "whole", "found", "aaaa")
    card = {"model": {"source": "/home/me/runs/aaaa"}, "data": {"source": "coco:/home/me/coco"}}
    (folder / "detection.json").write_text(json.dumps(card))
    seal(folder)
    export_without_weights(look(tmp_path / "whole"), tmp_path / "bare")
    for file in (tmp_path / "bare").rglob("*.json"):
        assert "/home/me" not in file.read_text()
    assert json.loads((tmp_path / "bare" / "measurements" / "found" / "detection.json").read_text()) == {
        "model": {"source": "aaaa"}, "data": {"source": "coco:coco"},
    }  # fmt: skip
    (run,) = (entry for entry in look(tmp_path / "bare") if entry.name == "aaaa")
    assert run.settings["dataset"] == "parquet:cats"
    check_entry(run)


def test_images_of_the_data_stay_behind_where_they_may_not_be_passed_on(tmp_path):
    add_run(tmp_path / "whole", "aaaa")
    folder = add_measurement(tmp_path / "whole", "m", "aaaa")
    (folder / "examples.safetensors").write_bytes(b"images")
    seal(folder)
    export_without_weights(look(tmp_path / "whole"), tmp_path / "with")
    export_without_weights(look(tmp_path / "whole"), tmp_path / "bare", pictures=False)
    assert (tmp_path / "with" / "measurements" / "m" / "examples.safetensors").is_file()
    assert not list((tmp_path / "bare").rglob("examples*"))
    for entry in look(tmp_path / "bare"):
        check_entry(entry)


@pytest.mark.parametrize("write", [export_networks, export_without_weights])
@pytest.mark.parametrize("out", ["store", "store/runs", ".", "store/runs/aaaa"])
def test_nothing_is_exported_over_what_it_is_made_from(tmp_path, write, out):
    add_run(tmp_path / "store", "aaaa")
    with pytest.raises(InputError, match="holds what is to be exported"):
        write(look(tmp_path / "store"), tmp_path / out, overwrite=True)
    assert pb.load_model(tmp_path / "store" / "runs" / "aaaa") is not None
