import json
import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from PIL import Image

from engines import Here
from passband.engine.execute import execute
from passband.studies import run as module
from passband.studies.catalog import STUDIES


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """Train in this process: a new one takes seconds to start."""

    def execute_here(planned, *, engine, device, **settings):
        return execute(planned, engine=Here(), device="cpu", **settings)

    monkeypatch.setattr(module, "execute", execute_here)


def test_list_names_all_studies(command):
    ran = command("study", "list")
    assert ran.code == 0
    assert all(name in ran.out for name in STUDIES)
    assert "Figure 3" in ran.out
    listed = json.loads(command("study", "list", "--json").out)
    assert [entry["name"] for entry in listed] == list(STUDIES)


def test_show_tells_runs_claims_deviations_and_cost_and_writes_nothing(command, tmp_path):
    ran = command("study", "show", "label-shuffle", "--device", "cpu")
    assert ran.code == 0
    for text in ("Figure 3, section 4.2", "shuffled", "barely", "supported if", "Deviations", "Estimated:",
                 "subset that a probe is shown: 40 after the last epoch, 40 before."):  # fmt: skip
        assert text in ran.out
    assert list(tmp_path.iterdir()) == []


def test_show_in_json_holds_the_whole_protocol(command):
    ran = command("study", "show", "label-shuffle", "--preset", "paper", "--limit", "200", "--seeds", "2", "--json",
                  "--epochs", "2", "--source", "code", "--device", "cpu")  # fmt: skip
    shown = json.loads(ran.out)
    assert shown["reading"] == "code"
    assert len(shown["runs"]) == 4
    first = shown["runs"][0]
    assert (first["config"]["model"], first["config"]["epochs"], first["config"]["limit"]) == (
        "resnet32",
        2,
        200,
    )
    assert first["seconds"] > 0
    assert not first["done"]
    assert shown["probe"]["samples"] is None
    assert first["probe"] == shown["probe"]
    assert shown["seconds"] == pytest.approx(sum(run["seconds"] for run in shown["runs"]) / 2)


def test_run_trains_draws_and_decides_and_the_next_time_finds_it_all(command, tmp_path):
    ran = command("study", "run", "label-shuffle", "optimizers", "--store", "s", "--limit", "40", "--json")
    assert ran.code == 0
    records = json.loads(ran.out)
    assert [record["study"] for record in records] == ["label-shuffle", "optimizers"]
    assert records[0]["folder"] == "s/studies/label-shuffle-smoke-fashion-mnist-limit40"
    assert {claim["verdict"] for record in records for claim in record["claims"]} == {"no verdict"}
    assert (tmp_path / records[0]["folder"] / "figure.png").is_file()
    assert len(list((tmp_path / "s" / "runs").iterdir())) == 6
    again = command("study", "run", "label-shuffle", "--store", "s", "--limit", "40")
    assert again.code == 0
    assert "Figure, table and claims: s/studies/label-shuffle" in again.out.replace("\n", "")
    assert "of which the store holds 2" in again.err
    shown = command(
        "study", "show", "label-shuffle", "--store", "s", "--limit", "40", "--json", "--device", "cpu"
    )
    assert [run["seconds"] for run in json.loads(shown.out)["runs"]] == [0, 0]


def test_damaged_results_are_named_and_made_anew_and_nothing_else_is(command, tmp_path):
    line = ("study", "run", "corollary", "--store", "s", "--limit", "60", "--json")
    before = json.loads(command(*line).out)
    runs, measurements = (sorted((tmp_path / "s" / kind).iterdir()) for kind in ("runs", "measurements"))
    kept = {path: path.read_bytes() for path in (tmp_path / "s").glob("*/*/weights.safetensors")}
    (runs[0] / "weights.safetensors").write_bytes(b"")
    shutil.copy(measurements[0] / "rows.parquet", measurements[1] / "rows.parquet")
    ran = command(*line)
    assert ran.code == 0
    assert f"s/runs/{runs[0].name}/weights.safetensors is damaged" in ran.err
    assert f"s/measurements/{measurements[1].name}/rows.parquet is damaged" in ran.err
    assert ran.err.count("is made anew") == 2
    assert json.loads(ran.out) == before
    assert {path: path.read_bytes() for path in kept} == kept
    assert "anew" not in command(*line).err


def test_a_study_on_other_test_images_finds_nothing_old(command, tmp_path, files):
    numbers = dict(np.load(files / "data.npz"))
    for name in ("x_train", "x_test"):
        numbers[name] = (
            numbers[name].repeat(2, axis=1).repeat(2, axis=2)
        )  # radius 16 must be below the corner
    line = ("study", "run", "corollary", "--store", "s", "--data", "npz:data.npz", "--json")
    for kind, changed in ((2, 0), (4, 1)):
        numbers["x_test"] = numbers["x_test"] ^ np.uint8(changed)
        np.savez(tmp_path / "data.npz", **numbers)
        assert command(*line).code == 0
        for folder, each in (
            ("runs", 1),
            ("measurements", 2),
        ):  # counterexamples, and whether a network is robust
            assert len(list((tmp_path / "s" / folder).iterdir())) == kind * each
    rows = pl.read_parquet(next((tmp_path / "s" / "studies").glob("*/rows.parquet")))
    assert rows["run"].n_unique() == 2  # one run a label: none of those on the old test images


def test_studies_measure_finished_networks_once_and_share_them(command, tmp_path):
    line = ("study", "run", "kernels", "smoothing", "corollary", "--store", "s", "--limit", "60")
    ran = command(*line, "--json")
    assert ran.code == 0
    records = {record["study"]: tmp_path / record["folder"] for record in json.loads(ran.out)}
    assert set(records) == {"kernels", "smoothing", "corollary"}
    for folder in records.values():
        with Image.open(folder / "figure.png") as picture:
            assert picture.size[0] > 800
    assert len(list((tmp_path / "s" / "runs").iterdir())) == 4
    assert (
        len(list((tmp_path / "s" / "measurements").iterdir())) == 4 + 4 + 6 + 2
    )  # that of robustness is shared
    assert {path.name for path in records["smoothing"].iterdir()} >= {"table2.csv", "table2.parquet"}
    assert "| M_natural (ρ = 1, normalized) |" in (records["smoothing"] / "study.md").read_text()
    assert "20 of 20 done" in ran.err
    again = command(*line)
    assert "failed" not in again.err + again.out
    assert "20 runs and measurements, of which the store holds 20" in again.err
    assert "done" not in again.err
    assert "Ours, not the" in again.out  # wrapped by the table
    shown = json.loads(command("study", "show", *line[3:4], *line[5:], "--device", "cpu", "--json").out)
    assert [entry["seconds"] for entry in shown["measurements"]] == [0] * 6
    assert shown["measurements"][1]["settings"]["rho"] == 1


def test_show_lists_measurements_and_what_they_cost(command):
    ran = command("study", "show", "smoothing", "--limit", "60", "--device", "cpu")
    assert ran.code == 0
    text = " ".join(ran.out.split())
    for part in ("Measurements of finished runs", "rho 1, normalized", "AutoAttack", "tested only if"):
        assert part in text
    shown = json.loads(
        command("study", "show", "smoothing", "--limit", "60", "--device", "cpu", "--json").out
    )
    assert len(shown["measurements"]) == 6
    assert all(entry["seconds"] > 8 and not entry["done"] for entry in shown["measurements"])
    assert shown["seconds"] > sum(entry["seconds"] for entry in shown["measurements"]) / 2
    assert {claim["asked_by"] for claim in shown["claims"]} == {"paper", "passband"}


def test_limit_cuts_training_and_test_images(command, tmp_path):
    command("study", "run", "label-shuffle", "--store", "s", "--limit", "40")
    rows = pl.concat([pl.read_parquet(path) for path in (tmp_path / "s" / "runs").glob("*/rows.parquet")])
    assert rows.filter(pl.col("class").is_null())["count"].max() == 40


def test_a_failed_run_is_reported_and_the_study_goes_on(command, monkeypatch):
    shuffle = STUDIES["label-shuffle"]

    def diverging(setting):
        runs = shuffle.runs(setting)
        return {**runs, "natural": replace(runs["natural"], learning_rate=1e30, optimizer="sgd")}

    monkeypatch.setitem(STUDIES.imported, "label-shuffle", replace(shuffle, runs=diverging))
    ran = command("study", "run", "label-shuffle", "--store", "s", "--limit", "40")
    assert ran.code == 0
    assert "natural, seed 0 failed: the loss of epoch 1 is" in ran.out.replace("\n", "")
    assert "no verdict" in ran.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("study run", "name at least one study, or all"),
        ("study run label-shufle", "Did you mean 'label-shuffle'"),
        ("study run mine.py", "a study of one's own is written mine.py:NAME"),
        ("study run mine.py:study", "cannot import 'mine.py' (FileNotFoundError: no file mine.py)"),
        ("study show passband.rows:study", "passband.rows has no study 'study'"),
        ("study show passband.rows:COLUMNS", "must be a passband.Study, got a Schema"),
        ("study show all", "show takes one study"),
        ("study run label-shuffle --seeds 0", "--seeds. Must be >= 1"),
        ("study run label-shuffle --workers 0", "workers must be at least 1, got 0"),
        (
            "study run label-shuffle --limit 10",
            "batch_size must be at most the number of training images, 10",
        ),
        ("study run label-shuffle --epochs 0", "--epochs. Must be >= 1"),
        ("study run label-shuffle --preset desktop", "Invalid value"),
        ("study run label-shuffle --data npz:none.npz", "none.npz"),
        ("study run label-shuffle --device cuda:99", "not available"),
    ],
)
def test_malformed_input_is_refused_before_anything_is_written(command, untyped, tmp_path, line, message):
    ran = command(*line.split())
    assert ran.code == 2
    assert message in ran.err.replace("\n", " ")
    assert list(tmp_path.iterdir()) == []
