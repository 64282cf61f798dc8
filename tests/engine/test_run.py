from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import killed_runs
from helpers import bright_sides, sides_source
from passband.attacks import PGD
from passband.engine.measure import finished_run
from passband.engine.probe import Probe
from passband.engine.run import identify, load_datasets, run
from passband.errors import InputError
from passband.files import SEAL
from passband.frequency.component import FULL
from passband.models.load import load_model
from passband.results.store import find_run
from passband.train import loop
from passband.train.adversarial import Adversary
from passband.train.checkpoint import checkpoint_folder, save_checkpoint
from passband.train.config import RunConfig

PROBE = Probe(radii=(2, 4), components=("lfc",), samples=20)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> str:
    """60 training and 30 test images of 16x16 pixels in 3 classes."""
    return sides_source(tmp_path_factory.mktemp("data"), train=60, test=30)


def settings(source: str, **values) -> RunConfig:
    return RunConfig(
        source, **{"width": 4, "batch_size": 16, "epochs": 3, "learning_rate": 1e-3, "seed": 5, **values}
    )


def rows_of(folder: Path) -> pl.DataFrame:
    return pl.read_parquet(folder / "rows.parquet")


def value(rows: pl.DataFrame, **wanted) -> float:
    found = rows.filter(
        pl.col("class").is_null(),
        *(pl.col(name).eq_missing(pl.lit(each, rows.schema[name])) for name, each in wanted.items()),
    )
    return found["value"].item()


def test_batch_statistics_are_those_of_training_whatever_the_batches_of_the_probe(source, tmp_path):
    config = settings(source, epochs=1, batch_norm=True, batch_statistics=True)
    probes = {"none": None, "small": replace(PROBE, batch_size=3), "large": replace(PROBE, batch_size=40)}
    tables = {
        name: rows_of(run(config, probe, tmp_path / name, device="cpu")).drop("run")
        for name, probe in probes.items()
    }
    assert tables["small"].equals(tables["large"])
    finished = pl.col("epoch").is_null()
    assert tables["none"].filter(finished).equals(tables["large"].filter(finished))
    # as the trained network answers all test images, in the batches that the docstring of `ComponentAccuracy` describes
    network, test = load_model(tmp_path / "none"), load_datasets(config)["test"]
    order = torch.randperm(30, generator=torch.Generator().manual_seed(5))
    order = torch.cat([order, order[:2]])
    with torch.inference_mode():
        answers = torch.cat([network(test.images[part] / 255).argmax(1) for part in order.split(16)])[:30]
    right = (answers == test.labels[order[:30]]).double().mean().item()
    assert value(tables["none"].filter(finished), subset="test", metric="accuracy") == right


def test_a_run_folder_holds_all_of_a_run(source, tmp_path):
    config = settings(source)
    folder = run(config, PROBE, tmp_path / "run", device="cpu")
    assert sorted(path.name for path in folder.iterdir()) == [
        "SHA256SUMS",
        "config.json",
        "environment.json",
        "rows.parquet",
        "weights.safetensors",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # no checkpoint and no lock is left
    record = json.loads((folder / "config.json").read_text())
    assert (record["kind"], record["status"], record["message"]) == ("run", "finished", None)
    assert record["run"] == identify(config, PROBE, load_datasets(config))
    assert RunConfig.from_dict(record["config"]) == config.resolved()
    assert record["probe"] == json.loads(json.dumps(PROBE.to_dict()))
    environment = json.loads((folder / "environment.json").read_text())
    assert environment["training_seconds"] > 0
    assert environment["probe_share"] == environment["probe_seconds"] / environment["training_seconds"] > 0

    rows = rows_of(folder)
    assert set(rows["run"]) == {record["run"]}
    assert "probe-seconds" not in set(rows["metric"])  # no row depends on the clock
    for epoch in (1, 2, 3):
        assert 0 <= value(rows, epoch=epoch, subset="train", metric="fit-accuracy") <= 1
        for subset in ("train", "test"):
            for radius in (2.0, 4.0):
                value(rows, epoch=epoch, subset=subset, component="lfc", radius=radius, metric="accuracy")
    test = load_datasets(config)["test"]
    with torch.no_grad():
        predicted = load_model(str(folder)).eval()(test.images / 255).argmax(1)
    right = (predicted == test.labels).double().mean().item()
    assert value(rows, epoch=None, subset="test", component="full", metric="accuracy") == right


@pytest.mark.parametrize(
    "values",
    [
        {"mixup": 0.5},
        {"adversarial": Adversary(0.3, PGD(steps=2))},
        {"component": "hfc:4", "amplitude": "rms"},
        {"shuffle_labels": True},
    ],
    ids=str,
)
def test_what_was_trained_on_and_clean_images_are_told_apart(source, tmp_path, values):
    config = settings(source, epochs=1, **values)
    rows = rows_of(run(config, None, tmp_path / "run", device="cpu"))
    fitted = rows.filter(pl.col("metric") == "fit-accuracy")
    clean = rows.filter(
        pl.col("metric") == "accuracy", pl.col("subset") == "train", pl.col("class").is_null()
    )
    assert fitted.height == clean.height == 1
    component = config.trained_component
    amplitude = None if component == FULL else "rms"
    assert fitted.select("shown", "radius", "amplitude", "epoch", "count").row(0) == (
        str(component),
        component.cutoff,
        amplitude,
        1,
        60,
    )
    assert clean.select("component", "radius", "amplitude", "epoch", "count").row(0) == (
        "full",
        None,
        None,
        None,
        60,
    )


def test_shuffled_labels_are_what_training_accuracy_is_about(source, tmp_path):
    config = settings(
        source, shuffle_labels=True, model="lenet", width=6, size=28, epochs=60, learning_rate=3e-3
    )
    rows = rows_of(run(config, None, tmp_path / "run", device="cpu"))
    assert value(rows, epoch=None, subset="train", metric="accuracy") > 0.9  # learned by heart
    assert value(rows, epoch=None, subset="test", metric="accuracy") < 0.7  # natural labels: 1.0


def test_a_run_is_not_trained_twice_unless_asked(source, tmp_path):
    config, folder = settings(source, epochs=1), tmp_path / "run"
    epochs = []
    run(config, None, folder, device="cpu", on_epoch=epochs.append)
    checkpoint_folder(folder).mkdir()  # as if it had been killed between its last two acts
    run(config, None, folder, device="cpu", on_epoch=epochs.append)
    assert len(epochs) == 1
    assert not checkpoint_folder(folder).exists()
    run(replace(config, learning_rate=None), None, tmp_path / "other", device="cpu", on_epoch=epochs.append)
    run(config, None, folder, device="cpu", overwrite=True, on_epoch=epochs.append)
    assert len(epochs) == 3
    with pytest.raises(
        InputError, match="holds another run. Choose another --out, or replace it with --overw"
    ):
        run(replace(config, seed=6), None, folder, device="cpu")
    with pytest.raises(InputError, match="holds another run"):
        run(config, PROBE, folder, device="cpu")


def test_other_test_images_are_noticed(source, tmp_path):
    config, folder = settings(source, epochs=1), tmp_path / "run"
    data = load_datasets(config)
    run(config, None, folder, device="cpu", datasets=data)
    with pytest.raises(InputError, match="holds another run"):
        run(config, None, folder, device="cpu", datasets={**data, "test": data["test"].take(slice(20))})


def damage_half(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


@pytest.mark.parametrize(
    "name", ["config.json", "environment.json", "rows.parquet", "weights.safetensors", SEAL]
)
def test_a_damaged_run_is_named_and_trained_anew(source, tmp_path, name):
    config, folder, notes = settings(source, epochs=1), tmp_path / "run", []
    run(config, None, folder, device="cpu", threads=1)
    before = killed_runs.content(folder)
    damage_half(folder / name)
    epochs = []
    run(config, None, folder, device="cpu", threads=1, on_epoch=epochs.append, on_note=notes.append)
    assert len(epochs) == 1
    (note,) = notes
    assert str(folder / name) in note
    assert note.endswith("is made anew.")
    assert killed_runs.content(folder) == before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_damaged_run_with_files_of_somebody_else_is_left_alone(source, tmp_path):
    config, folder = settings(source, epochs=1), tmp_path / "run"
    run(config, None, folder, device="cpu")
    damage_half(folder / "rows.parquet")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="rows.parquet is damaged.* holds more than a run"):
        run(config, None, folder, device="cpu")
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ["", "{ // mine"])
def test_a_broken_file_of_another_program_is_left_alone(source, tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match="cannot be read as JSON.* holds more than a run"):
        run(settings(source), None, tmp_path, device="cpu")
    assert (tmp_path / "config.json").read_text() == content


def test_another_run_in_the_place_that_is_named_by_the_id_is_not_believed(source, tmp_path):
    config, notes = settings(source, epochs=1), []
    place = tmp_path / identify(config, None, load_datasets(config))
    run(replace(config, seed=6), None, place.with_name("other"), device="cpu")
    shutil.copytree(place.with_name("other"), place)
    run(config, None, place, device="cpu", on_note=notes.append)
    assert notes == [f"{place} holds another run. The run {place.name} is made anew."]
    assert find_run(place)["config"]["seed"] == 5


def test_a_run_of_version_0_1_is_met_by_name_and_says_what_to_do(source, tmp_path):
    config, folder = settings(source, epochs=1), tmp_path / "run"
    run(config, None, folder, device="cpu")
    record = json.loads((folder / "config.json").read_text())
    old = {name: value for name, value in record.items() if name not in ("schema", "weights_hash")}
    (folder / "config.json").write_text(json.dumps(old))
    (folder / SEAL).unlink()
    with pytest.raises(
        InputError, match="a run of another version of passband, which .* still reads. Choose"
    ):
        run(config, None, folder, device="cpu")
    load_model(folder)
    run(config, None, folder, device="cpu", overwrite=True)
    assert find_run(folder) == record


def test_a_place_that_is_a_file_is_refused(source, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a folder"):
        run(settings(source), None, tmp_path / "run", device="cpu")


@pytest.mark.parametrize("size", [0, 40, 2000])
def test_a_damaged_checkpoint_is_named_and_the_run_begins_anew(source, tmp_path, size):
    config, folder, notes, epochs = settings(source), tmp_path / "run", [], []
    save_checkpoint(folder, {"run": identify(config, None, load_datasets(config)), "rows": [1.0] * 999})
    file = checkpoint_folder(folder) / "state.pt"
    file.write_bytes(file.read_bytes()[:size])
    run(config, None, folder, device="cpu", on_epoch=epochs.append, on_note=notes.append)
    assert len(epochs) == 3
    (note,) = notes
    assert str(file) in note
    assert note.endswith("begins from its first epoch.")
    assert not checkpoint_folder(folder).exists()


def test_a_full_disk_is_an_error_and_the_last_checkpoint_stays(source, tmp_path, monkeypatch):
    config, folder, epochs = settings(source), tmp_path / "run", []
    real = os.fsync

    def full(descriptor):
        if epochs:
            raise OSError(28, "No space left")
        real(descriptor)

    with monkeypatch.context() as patched, pytest.raises(OSError, match="No space left"):
        patched.setattr(os, "fsync", full)
        run(config, None, folder, device="cpu", on_epoch=epochs.append)
    assert [path.name for path in tmp_path.iterdir()] == ["run.checkpoint"]
    run(config, None, folder, device="cpu", on_epoch=epochs.append)
    assert [report.epoch for report in epochs] == [1, 2, 3]


def test_a_finished_run_is_found_where_nothing_can_be_written(source, tmp_path, monkeypatch):
    config, folder = settings(source, epochs=1), tmp_path / "run"
    run(config, None, folder, device="cpu")
    checkpoint_folder(folder).mkdir()

    def refuse(*arguments, **settings):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("passband.results.lock.FileLock", refuse)
    assert run(config, None, folder, device="cpu") == folder
    with pytest.raises(OSError, match="Read-only"):
        run(replace(config, seed=6), None, tmp_path / "other", device="cpu")


@pytest.mark.parametrize(
    ("values", "probe", "message"),
    [
        ({"batch_size": 61}, None, "batch_size must be at most the number of training images, 60, got 61"),
        (
            {"component": "lfc:12"},
            None,
            "radius 12 is not below the corner.*11.3 for .*16x16",
        ),
        ({}, Probe(radii=(4, 16)), "radius 16 is not below the corner"),
        ({"precision": "16-mixed"}, None, "precision '16-mixed' needs a GPU"),
        ({"model": "lenet", "limit": 20, "batch_size": 20}, None, "cannot take images"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_training(
    source, tmp_path, values, probe, message, monkeypatch
):
    if "cannot take" in message:
        monkeypatch.setattr("passband.models.lenet.LeNet.forward", lambda self, images: images @ images[:0])
    with pytest.raises(InputError, match=message):
        run(settings(source, **values), probe, tmp_path / "run", device="cpu")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_no_run_is_left_alone(source, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        run(settings(source), None, tmp_path, device="cpu")


def test_divergence_ends_a_run_as_failed_and_keeps_its_rows(source, tmp_path):
    config = settings(source, optimizer="sgd", learning_rate=1e18, model="resnet8")
    folder = run(config, None, tmp_path / "run", device="cpu")
    record = json.loads((folder / "config.json").read_text())
    assert record["status"] == "failed"
    assert "Try a tenth of that rate" in record["message"]
    assert not (folder / "weights.safetensors").exists()
    assert not checkpoint_folder(folder).exists()
    assert rows_of(folder).columns
    with pytest.raises(InputError, match="failed: the loss of epoch"):
        load_model(str(folder))
    assert run(config, None, folder, device="cpu") == folder  # it would fail again


def test_a_divergence_keeps_the_epochs_before_it(source, tmp_path, monkeypatch):
    real = torch.nn.functional.cross_entropy
    steps = []

    def breaks(*arguments, **values):
        steps.append(1)
        return real(*arguments, **values) * (float("nan") if len(steps) > 6 else 1)

    monkeypatch.setattr(loop.F, "cross_entropy", breaks)  # 4 steps an epoch
    rows = rows_of(run(settings(source), None, tmp_path / "run", device="cpu"))
    assert set(rows["epoch"]) == {1}


def test_a_last_step_that_breaks_the_network_is_a_divergence_too(source, tmp_path):
    config = settings(source, optimizer="sgd", learning_rate=1e30, batch_size=60, epochs=1)
    folder = run(config, None, tmp_path / "run", device="cpu")  # one step: the loss before it is finite
    record = json.loads((folder / "config.json").read_text())
    assert record["status"] == "failed"
    assert "NaN or infinite logits" in record["message"]
    assert "after epoch 1; try a tenth of the rate 1e+30" in record["message"]
    assert set(rows_of(folder)["metric"]) == {"fit-loss", "fit-accuracy"}


def test_threads_are_those_asked_for_and_set_back(source, tmp_path):
    run(settings(source, epochs=1), None, tmp_path / "run", device="cpu", threads=2)
    assert torch.get_num_threads() == 1
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["threads"] == 2


# Interruption. Everything that draws at random or has a state is switched on.

EVERYTHING = {
    "model": "vgg11",
    "width": 2,
    "batch_norm": True,
    "dropout": 0.5,
    "mixup": 0.5,
    "augment": True,
    "component": "lfc:6",
    "shuffle_labels": True,
    "weight_decay": 1e-3,
}
ATTACKED = {
    "model": "resnet8",
    "width": 2,
    "adversarial": Adversary(0.1, PGD(steps=2)),
    "optimizer": "rmsprop",
}


@pytest.fixture(scope="module")
def processes():
    """Processes that are forked from one that has imported everything: they start at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["passband.engine.worker"])
    return context


@pytest.fixture(scope="module")
def unbroken(source, tmp_path_factory, processes):
    """The rows and weights of both runs, never interrupted."""
    folder = tmp_path_factory.mktemp("unbroken")
    for name, values in (("everything", EVERYTHING), ("attacked", ATTACKED)):
        assert start(processes, settings(source, **values), folder / name) == 0
    return {name: killed_runs.content(folder / name) for name in ("everything", "attacked")}


def start(context, config: RunConfig, folder: Path, *moment, after: float | None = None) -> int:
    """Train in a process; return its exit code."""
    process = context.Process(target=killed_runs.train_run, args=(config, PROBE, folder, *moment))
    process.start()
    if after is not None:
        time.sleep(after)
        process.kill()  # SIGKILL
    process.join()
    return process.exitcode


@pytest.mark.parametrize(
    ("moment", "call"),
    [
        ("before a step", 2),
        ("before a step", 7),
        ("before a step", 12),
        ("in a probe", 3),
        ("before a checkpoint", 2),
        ("with half a checkpoint written", 1),
        ("with half a checkpoint written", 3),
        ("with a checkpoint not in its place", 2),
        ("before the folder is written", 1),
        ("with the folder half written", 1),
        ("before the folder is sealed", 1),
        ("before the folder is in its place", 1),
        ("before the checkpoint is removed", 1),
    ],
)
@pytest.mark.parametrize(("name", "values"), [("everything", EVERYTHING), ("attacked", ATTACKED)])
def test_killed_and_resumed_is_as_never_killed(
    source, tmp_path, processes, unbroken, name, values, moment, call
):
    config, folder = settings(source, **values), tmp_path / "run"
    assert start(processes, config, folder, moment, call) == -signal.SIGKILL
    assert start(processes, config, folder) == 0
    assert killed_runs.content(folder) == unbroken[name]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]  # nothing that was killed is left


@pytest.mark.slow
def test_a_compiled_run_that_is_killed_and_resumed_is_as_never_killed(source, tmp_path, processes):
    """60 images in batches of 16: the last batch of an epoch is another shape, and the first that a process sees may be either."""
    config = settings(source, **{**EVERYTHING, "model": "lenet", "compile": True})
    for moment in ((), ("before a step", 4), ("before a step", 7)):
        folder = tmp_path / f"run{len(moment)}-{moment[-1:]}"
        if moment:
            assert start(processes, config, folder, *moment) == -signal.SIGKILL
        assert start(processes, config, folder) == 0
        environment = json.loads((folder / "environment.json").read_text())
        assert (environment["compiled"], environment["cuda_graphs"]) == (True, False)
    assert len({killed_runs.content(folder) for folder in tmp_path.iterdir()}) == 1


def test_two_processes_on_one_run_train_it_once(source, tmp_path, processes, unbroken):
    config, folder = settings(source, **EVERYTHING), tmp_path / "store" / "run"
    both = [
        processes.Process(
            target=killed_runs.train_logged_run, args=(config, PROBE, folder, tmp_path / f"{name}.log")
        )
        for name in ("a", "b")
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    logs = [(tmp_path / f"{name}.log") for name in ("a", "b")]
    lines = [line for log in logs if log.exists() for line in log.read_text().splitlines()]
    assert [line for line in lines if "epoch" in line] == ["epoch 1", "epoch 2", "epoch 3"]
    assert killed_runs.content(folder) == unbroken["everything"]
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def wait_until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_who_waits_for_a_killed_process_goes_on_from_its_checkpoint(source, tmp_path, processes, unbroken):
    config, folder = settings(source, **EVERYTHING), tmp_path / "run"
    logs = [tmp_path / "first.log", tmp_path / "second.log"]
    first, second = (
        processes.Process(target=killed_runs.train_logged_run, args=(config, PROBE, folder, log, *stop_at))
        for log, stop_at in zip(logs, ((7,), ()), strict=True)
    )
    first.start()
    wait_until(lambda: logs[0].exists())  # an epoch is done; it stops in the next one
    second.start()
    wait_until(lambda: logs[1].exists())
    assert f"Waiting for {folder}: process {first.pid} on " in logs[1].read_text()
    first.kill()
    second.join()
    first.join()
    assert (first.exitcode, second.exitcode) == (-signal.SIGKILL, 0)
    assert logs[1].read_text().splitlines()[1:] == ["epoch 2", "epoch 3"]
    assert killed_runs.content(folder) == unbroken["everything"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.log", "run", "second.log"]


def test_killed_again_and_again_at_any_time(source, tmp_path, processes, unbroken):
    config, folder = settings(source, **EVERYTHING), tmp_path / "run"
    begun = time.perf_counter()
    start(processes, config, tmp_path / "timed")
    whole = time.perf_counter() - begun  # a fast machine is done sooner
    moments = random.Random(0)
    killed = 0
    while killed < 8 and start(processes, config, folder, after=moments.uniform(0.05, 0.5) * whole) != 0:
        killed += 1
    assert start(processes, config, folder) == 0
    assert killed > 0
    assert killed_runs.content(folder) == unbroken["everything"]


def test_that_a_resumed_run_could_differ(source, tmp_path, processes, unbroken):
    other = settings(source, **{**EVERYTHING, "seed": 6})
    assert start(processes, other, tmp_path / "run") == 0
    assert killed_runs.content(tmp_path / "run")[1] != unbroken["everything"][1]


def test_a_checkpoint_of_another_run_is_not_continued(source, tmp_path):
    folder = tmp_path / "run"
    save_checkpoint(folder, {"run": "another"})
    with pytest.raises(InputError, match="run.checkpoint is the checkpoint of another run"):
        run(settings(source), None, folder, device="cpu")
    run(settings(source, epochs=1), None, folder, device="cpu", overwrite=True)
    assert not checkpoint_folder(folder).exists()


def test_a_checkpoint_of_another_run_copied_to_the_place_of_this_one_is_dropped(source, tmp_path):
    config, notes, epochs = settings(source), [], []
    folder = tmp_path / identify(config, None, load_datasets(config))
    save_checkpoint(folder, {"run": "another"})
    run(config, None, folder, device="cpu", on_note=notes.append, on_epoch=epochs.append)
    assert notes == [f"{checkpoint_folder(folder)} is the checkpoint of another run, and is dropped."]
    assert len(epochs) == 3


def test_two_processes_give_the_rows_of_one(source, tmp_path):
    config = settings(
        source, optimizer="sgd", learning_rate=0.05, batch_size=15, mixup=0.5, augment=True, component="lfc:6"
    )
    one, two = (
        run(config, PROBE, tmp_path / str(devices), device="cpu", devices=devices, threads=1)
        for devices in (1, 2)
    )
    first, second = rows_of(one), rows_of(two)
    assert first.drop("value").equals(second.drop("value"))
    np.testing.assert_allclose(first["value"], second["value"], rtol=1e-4, atol=1e-5)
    weights, others = (load_file(folder / "weights.safetensors") for folder in (one, two))
    for name, tensor in weights.items():
        torch.testing.assert_close(others[name], tensor, rtol=1e-4, atol=1e-5)
    assert json.loads((two / "environment.json").read_text())["devices"] == 2
    assert not checkpoint_folder(two).exists()


@pytest.mark.parametrize("form", ["npz", "folder"])
def test_a_source_without_subsets_holds_images_out_for_test(form, tmp_path):
    images = bright_sides(60, size=16)
    if form == "npz":
        source = f"npz:{tmp_path / 'all.npz'}"
        arrays = {"images": images.images.permute(0, 2, 3, 1).numpy(), "labels": images.labels.numpy()}
        np.savez(tmp_path / "all.npz", **arrays)
    else:
        source = f"folder:{tmp_path / 'all'}"
        for index, (image, label) in enumerate(zip(images.images, images.labels.tolist(), strict=True)):
            place = tmp_path / "all" / images.classes[label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(place / f"{index}.png")
    config = settings(source, epochs=1)
    data = load_datasets(config)
    assert {subset: len(part) for subset, part in data.items()} == {"train": 48, "test": 12}
    shown = {image.numpy().tobytes() for image in data["train"].images}
    assert not shown & {image.numpy().tobytes() for image in data["test"].images}
    limited = load_datasets(replace(config, limit=20), test_limit=5)
    assert torch.equal(limited["train"].images, data["train"].images[:20])
    assert torch.equal(limited["test"].images, data["test"].images[:5])

    folder = run(config, None, tmp_path / "run", device="cpu")
    record = json.loads((folder / "config.json").read_text())
    assert record["data"]["test_fingerprint"] == data["test"].fingerprint
    assert "has no test images of its own: 20% of its 60 images" in record["data"]["notices"][0]
    rows = rows_of(folder).filter(pl.col("metric") == "accuracy", pl.col("class").is_null())
    assert dict(rows.select("subset", "count").iter_rows()) == {"train": 48, "test": 12}
    subject = finished_run(folder, device="cpu")
    assert torch.equal(subject.dataset.images, data["test"].images)
