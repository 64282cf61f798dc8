import json
import os
import pty
from pathlib import Path

import polars as pl
import pytest

import passband as pb
from made_up_store import add_checkpoint, add_measurement, add_run, add_study
from passband.files import seal
from passband.results.lock import locked


@pytest.fixture
def store(tmp_path):
    """Return the store `results` of the current folder, with a run of each kind and what belongs to them."""
    place = tmp_path / "results"
    add_run(place, "aa11", mixup=0.5, seed=3)
    add_run(place, "aa22", failure="the loss is nan after epoch 1", dataset="mnist")
    add_checkpoint(place, "bb33", 2)
    add_measurement(place, "mm44", "aa11")
    add_study(place, "first-smoke-sides", {"aa11": "blended"}, ["mm44"])
    return place


def lines(text):
    return {line.split()[0]: line for line in text.splitlines() if line.strip()}


def test_list_has_a_line_a_run(command, store):
    ran = command("runs", "list")
    assert (ran.code, ran.err) == (0, "")
    found = lines(ran.out)
    assert found["aa11"].split()[:5] == ["aa11", "finished", "75.0%", "3", "3"]
    assert found["aa11"].endswith("sides  lenet, width 2, mixup 0.5")
    assert found["aa22"].split()[:5] == ["aa22", "failed", "(diverged)", "?/3", "0"]
    assert found["bb33"].split()[:4] == ["bb33", "interrupted", "2/3", "0"]
    assert "3 runs: 1 finished, 1 failed (diverged), 1 interrupted; " in ran.out
    assert "other schema" not in ran.out


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("--failed", {"aa22"}),
        ("--interrupted", {"bb33"}),
        ("--failed --interrupted", {"aa22", "bb33"}),
        ("--data mnist", {"aa22"}),
        ("--data sides --model lenet", {"aa11", "aa22", "bb33"}),  # what the data say they are counts too
        ("--model vgg11", set()),
        ("--study first", {"aa11"}),
        ("--measurements", {"mm44"}),
        ("--measurements --study first-smoke-sides", {"mm44"}),
    ],
)
def test_list_is_of_those_that_are_asked_for(command, store, asked, names):
    found = json.loads(command("runs", "list", *asked.split(), "--json").out)
    assert {each["id"] for each in found} == names


def test_json_has_all_of_a_line(command, store):
    (found,) = json.loads(command("runs", "list", "--study", "first", "--json").out)
    assert (found["test_accuracy"], found["epoch"], found["epochs"], found["schema"]) == (0.75, 3, 3, 2)
    assert found["settings"]["mixup"] == 0.5
    assert found["folder"] == "results/runs/aa11"


def test_other_schemas_are_said(command, store):
    add_run(store, "cc55", schema=None)
    out = command("runs", "list").out
    assert "older schema" in lines(out)["cc55"]
    assert "no study finds them again" in out


def test_a_folder_that_is_no_store_is_refused(command):
    ran = command("runs", "list")
    assert ran.code == 2
    assert "results holds no runs" in ran.err
    assert "which is --store ." in ran.err


def test_show_tells_all(command, store):
    out = command("runs", "show", "aa1").out
    for said in (
        "run aa11: finished",
        "mixup: 0.5",
        "fingerprint: ",
        "threads: 1",
        "fit-loss          1.0000 █▃▁ 0.3333  (epochs 1 to 3)",
        "test accuracy: 75.0% [40.9, 92.9] of 8 images",
        "mm44  finished  made-up, rho 0.5",
        "first-smoke-sides as blended",
        "whole: each is as it was written",
    ):
        assert said in out
    assert "seed: 3" in out
    out = command("runs", "show", "bb").out
    assert "interrupted at epoch 2 of 3" in out
    assert "fit-loss          1.0000 █▁ 0.5000" in out
    assert "failed (the loss is nan after epoch 1)" in command("runs", "show", "aa22").out
    measured = json.loads(command("runs", "show", "mm44", "--json").out)
    assert [(row["metric"], row["value"]) for row in measured["numbers"]] == [("robust-accuracy", 0.25)]
    assert measured["studies"] == [{"study": "first-smoke-sides", "label": "blended"}]


def test_show_finds_weights_that_were_changed(command, store):
    weights = store / "runs" / "aa11" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    ran = command("runs", "show", "aa11")
    assert ran.code == 0
    assert "run aa11: damaged" in ran.out
    assert command("runs", "show", "aa").code == 2


def test_remove_says_what_goes_and_asks(command, store, monkeypatch):
    ran = command("runs", "remove", "aa11")
    assert ran.code == 2
    assert "say --yes" in ran.err
    assert "mm44" in ran.out
    assert "Studies whose results rest on them, and stay: first-smoke-sides" in ran.out
    for answer, left in (("n", {"aa11", "aa22", "bb33.checkpoint"}), ("y", {"aa22", "bb33.checkpoint"})):
        mine, theirs = pty.openpty()
        os.write(mine, f"{answer}\n".encode())
        with os.fdopen(theirs) as terminal:
            monkeypatch.setattr("sys.stdin", terminal)
            ran = command("runs", "remove", "aa11")
        os.close(mine)
        assert ran.code == 0
        assert {path.name for path in (store / "runs").iterdir()} == left
    assert list((store / "measurements").iterdir()) == []
    assert (store / "studies" / "first-smoke-sides" / "rows.parquet").exists()


@pytest.mark.parametrize(
    ("asked", "left"),
    [
        ("--failed", {"aa11", "bb33.checkpoint", "cc55"}),
        ("--interrupted", {"aa11", "aa22", "cc55"}),
        ("--older", {"aa11", "aa22", "bb33.checkpoint"}),
        ("--unused", {"aa11", "bb33.checkpoint"}),
        ("mm44", {"aa11", "aa22", "bb33.checkpoint", "cc55"}),
    ],
)
def test_remove_takes_those_that_are_asked_for(command, store, asked, left):
    add_run(store, "cc55", schema=None)
    assert command("runs", "remove", asked, "--yes").code == 0
    assert {path.name for path in (store / "runs").iterdir()} == left
    assert [path.name for path in (store / "measurements").iterdir()] == ([] if asked == "mm44" else ["mm44"])


def test_remove_leaves_what_is_being_made(command, store):
    with locked(store / "runs" / "bb33"):
        ran = command("runs", "remove", "bb33", "--yes")
        assert ran.code == 2
        assert f"process {os.getpid()} on" in ran.err
        assert "nothing to remove" in command("runs", "remove", "--interrupted", "--yes").out
        assert command("runs", "remove", "--unused", "--yes").code == 2
    assert (store / "runs" / "bb33.checkpoint").exists()
    assert command("runs", "remove").code == 2


def test_export_takes_rows_and_networks(command, store):
    ran = command("runs", "export", "--out", "all.parquet")
    assert (ran.code, ran.err) == (0, "Left out, since they have not ended: bb33\n")
    table = pl.read_parquet("all.parquet")
    assert set(table["run"]) == {"aa11", "aa22"}
    assert set(table["measurement"]) == {None, "mm44"}
    assert command("runs", "export", "--study", "first", "--out", "first.csv").code == 0
    assert set(pl.read_csv("first.csv")["label"]) == {"blended"}
    assert command("runs", "export", "--weights", "--out", "net").code == 0
    assert pb.load_model("net").size == (28, 28)
    (store / "measurements" / "mm44" / "examples.safetensors").write_bytes(b"images")
    seal(store / "measurements" / "mm44")
    assert command("runs", "export", "--bare", "--out", "bare").code == 0
    assert list(Path("bare").rglob("examples*"))
    listed = command("runs", "list", "--store", "bare", "--json")
    assert {each["id"] for each in json.loads(listed.out)} == {"aa11", "aa22"}
    assert command("runs", "export", "--bare", "--without-pictures", "--out", "shared").code == 0
    assert not list(Path("shared").rglob("examples*"))
    assert command("runs", "export", "--bare", "--weights", "--out", "other").code == 2
    assert command("runs", "export", "--without-pictures", "--out", "other.parquet").code == 2
    for wrong in (["all.parquet"], ["x.txt"], ["net", "--weights"], ["y.csv", "aa11", "--study", "first"]):
        assert command("runs", "export", "--out", *wrong).code == 2
