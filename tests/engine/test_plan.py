from dataclasses import replace

import polars as pl
import pytest

from passband.attacks import PGD
from passband.data.load import load_dataset
from passband.engine.job import longest_first
from passband.engine.plan import plan, plan_measurement
from passband.engine.probe import Probe
from passband.errors import InputError
from passband.files import write_json
from passband.studies.figure7_kernels import KernelRoughness
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig, run_id

CONFIG = RunConfig("fashion-mnist", limit=60, width=4, epochs=2, batch_size=20)
PROBE = Probe(samples=10)


def test_equal_runs_are_one_job_and_the_id_is_that_of_config_data_and_probe(tmp_path):
    same = replace(CONFIG, amplitude="rms")  # makes no difference where no component is trained on
    first, again, other, unprobed = plan(
        [(CONFIG, PROBE), (same, PROBE), (replace(CONFIG, seed=1), PROBE), (CONFIG, None)], tmp_path
    )
    assert first is again
    assert len({first.id, other.id, unprobed.id}) == 3
    data = load_dataset("fashion-mnist", "train", limit=60)
    assert first.id == run_id(CONFIG, data.fingerprint, PROBE.to_dict())
    assert first.folder == tmp_path / "runs" / first.id
    assert (first.images, first.shape, first.classes) == ({"train": 60, "test": 2000}, (1, 28, 28), 10)


def test_a_run_on_fewer_test_images_is_another_one(tmp_path):
    (whole,) = plan([(CONFIG, PROBE)], tmp_path)
    (cut,) = plan([(CONFIG, PROBE)], tmp_path, test_limit=20)
    assert (cut.images, cut.test_limit) == ({"train": 60, "test": 20}, 20)
    assert cut.fingerprints["train"] == whole.fingerprints["train"]
    assert cut.id != whole.id
    folder = cut.do(device="cpu", threads=1)
    rows = pl.read_parquet(folder / "rows.parquet").filter(pl.col("class").is_null(), subset="test")
    assert set(rows["count"]) == {10, 20}  # along the way, and at the end
    assert plan([(CONFIG, PROBE)], tmp_path, test_limit=20)[0].done


def test_a_measurement_has_a_place_beside_the_runs_and_one_job(tmp_path):
    (run,) = plan([(CONFIG, PROBE)], tmp_path)
    job = plan_measurement(KernelRoughness((0.0, 1.0)), run, tmp_path)
    assert job == plan_measurement(KernelRoughness((0.0, 1.0)), run, tmp_path)
    assert job.id != plan_measurement(KernelRoughness((0.0, 0.5)), run, tmp_path).id
    assert (job.needs, job.folder) == (run, tmp_path / "measurements" / job.id)
    assert job.passes == 0


def test_a_run_in_the_store_is_done(tmp_path):
    (job,) = plan([(CONFIG, PROBE)], tmp_path)
    assert not job.done
    job.folder.mkdir(parents=True)
    write_json(job.folder / "config.json", {"kind": "run", "status": "failed"})
    assert job.done


def test_the_longest_comes_first(tmp_path):
    attacked = replace(CONFIG, adversarial=Adversary(8 / 255, PGD(steps=3)))
    longer = replace(CONFIG, epochs=7)
    short, middle, long = plan([(CONFIG, None), (longer, None), (attacked, None)], tmp_path)
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
        plan([(CONFIG, PROBE), (replace(CONFIG, **changes), probe)], tmp_path)
    assert list(tmp_path.iterdir()) == []
