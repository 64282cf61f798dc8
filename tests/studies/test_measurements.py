"""The measurements of the studies, on a small network whose right answers are known."""

import pytest
import torch
from torch import nn

from helpers import Memory, noise
from passband.attacks import FGSM, PGD, AutoAttack
from passband.errors import InputError
from passband.frequency.component import Low
from passband.instruments.instrument import Subject
from passband.instruments.kernels import KernelRoughness, jackknife_errors, measures
from passband.instruments.pairs import LowPassCounterexamples, bounds
from passband.kernels import roughness, smooth_kernel
from passband.models.catalog import build_model
from passband.models.pixels import PixelModel
from passband.robustness.plan import AttackPlan
from passband.studies.smoothed_robustness import SmoothedRobustness

DATA = noise(180, size=(8, 8))  # nearly as many as pixels, so that its answers are unsure
EPSILONS = (3e-3, 1e-2)


def plans(samples: int = 20, few: int | None = 10, largest: tuple[float, ...] = EPSILONS):
    three = ((FGSM(), EPSILONS, samples), (PGD(steps=3), EPSILONS, samples), (AutoAttack(), largest, few))
    return tuple(AttackPlan(*plan, sanity_samples=0) for plan in three)


def finished(network: nn.Module | None = None) -> Subject:
    """Return a network whose first layer does nothing and whose second one knows its test images by heart."""
    if network is None:
        first = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        first.weight.data.copy_(nn.init.dirac_(first.weight.data))
        network = nn.Sequential(first, Memory(DATA))
    return Subject(PixelModel(network, name="memory"), DATA, "run", run_seed=2, seed=2, device="cpu")


def measured(rows) -> dict:
    return {
        (row.metric, row.attack, row.epsilon, row.rho, row.normalized): (row.value, row.count)
        for row in rows
        if row.class_name is None and row.radius is None
    }


def test_a_smoothed_network_has_all_attacks_and_the_ceiling(monkeypatch):
    seen = []

    def helpless(self, model, images, labels, epsilon, **settings):
        seen.append(len(images))
        return images

    monkeypatch.setattr(AutoAttack, "run", helpless)
    found = measured(SmoothedRobustness(0.0, False, plans()).measure(finished()).rows())
    for normalized in (False, True):  # the same network
        for attack, count in (("FGSM", 20), ("PGD-3", 20), ("AutoAttack", 10)):
            clean = found["robust-accuracy", attack, 0.0, 0.0, normalized]
            assert clean == (1, count)
            values = [found["robust-accuracy", attack, e, 0.0, normalized][0] for e in EPSILONS]
            assert 1 >= values[0] > values[1] >= 0
        assert found["accuracy-ceiling", None, 1e-2, 0.0, normalized] == (1, 20)
    few = [found["robust-accuracy", "AutoAttack", e, 0.0, False][0] * 10 for e in EPSILONS]
    assert seen == [round(count) for count in few if count]  # it sees what PGD left, and nothing else


def test_autoattack_is_never_stronger_than_its_images_allow_nor_weaker_than_pgd():
    found = measured(SmoothedRobustness(0.0, False, plans()).measure(finished()).rows())
    pgd = measured(
        SmoothedRobustness(0.0, False, plans(10)).measure(finished()).rows()
    )  # on the images of AutoAttack
    for epsilon in EPSILONS:
        ensemble = found["robust-accuracy", "AutoAttack", epsilon, 0.0, False][0]
        assert ensemble <= pgd["robust-accuracy", "PGD-3", epsilon, 0.0, False][0]


def test_autoattack_may_have_the_largest_epsilon_only():
    fewer = plans(largest=EPSILONS[1:])
    both = measured(SmoothedRobustness(0.0, False, plans()).measure(finished()).rows())
    found = measured(SmoothedRobustness(0.0, False, fewer).measure(finished()).rows())
    assert both.keys() - found.keys() == {
        ("robust-accuracy", "AutoAttack", EPSILONS[0], 0.0, normalized) for normalized in (False, True)
    }
    key = ("robust-accuracy", "AutoAttack", EPSILONS[1], 0.0, False)
    assert found[key][1] == both[key][1] == 10
    for wrong in (EPSILONS[:1], (*EPSILONS, 0.5)):
        with pytest.raises(InputError, match="the largest among them"):
            SmoothedRobustness(0.0, False, plans(largest=wrong))


def test_autoattack_on_all_samples_follows_the_pgd_that_was_measured(monkeypatch):
    monkeypatch.setattr(AutoAttack, "run", lambda self, model, images, labels, epsilon, **settings: images)
    for three in (plans(10), plans(10, None)):
        found = measured(SmoothedRobustness(0.0, False, three).measure(finished()).rows())
        for epsilon in EPSILONS:  # a helpless AutoAttack leaves what PGD has left
            left = [found["robust-accuracy", a, epsilon, 0.0, False] for a in ("PGD-3", "AutoAttack")]
            assert left[0] == left[1]
            assert left[0][1] == 10


def test_smoothing_and_its_control_are_told_apart():
    smooth = measured(SmoothedRobustness(1.0, False, plans()).measure(finished()).rows())
    assert {key[3:] for key in smooth} == {(1.0, False)}
    control = measured(SmoothedRobustness(1.0, True, plans()).measure(finished()).rows())
    assert {key[3:] for key in control} == {(1.0, True)}
    clean = ("robust-accuracy", "FGSM", 0.0, 1.0)
    assert smooth[(*clean, False)] == control[(*clean, True)]  # a linear network: scale is all one
    assert smooth[(*clean, False)][0] < 1


def test_kernel_rows_hold_roughness_and_its_error():
    network = build_model("resnet8", width=6, num_classes=4, seed=0)
    rows = list(KernelRoughness((0.0, 1.0)).measure(finished(network)).rows())
    weight = network.stem.weight.detach()
    for rho in (0.0, 1.0):
        values = {row.metric: row.value for row in rows if row.rho == rho}
        kernels = smooth_kernel(weight, rho)
        assert values["roughness"] == roughness(kernels).difference
        assert values["kernel-high-frequency"] == roughness(kernels).high_frequency
    before, after = ({row.metric: row for row in rows if row.rho == rho} for rho in (0.0, 1.0))
    for name in ("roughness", "kernel-high-frequency"):
        assert after[f"{name}-removed"].value == before[name].value - after[name].value > 0
        unpaired = (before[name].error ** 2 + after[name].error ** 2) ** 0.5
        assert 0 < after[f"{name}-removed"].error != unpaired  # the kernels are the same ones
    assert {(row.subset, row.count) for row in rows} == {(None, 6)}


def as_trained(weight: torch.Tensor) -> dict[str, float]:
    return measures(weight, 0.0)


def test_the_jackknife_has_the_spread_of_drawn_layers():
    draw = torch.Generator().manual_seed(0)
    layers = [torch.randn(40, 1, 3, 3, generator=draw) for _ in range(60)]
    spread = torch.tensor([roughness(layer) for layer in layers]).std(dim=0)
    errors = torch.tensor([list(jackknife_errors(as_trained, layer).values()) for layer in layers[:10]]).mean(
        dim=0
    )
    torch.testing.assert_close(errors, spread, rtol=0.25, atol=0)
    same = jackknife_errors(as_trained, layers[0][:1].expand(5, 1, 3, 3))
    assert max(same.values()) < 1e-6


def test_a_layer_of_one_filter_has_no_error():
    network = build_model("lenet", width=1, num_classes=4, in_channels=3, seed=0)
    rows = list(KernelRoughness((0.0,)).measure(finished(network)).rows())
    assert [row.metric for row in rows] == ["roughness", "kernel-high-frequency"]


def test_counterexamples_are_counted_by_radius_and_distance():
    rows = list(LowPassCounterexamples((2, 3)).measure(finished()).rows())
    for radius in (2.0, 3.0):
        own = [row for row in rows if row.component == Low(radius)]
        whole = {row.metric: row for row in own if row.norm is None}
        share = whole["counterexamples"]
        assert share.count == 180
        assert whole["counterexamples-right"].value == share.value  # this network is right on all images
        assert whole["counterexamples-verified"].value == 1
        assert whole["counterexamples-verified"].count == round(180 * share.value) > 0
        for norm in ("l2", "linf"):
            within = [row for row in own if row.norm == norm and row.epsilon is not None]
            assert [row.epsilon for row in within] == bounds(norm, 192)
            values = [row.value for row in within]
            assert values == sorted(values)
            assert values[0] < values[-1] <= share.value
            (median,) = (
                row.value for row in own if row.metric == "counterexample-distance" and row.norm == norm
            )
            reached = [row.value for row in within if row.epsilon >= median]
            assert all(value >= share.value / 2 for value in reached)
