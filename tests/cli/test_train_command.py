import json

import polars as pl

import passband as pb

SMALL = ("--model", "resnet8", "--width", "4", "--batch-size", "20", "--epochs", "2")


def test_a_run_is_trained_written_and_audited(command, files, tmp_path):
    ran = command("train", f"npz:{files}/data.npz", *SMALL, "--out", "run")
    assert ran.code == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "SHA256SUMS",
        "config.json",
        "environment.json",
        "rows.parquet",
        "weights.safetensors",
    }
    rows = pl.read_parquet(tmp_path / "run" / "rows.parquet")
    assert rows.filter(pl.col("subset") == "train", pl.col("metric") == "fit-loss")["epoch"].to_list() == [
        1,
        2,
    ]
    whole = rows.filter(
        pl.col("component") == "full", pl.col("metric") == "accuracy", pl.col("class").is_null()
    )
    test = whole.filter(pl.col("subset") == "test", pl.col("epoch").is_null())
    audited = command("audit", "run", f"npz:{files}/data.npz", "--radii", "4", "--no-report", "--json")
    assert json.loads(audited.out)["card"]["clean"]["accuracy"]["value"] == test["value"].item()
    assert pb.load_model(tmp_path / "run").size == (16, 16)


def test_what_was_trained_is_not_trained_again(command, files, tmp_path):
    first = command("train", f"npz:{files}/data.npz", *SMALL)
    (run,) = [path for path in (tmp_path / "runs").iterdir() if path.suffix != ".tensorboard"]
    before = (run / "weights.safetensors").stat().st_mtime_ns
    again = command("train", f"npz:{files}/data.npz", *SMALL)
    assert first.code == again.code == 0
    assert "Trained already" in again.out
    assert (run / "weights.safetensors").stat().st_mtime_ns == before
    command("train", f"npz:{files}/data.npz", *SMALL, "--seed", "1")
    assert len(list((tmp_path / "runs").iterdir())) == 4  # each with its curves beside it


def test_another_run_is_not_overwritten(command, files):
    command("train", f"npz:{files}/data.npz", *SMALL, "--out", "run")
    ran = command("train", f"npz:{files}/data.npz", *SMALL, "--seed", "1", "--out", "run")
    assert ran.code == 2
    assert "holds another run" in ran.err
    assert (
        command("train", f"npz:{files}/data.npz", *SMALL, "--seed", "1", "--out", "run", "--overwrite").code
        == 0
    )


def test_json_names_the_run_and_its_accuracy(command, files):
    ran = command("train", f"npz:{files}/data.npz", *SMALL, "--json")
    found = json.loads(ran.out)
    assert found["folder"] == f"runs/{found['run']}"
    assert found["test_accuracy"]["count"] == 30
