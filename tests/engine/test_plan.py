from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from helpers import bright_sides
from passband.attacks import PGD
from passband.data.dataset import ImageDataset
from passband.data.load import load_dataset
from passband.engine.plan import plan_measurement, plan_runs
from passband.engine.planned import longest_first
from passband.engine.probe import Probe
from passband.engine.run import identify
from passband.environment import limited_threads
from passband.errors import InputError
from passband.files import digest, seal, write_json
from passband.studies.figure7_kernels import KernelRoughness
from passband.train import config as config_module
from passband.train.adversarial import Adversary
from passband.train.config import SCHEMA, RunConfig, run_id

CONFIG = RunConfig("fashion-mnist", limit=60, width=4, epochs=2, batch_size=20)
PROBE = Probe(samples=10)


def test_equal_runs_are_planned_once_and_the_id_is_that_of_config_data_and_probe(tmp_path):
    same = replace(CONFIG, amplitude="rms")  # makes no difference where no component is trained on
    first, again, other, unprobed = plan_runs(
        [(CONFIG, PROBE), (same, PROBE), (replace(CONFIG, seed=1), PROBE), (CONFIG, None)], tmp_path
    )
    assert first is again
    assert len({first.id, other.id, unprobed.id}) == 3
    subsets = [load_dataset("fashion-mnist", "train", limit=60), load_dataset("fashion-mnist", "test")]
    parts = [*(subset.fingerprint for subset in subsets), *subsets[0].classes]
    data = digest(*(part.encode() for part in parts))
    assert first.id == run_id(CONFIG, data, PROBE.to_dict())
    assert first.folder == tmp_path / "runs" / first.id
    assert (first.images, first.shape, first.classes) == ({"train": 60, "test": 2000}, (1, 28, 28), 10)


def test_a_probe_is_reduced_to_its_share_of_the_run_and_the_id_is_that_of_the_reduced_one(tmp_path):
    wanted = [(CONFIG, Probe()), (replace(CONFIG, epochs=200), Probe())]
    short, long = plan_runs(wanted, tmp_path, share=0.1)
    assert short.probe == Probe().within(2, 60, share=0.1)
    assert short.id == plan_runs([(CONFIG, short.probe)], tmp_path)[0].id
    assert short.probe.samples < Probe().samples
    assert plan_runs(wanted, tmp_path)[0].probe == Probe()
    assert long.images == short.images


def test_a_run_on_fewer_test_images_is_another_one(tmp_path):
    (whole,) = plan_runs([(CONFIG, PROBE)], tmp_path)
    (cut,) = plan_runs([(CONFIG, PROBE)], tmp_path, test_limit=20)
    assert (cut.images, cut.test_limit) == ({"train": 60, "test": 20}, 20)
    assert cut.fingerprints["train"] == whole.fingerprints["train"]
    assert cut.id != whole.id
    folder = cut.do(device="cpu", threads=1)
    rows = pl.read_parquet(folder / "rows.parquet").filter(pl.col("class").is_null(), subset="test")
    assert set(rows["count"]) == {10, 20}  # along the way, and at the end
    assert plan_runs([(CONFIG, PROBE)], tmp_path, test_limit=20)[0].done


def test_runs_and_measurements_side_by_side_read_with_as_many_threads_as_they_compute(tmp_path, monkeypatch):
    seen = []

    def load(*arguments, **settings):
        seen.append(torch.get_num_threads())
        return load_dataset(*arguments, **settings)

    (run,) = plan_runs([(CONFIG, None)], tmp_path, test_limit=20)
    measured = plan_measurement(KernelRoughness((0.0, 1.0)), run, tmp_path)
    monkeypatch.setattr("passband.engine.run.load_dataset", load)
    monkeypatch.setattr("passband.engine.measure.load_dataset", load)
    with limited_threads(3):
        run.do(device="cpu", threads=1)
        trained = len(seen)
        measured.do(device="cpu", threads=1)
        assert torch.get_num_threads() == 3
    assert len(seen) > trained > 0
    assert set(seen) == {1}


def test_a_measurement_has_a_place_beside_the_runs_and_is_planned_once(tmp_path):
    (run,) = plan_runs([(CONFIG, PROBE)], tmp_path)
    planned = plan_measurement(KernelRoughness((0.0, 1.0)), run, tmp_path)
    assert planned == plan_measurement(KernelRoughness((0.0, 1.0)), run, tmp_path)
    assert planned.id != plan_measurement(KernelRoughness((0.0, 0.5)), run, tmp_path).id
    assert (planned.needs, planned.folder) == (run, tmp_path / "measurements" / planned.id)
    assert planned.passes == 0


def test_a_run_in_the_store_is_done(tmp_path):
    (planned,) = plan_runs([(CONFIG, PROBE)], tmp_path)
    assert not planned.done
    planned.folder.mkdir(parents=True)
    (planned.folder / "rows.parquet").touch()
    record = {"kind": "run", "schema": SCHEMA, "run": planned.id, "status": "failed"}
    for believed, values in ((True, {}), (False, {"run": "another"}), (False, {"schema": SCHEMA - 1})):
        write_json(planned.folder / "config.json", record | values)
        seal(planned.folder)
        assert planned.done == believed
    write_json(planned.folder / "config.json", record)
    assert not planned.done  # its checksum is another


@pytest.fixture
def numbers() -> dict[str, np.ndarray]:
    train, test = bright_sides(60, size=16, seed=0), bright_sides(30, size=16, seed=1)
    return {
        "x_train": train.images.permute(0, 2, 3, 1).numpy(),
        "y_train": train.labels.numpy(),
        "x_test": test.images.permute(0, 2, 3, 1).numpy(),
        "y_test": test.labels.numpy(),
    }


@pytest.mark.parametrize("changed", ["x_train", "y_train", "x_test", "y_test"])
def test_whatever_changes_in_the_data_is_another_run_and_another_measurement(tmp_path, numbers, changed):
    config, roughness = RunConfig(f"npz:{tmp_path}/data.npz", batch_size=20), KernelRoughness((0.0,))
    seen = set()
    for _ in range(2):
        np.savez(tmp_path / "data.npz", **numbers)
        (run,) = plan_runs([(config, None)], tmp_path)
        seen |= {run.id, plan_measurement(roughness, run, tmp_path).id}
        numbers[changed] = numbers[changed].copy()
        numbers[changed][0] = (numbers[changed][0] + 1) % 3
    assert len(seen) == 4


def test_classes_of_other_names_are_other_data():
    train = ImageDataset(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.arange(4) % 2, ("a", "b"), "x")
    renamed = replace(train, classes=("a", "c"))
    assert identify(CONFIG, None, {"train": train, "test": train}) != identify(
        CONFIG, None, {"train": renamed, "test": renamed}
    )


def test_a_change_of_the_codes_meaning_changes_all_ids(tmp_path, monkeypatch):
    def ids() -> set[str]:
        (run,) = plan_runs([(CONFIG, PROBE)], tmp_path)
        return {run.id, plan_measurement(KernelRoughness((0.0,)), run, tmp_path).id}

    before = ids()
    monkeypatch.setattr(config_module, "SCHEMA", SCHEMA + 1)
    assert len(before | ids()) == 4


def test_data_that_change_after_the_plan_are_refused(tmp_path, numbers):
    np.savez(tmp_path / "data.npz", **numbers)
    (planned,) = plan_runs([(RunConfig(f"npz:{tmp_path}/data.npz", batch_size=20, epochs=1), None)], tmp_path)
    np.savez(tmp_path / "data.npz", **{**numbers, "x_test": numbers["x_test"] ^ 1})
    with pytest.raises(InputError, match="data npz:.* changed while the study ran: start it again"):
        planned.do(device="cpu", threads=1)
    assert not planned.folder.exists()


def test_the_longest_comes_first(tmp_path):
    attacked = replace(CONFIG, adversarial=Adversary(8 / 255, PGD(steps=3)))
    longer = replace(CONFIG, epochs=7)
    short, middle, long = plan_runs([(CONFIG, None), (longer, None), (attacked, None)], tmp_path)
    assert (short.passes, middle.passes, long.passes) == (120, 420, 480)
    assert longest_first([short, middle, long]) == [long, middle, short]


@pytest.mark.parametrize(
    ("changes", "probe", "message"),
    [
        ({"batch_size": 100}, PROBE, "batch_size must be at most the number of training images, 60, got 100"),
        ({"component": "lfc:20"}, PROBE, "not below the corner"),
        ({}, Probe(radii=(24,)), "radius 24 is not below the corner of the spectrum, which is at 19.8"),
        ({"dataset": "npz:none.npz"}, PROBE, "none.npz"),
    ],
)
def test_what_cannot_be_is_refused_before_any_training(tmp_path, changes, probe, message):
    with pytest.raises(InputError, match=message):
        plan_runs([(CONFIG, PROBE), (replace(CONFIG, **changes), probe)], tmp_path)
    assert list(tmp_path.iterdir()) == []
