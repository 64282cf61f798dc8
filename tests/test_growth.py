"""The arithmetic behind `docs/performance.md`: exponents, the model of cost, what all studies take."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest
import torch

from passband.models.catalog import build_model
from passband.studies.find import find_studies
from passband.studies.presets import PRESETS
from passband.studies.study import distinct
from passband.train.config import RunConfig

FLOPS = {"lenet": 2e6, "alexnet": 3e8, "vgg16": 5e8, "resnet18": 1e9}


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "benchmarks"))
    return importlib.import_module


def test_exponents_are_those_of_numpy(load):
    xs = np.array([1.0, 2, 4, 9, 30])
    ys = 3 * xs**1.7 * np.exp([0.1, -0.2, 0.05, 0.0, -0.1])
    (slope, _), covariance = np.polyfit(np.log(xs), np.log(ys), 1, cov=True)
    found = load("cost_model").exponent(xs, ys)
    assert found == pytest.approx((slope, covariance[0, 0] ** 0.5))
    assert load("cost_model").exponent(xs, 3 * xs**1.7) == pytest.approx((1.7, 0), abs=1e-6)


def test_the_model_finds_the_rates_that_made_the_seconds(load):
    model = load("cost_model")
    audits = [
        {"answers": a, "flops": f, "values": v, "seconds": 0.5 + a * f / 5e10 + a * v * 2e-8}
        for a, f, v in ((500, 1e6, 3072), (5000, 2e7, 3072), (900, 1e9, 150_528), (10_000, 2e7, 12_288))
    ]
    fitted = model.fit(audits)
    rates = dict(zip(fitted.counted, fitted.rates, strict=True))
    assert rates == pytest.approx({"operations": 2e-11, "values": 2e-8, "once": 0.5})
    epochs = [
        {"images": n, "flops": f, "steps": s, "seconds": 0.2 + 3 * n * f / 4e10 + s * 1e-3}
        for n, f, s in ((500, 2e6, 5), (8000, 2e7, 80), (2000, 2e7, 200), (500, 1e9, 5))
    ]
    other = {"images": 1200, "flops": 2e8, "steps": 20}
    assert model.fit(epochs).seconds(other) == pytest.approx(0.2 + 3 * 1200 * 2e8 / 4e10 + 0.02)


def test_how_long_several_workers_take(load):
    model = load("cost_model")
    runs = [model.Job(name, work) for name, work in (("a", 40.0), ("b", 30.0), ("c", 20.0))]
    jobs = [*runs, model.Job("of a", 60.0, "a"), model.Job("of c", 1.0, "c")]
    take = {workers: model.makespan(jobs, workers, rate=10.0, start=1.0) for workers in (1, 2, 5)}
    assert take[1] == pytest.approx(151 / 10 + 5)
    assert take[5] == pytest.approx((4 + 1) + (6 + 1))  # the longest chain
    assert take[2] == pytest.approx(5 + 7)  # b and c meanwhile, on the other
    with pytest.raises(ValueError, match=r"1 jobs need others that are not there, such as 'z'"):
        model.makespan([model.Job("of z", 1.0, "z")], 1, rate=1.0, start=0.0)


def test_the_preset_paper_is_counted_run_by_run(load):
    model = load("cost_model")
    jobs = model.paper(FLOPS)
    setting = PRESETS["paper"]("cifar10")
    runs = {
        c
        for c in distinct(study.runs(setting) for study in find_studies(["all"]))
        if isinstance(c, RunConfig)
    }
    assert sum(not job.needs for job in jobs) == len(runs)
    names = {job.name for job in jobs}
    assert len(names) == len(jobs)
    assert {job.needs for job in jobs} - {""} <= names
    vanilla = next(job for job in jobs if job.name == "0" + str(setting.vanilla.resolved().to_dict()))
    whole, shown = 100 * 50_000, 100 * 9 * 60_000 + 60_000  # 9: whole, and LFC and HFC at four radii
    assert vanilla.operations == (3 * whole + shown) * 1e9
    assert len(model.paper(FLOPS, seeds=3)) == 3 * len(jobs)
    assert sum(model.shares(jobs).values()) == pytest.approx(sum(job.operations for job in jobs))


def test_operations_are_two_a_weight_and_place(load):
    counted = []

    def count(module, inputs, output):
        places = output[0, 0].numel() if output.dim() == 4 else 1
        counted.append(2 * module.weight.numel() * places)

    network = build_model("lenet", num_classes=10, seed=0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            module.register_forward_hook(count)
    network(torch.rand(1, 3, 32, 32))
    assert load("growing").flops("lenet", 32) == sum(counted)


def test_what_is_measured_has_what_the_model_needs(load, monkeypatch):
    growing, model = load("growing"), load("cost_model")
    monkeypatch.setattr(growing, "MOST", 1)
    audit = growing.audit(images=12, side=16, radii=2, network="lenet")
    assert audit["answers"] >= 12 * 5
    epoch = growing.train(images=12, side=16, batch=5, network="lenet")
    assert epoch["steps"] == 3
    for row in (audit, epoch | {"images": 12}):
        assert row["seconds"] > 0
        assert model.fit([row]).seconds(row) == pytest.approx(row["seconds"])
    assert growing.spaced(4, 32) == [4, 8, 12, 16]


def test_the_page_is_written_in_its_place(load, monkeypatch, tmp_path):
    pytest.importorskip("vl_convert")
    growth = load("growth")
    monkeypatch.setattr(growth, "FOLDER", tmp_path)
    monkeypatch.setattr(growth, "PAGE", tmp_path / "page.md")

    def row(what, settings):
        flops = {
            "lenet": 2e6,
            "resnet8": 2e7,
            "resnet14": 5e7,
            "resnet20": 8e7,
            "resnet32": 1e8,
            "resnet18": 1e9,
        }
        found = {
            "flops": flops[settings["network"]] * (settings["side"] / 32) ** 2,
            "memory": 4.0 * settings["images"] ** 0.5,
        } | settings
        if what == "audit":
            found |= {
                "answers": settings["images"] * (1 + 2 * settings["radii"]),
                "values": 3 * settings["side"] ** 2,
            }
            return found | {"seconds": found["answers"] * (found["flops"] / 5e10 + 2e-8 * found["values"])}
        found["steps"] = settings["images"] / settings["batch"]
        return found | {"seconds": 3 * settings["images"] * found["flops"] / 5e10 + 1e-3 * found["steps"]}

    found = {
        "conditions": {
            "date": "2026-01-02",
            "machine": "a machine",
            "torch": "2",
            "python": "3",
            "load": [0, 1],
        },
        "sweeps": [
            {
                "what": what,
                "along": along,
                "rows": [row(what, growth.USUAL[what] | other | {along: x}) for x in xs],
            }
            for what, along, xs, other in growth.SWEEPS
        ],
        "workers": [
            {"wall": 20.0, "seconds": 19.0, "memory": 700.0},
            {"wall": 10.0, "seconds": 20.0, "memory": 700.0},
        ],
        "read": {"images": 200, "seconds": 0.8},
        "held_out": [{"what": what, "row": row(what, settings)} for what, settings in growth.HELD_OUT],
    }
    growth.PAGE.write_text(f"before\n{growth.BEGIN}\nold\n{growth.END}\nafter\n")
    growth.write(found)
    once = growth.PAGE.read_text()
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    assert "| audit | images | 500, 8000 | 1.00 ± 0.00 | 1.00 ± 0.00 | 0.50 ± 0.00 |" in once
    assert "at 50 GFLOP/s and 20.0 ns for each value" in once
    assert "off by 0% on average and 0% at most" in once
    assert once.count(", 0% ") == 2  # both that were held out
    assert "2.00 times as fast" in once
    assert len(list(tmp_path.glob("*.png"))) == 4
    growth.write(found)
    assert growth.PAGE.read_text() == once
    growth.PAGE.write_text("no mark")
    with pytest.raises(SystemExit, match="must have a line <!-- growth: begin -->"):
        growth.write(found)


def test_numbers_are_said_with_their_units(load):
    growth = load("growth")
    assert [growth.number(x) for x in (24478976, 8.18e9, 7.8e15, 2.466e18)] == [
        "24.5 MFLOP",
        "8.18 GFLOP",
        "7.8 PFLOP",
        "2.47 EFLOP",
    ]
    assert growth.slope([1, 2, 4], [0.0, 1, 2]) == "none"
    assert [growth.hours(x) for x in (40, 600, 7200, 400_000)] == ["40 s", "10 min", "2 h", "4.6 days"]
