from __future__ import annotations

import json
import multiprocessing
import signal
from dataclasses import replace

import polars as pl
import pytest
import torch

from killed_detectors import train_until_killed
from passband.detection.phantom import load_scenes, make_scenes
from passband.detection.runs import find_detector, load_trained_detector
from passband.detection.training import _targets, fit_detector, start_learner, train_detector
from passband.detection.training_config import DetectorConfig
from passband.engine import detector as engine_detector
from passband.engine.detector import run_detector
from passband.errors import DamagedError, InputError, UnknownNameError
from passband.files import digest
from passband.models.fingerprint import weights_hash
from passband.train.checkpoint import checkpoint_folder, load_checkpoint
from passband.train.epoch import TrainingDiverged

SMALL = DetectorConfig("phantom:size=64,classes=2", limit=12, width=8, epochs=2, batch_size=4)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def content(folder):
    return [digest((folder / name).read_bytes()) for name in ("rows.parquet", "weights.safetensors")]


def test_the_same_config_gives_the_same_weights():
    reports = []
    first = train_detector(SMALL, device="cpu", on_epoch=reports.append)
    second = train_detector(SMALL, load_scenes(SMALL.scenes, "train", limit=12), device="cpu")
    assert weights_hash(first) == weights_hash(second)
    assert not first.training
    assert [each.epoch for each in reports] == [1, 2]
    assert reports[1].loss < reports[0].loss


def test_the_loss_is_the_mean_over_scenes_whatever_the_batches():
    """At a rate of almost 0 nothing is learned: so the loss of an epoch is that of each scene on its own, averaged."""
    config = DetectorConfig(
        "phantom:size=64,classes=2", limit=5, width=8, epochs=1, batch_size=3, learning_rate=1e-12
    )
    scenes = load_scenes(config.scenes, "train", limit=5)
    reports = []
    train_detector(config, scenes, device="cpu", on_epoch=reports.append)
    network = start_learner(config, scenes, torch.device("cpu")).network
    alone = []
    for index in range(5):
        objects = scenes.annotations.objects.filter(pl.col("image") == index + 1)
        boxes = torch.tensor(
            [[x, y, x + w, y + h] for x, y, w, h in objects.select("x", "y", "width", "height").rows()]
        )
        labels = torch.tensor(objects["category"].to_list())
        alone.append(
            sum(network([scenes.image(index)], [{"boxes": boxes, "labels": labels}]).values()).item()
        )
    assert reports[0].loss == pytest.approx(sum(alone) / 5, rel=1e-4)


def test_targets_leave_crowds_out_and_keep_images_without_objects():
    scenes = make_scenes(3, size=64)
    objects = scenes.annotations.objects
    changed = objects.with_columns(
        image=pl.when(pl.col("image") == 2).then(3).otherwise(pl.col("image")),
        crowd=pl.col("object") == 1,
    )
    found = _targets(
        type(scenes.annotations)("", "", scenes.annotations.pictures, scenes.annotations.categories, changed)
    )
    assert [len(each["labels"]) for each in found] == [
        objects.filter(pl.col("image") == 1).height - 1,
        0,
        objects.filter(pl.col("image") > 1).height,
    ]
    assert found[1]["boxes"].shape == (0, 4)


def test_a_killed_run_goes_on_from_its_checkpoint_and_ends_as_an_unbroken_one(tmp_path):
    unbroken = run_detector(SMALL, tmp_path / "unbroken", device="cpu", threads=1)
    process = multiprocessing.get_context("forkserver").Process(
        target=train_until_killed, args=(SMALL, tmp_path / "killed", 1)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert not (tmp_path / "killed").exists()
    assert len(load_checkpoint(tmp_path / "killed")["epochs"]) == 1
    epochs = []
    run_detector(
        SMALL, tmp_path / "killed", device="cpu", threads=1, on_epoch=lambda each: epochs.append(each.epoch)
    )
    assert epochs == [2]
    assert content(tmp_path / "killed") == content(unbroken)
    assert not checkpoint_folder(tmp_path / "killed").exists()


def interrupt(report):
    raise KeyboardInterrupt


def test_a_damaged_checkpoint_is_not_believed(tmp_path):
    folder = tmp_path / "detector"
    with pytest.raises(KeyboardInterrupt):
        run_detector(SMALL, folder, device="cpu", threads=1, on_epoch=interrupt)
    state = checkpoint_folder(folder) / "state.pt"
    state.write_bytes(state.read_bytes()[:-1])
    notes = []
    run_detector(SMALL, folder, device="cpu", threads=1, on_note=notes.append)
    assert notes == [f"the checkpoint {state} is damaged: it was cut or changed since it was written. The detector "
                     f"{find_detector(folder)['run']} begins from its first epoch."]  # fmt: skip
    assert load_trained_detector(folder)[1] == SMALL


def test_the_checkpoint_of_another_run_is_not_dropped_unless_asked(tmp_path):
    folder = tmp_path / "detector"
    with pytest.raises(KeyboardInterrupt):
        run_detector(SMALL, folder, device="cpu", threads=1, on_epoch=interrupt)
    other = replace(SMALL, seed=1)
    with pytest.raises(InputError, match="is the checkpoint of another run, which was interrupted"):
        run_detector(other, folder, device="cpu", threads=1)
    run_detector(other, folder, device="cpu", threads=1, overwrite=True)
    assert load_trained_detector(folder)[1] == other
    assert not checkpoint_folder(folder).exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_detector_is_replaced_only_if_asked(tmp_path, overwrite):
    (tmp_path / "precious").write_text("mine")
    if overwrite:
        assert find_detector(run_detector(SMALL, tmp_path, device="cpu", overwrite=True)) is not None
    else:
        with pytest.raises(InputError, match="is not empty"):
            run_detector(SMALL, tmp_path, device="cpu")
        assert (tmp_path / "precious").read_text() == "mine"


def test_a_folder_says_what_it_holds_and_is_read_back(tmp_path):
    network = train_detector(SMALL, device="cpu")
    folder = run_detector(SMALL, tmp_path / "detector", device="cpu", threads=1)
    said = json.loads((folder / "config.json").read_text())
    assert (said["kind"], said["status"], said["weights_hash"]) == (
        "detector",
        "finished",
        weights_hash(network),
    )
    rows = pl.read_parquet(folder / "rows.parquet")
    assert rows.select("run", "epoch", "subset", "metric", "count").rows() == [
        (said["run"], epoch, "train", "fit-loss", 12) for epoch in (1, 2)
    ]
    read, config = load_trained_detector(folder)
    assert config == SMALL
    image = [make_scenes(1, size=64).image(0)]
    read.score_thresh = network.score_thresh = 0.0
    with torch.no_grad():
        torch.testing.assert_close(read(image), network(image), rtol=1e-4, atol=1e-4)


def test_a_finished_detector_is_not_trained_again(tmp_path, monkeypatch):
    folder = run_detector(SMALL, tmp_path / "detector", device="cpu", threads=1)
    monkeypatch.setattr(engine_detector, "fit_detector", None)
    assert run_detector(SMALL, folder, device="cpu") == folder


def test_another_detector_is_not_replaced_unless_asked(tmp_path):
    folder = run_detector(SMALL, tmp_path / "detector", device="cpu", threads=1)
    other = DetectorConfig(SMALL.scenes, limit=12, width=8, epochs=1, batch_size=4, seed=1)
    with pytest.raises(InputError, match="is not empty"):
        run_detector(other, folder, device="cpu")
    run_detector(other, folder, device="cpu", threads=1, overwrite=True)
    assert load_trained_detector(folder)[1] == other


def test_a_damaged_detector_is_noticed_and_made_anew(tmp_path):
    folder = run_detector(SMALL, tmp_path / "detector", device="cpu", threads=1)
    before = content(folder)
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(DamagedError, match=r"weights\.safetensors is damaged"):
        load_trained_detector(folder)
    notes = []
    run_detector(SMALL, folder, device="cpu", threads=1, on_note=notes.append)
    assert "is made anew" in notes[0]
    assert content(folder) == before


def test_a_loss_that_is_not_finite_ends_the_training(tmp_path):
    config = DetectorConfig(SMALL.scenes, limit=12, width=8, epochs=2, batch_size=4)
    scenes = load_scenes(config.scenes, "train", limit=12)
    learner = start_learner(config, scenes, torch.device("cpu"))
    learner.network.head.regression_head.bbox_reg.bias.data.fill_(float("nan"))
    with pytest.raises(TrainingDiverged, match=r"of step 1 of epoch 1, or its gradient, is not finite at a"):
        fit_detector(learner, scenes, config)


def test_a_failed_run_is_written_without_weights(tmp_path, monkeypatch):
    def diverge(*_, **__):
        raise TrainingDiverged("the loss is nan")

    monkeypatch.setattr(engine_detector, "fit_detector", diverge)
    folder = run_detector(SMALL, tmp_path / "detector", device="cpu")
    assert find_detector(folder)["status"] == "failed"
    assert not (folder / "weights.safetensors").exists()
    with pytest.raises(InputError, match="failed: the loss is nan"):
        load_trained_detector(folder)


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"limit": 0},
        {"learning_rate": float("nan")},
        {"learning_rate": 0.0},
        {"weight_decay": -1.0},
        {"seed": -1},
        {"batch_size": 0},
    ],
)
def test_impossible_settings_are_refused(settings):
    with pytest.raises(InputError, match=next(iter(settings))):
        DetectorConfig(**settings)


def test_settings_are_read_as_they_are_written():
    assert DetectorConfig.from_dict(json.loads(json.dumps(SMALL.to_dict()))) == SMALL
    with pytest.raises(UnknownNameError, match="epoch"):
        DetectorConfig.from_dict({"epoch": 3})


def test_an_empty_folder_holds_no_detector(tmp_path):
    with pytest.raises(InputError, match="is not the folder of a trained detector"):
        load_trained_detector(tmp_path)


def test_a_batch_is_no_larger_than_the_data():
    with pytest.raises(InputError, match="at most the number of training scenes, 3, got 4"):
        train_detector(DetectorConfig("phantom:size=64", limit=3, batch_size=4), device="cpu")
