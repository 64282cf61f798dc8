"""Arithmetic that is counted, against counting by hand."""

from dataclasses import replace

import pytest

from passband.attacks import PGD
from passband.engine.flops import H100, Work, count_network, count_work
from passband.engine.probe import Probe
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig
from planned_runs import SMALL, Steps, measurement, planned


def test_lenet_is_counted_as_by_hand():
    # Two convolutions of 5x5, the first one padded, and three linear layers; two operations a product and sum.
    first = 28 * 28 * 6 * 25
    convolutions = first + 10 * 10 * 16 * 6 * 25
    linear = 400 * 120 + 120 * 84 + 84 * 10
    flops = count_network(RunConfig("x", model="lenet"), (1, 28, 28), 10)
    assert flops.answer == 2 * (convolutions + linear)
    # Back to the weights as much again, and to what went in once more, but not to the images.
    assert flops.step == 3 * flops.answer - 2 * first
    assert flops.gradient == 2 * flops.answer


def test_work_follows_from_epochs_attacks_probes_and_measurements(tmp_path):
    plain = planned("plain", SMALL, tmp_path)
    probe = Probe(radii=(2, 4), samples=None)
    work = count_work(
        [
            plain,
            planned("long", replace(SMALL, epochs=20, seed=3), tmp_path),
            planned("attacked", replace(SMALL, adversarial=Adversary(0.03, PGD(steps=9))), tmp_path),
            planned("probed", SMALL, tmp_path, probe),
            measurement("measured", Steps(2, 3), plain),
        ]
    )
    one = count_network(SMALL, (1, 16, 16), 4)
    final = 12_000 * one.answer
    assert work["plain"].flops == 100_000 * one.step + final
    assert work["long"].flops == 200_000 * one.step + final
    assert work["attacked"].flops == 100_000 * (one.step + 9 * one.gradient) + final
    asked = probe.count_answers(10, {"train": 10_000, "test": 2_000})
    assert work["probed"].flops == work["plain"].flops + asked * one.answer
    assert work["measured"] == Work(2_000 * (2 * one.gradient + 3 * one.answer), 1_000)
    assert work["plain"].steps == 10 * 1_000 + 1_200
    assert work["attacked"].steps == 10 * 10_000 + 1_200


def test_a_gpu_takes_as_long_as_it_was_measured_to_and_a_small_network_as_long_as_its_steps():
    known = count_network(RunConfig("x", model="resnet18"), (3, 32, 32), 10)
    assert H100.seconds(28_306 * known.step, steps=283.06) == pytest.approx(1.0)
    assert H100.seconds(1.0, steps=1000) == pytest.approx(2.8)
