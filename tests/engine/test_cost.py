from dataclasses import replace
from pathlib import Path

from passband.attacks import PGD
from passband.engine import cost
from passband.engine.cost import START, estimate_seconds
from passband.engine.probe import Probe
from passband.files import seal, write_json
from passband.train.adversarial import Adversary
from passband.train.config import SCHEMA
from planned_runs import SMALL, Steps, measurement, planned


def test_a_kind_of_run_is_really_timed(tmp_path):
    seconds = estimate_seconds([planned("plain", SMALL, tmp_path)], device="cpu")
    assert seconds["plain"] > START


def test_time_follows_from_epochs_attacks_and_probes(tmp_path, monkeypatch):
    """Real times would depend on what else the machine does: here an attack step costs as much as a plain one."""
    monkeypatch.setattr(
        cost,
        "_speeds",
        lambda kind, *_: (0.001 * kind.passes, 0.0005),
    )
    seconds = estimate_seconds(
        [
            planned("plain", SMALL, tmp_path),
            planned("long", replace(SMALL, epochs=20, seed=3), tmp_path),
            planned("attacked", replace(SMALL, adversarial=Adversary(0.03, PGD(steps=9))), tmp_path),
            planned("probed", SMALL, tmp_path, Probe(radii=(2, 4), samples=None)),
        ],
        device="cpu",
    )
    assert seconds["plain"] == START + 100 + 6
    assert seconds["long"] == START + 200 + 6
    assert seconds["attacked"] == START + 1000 + 6
    assert abs(seconds["probed"] - (START + 100 + 6 + 10 * 5 * 12_000 * 0.0005)) < 1e-6


def write(folder: Path, **record: str) -> None:
    folder.mkdir()
    for name in ("rows.parquet", "weights.safetensors"):
        (folder / name).touch()
    write_json(folder / "config.json", {"schema": SCHEMA, **record})
    seal(folder)


def test_each_kind_of_run_is_timed_once_and_done_ones_not_at_all(tmp_path, monkeypatch):
    timed = []
    monkeypatch.setattr(cost, "_speeds", lambda *kind: (timed.append(kind[0]), (0.001, 0.0005))[1])
    done = planned("done", replace(SMALL, model="resnet14"), tmp_path)
    write(done.folder, kind="run", run="done", status="failed")
    runs = [
        planned("a", SMALL, tmp_path),
        planned("b", replace(SMALL, learning_rate=1e-2, mixup=0.5, seed=4), tmp_path),
        planned("c", replace(SMALL, batch_norm=True), tmp_path, Probe(radii=(2,), samples=100, epochs=(10,))),
        done,
    ]
    seconds = estimate_seconds(runs)
    assert len(timed) == 2
    assert seconds["done"] == 0
    assert seconds["a"] == seconds["b"] == START + 100 + 6
    assert abs(seconds["c"] - (START + 100 + 6 + 2 * 100 * 3 * 0.0005)) < 1e-9


def test_the_network_of_a_measurement_is_really_attacked(tmp_path):
    run = planned("run", SMALL, tmp_path)
    seconds = estimate_seconds([measurement("m", Steps(1, 1), run)], device="cpu")
    assert seconds["m"] > START


def test_the_time_of_a_measurement_follows_from_its_work_and_each_kind_of_network_is_timed_once(
    tmp_path, monkeypatch
):
    timed = []
    monkeypatch.setattr(cost, "_attack_speeds", lambda *kind: (timed.append(kind[0]), (0.003, 0.001))[1])
    natural, attacked = (
        planned(name, replace(SMALL, adversarial=adversary), tmp_path)
        for name, adversary in (("natural", None), ("attacked", Adversary(0.03)))
    )
    measured = planned("measured", SMALL, tmp_path)
    write(measured.folder, kind="run", run="measured", status="finished", weights_hash="0123")
    done = measurement("done", Steps(5), measured)
    write(done.folder, kind="measurement", measurement="done", weights_hash="0123")
    seconds = estimate_seconds(
        [
            measurement("a", Steps(2), natural),
            measurement("b", Steps(2, 5), attacked),
            measurement("nothing", Steps(0), planned("other", replace(SMALL, model="lenet"), tmp_path)),
            done,
        ]
    )
    assert seconds == {"a": START + 12, "b": START + 12 + 10, "nothing": START, "done": 0}
    assert len(timed) == 1
