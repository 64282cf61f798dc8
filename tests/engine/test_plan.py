from dataclasses import replace

import pytest

from passband.data.catalog import load_dataset
from passband.engine.plan import longest_first, plan
from passband.errors import InputError
from passband.files import write_json
from passband.probe.curve import Probe
from passband.train.config import RunConfig, run_id

CONFIG = RunConfig("fashion-mnist", limit=60, width=4, epochs=2, batch_size=20)
PROBE = Probe(samples=10)


def test_equal_runs_are_one_job_and_the_id_is_that_of_config_data_and_probe(tmp_path):
    same = replace(CONFIG, attack_steps=7)  # makes no difference where nothing is attacked
    first, again, other, unprobed = plan(
        [(CONFIG, PROBE), (same, PROBE), (replace(CONFIG, seed=1), PROBE), (CONFIG, None)], tmp_path
    )
    assert first is again
    assert len({first.run, other.run, unprobed.run}) == 3
    data = load_dataset("fashion-mnist", "train", limit=60)
    assert first.run == run_id(CONFIG, data.fingerprint, PROBE.to_dict())
    assert first.folder == tmp_path / "runs" / first.run
    assert (first.images, first.shape, first.classes) == ({"train": 60, "test": 2000}, (1, 28, 28), 10)


def test_a_run_in_the_store_is_done(tmp_path):
    (job,) = plan([(CONFIG, PROBE)], tmp_path)
    assert not job.done
    job.folder.mkdir(parents=True)
    write_json(job.folder / "config.json", {"kind": "run", "status": "failed"})
    assert job.done


def test_the_longest_comes_first(tmp_path):
    attacked = replace(CONFIG, adversarial=8 / 255, attack_steps=3)
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
