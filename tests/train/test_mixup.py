from __future__ import annotations

import pytest
import torch

from passband.train.mixup import mixup, sample_mixup


def test_it_is_the_formula_image_by_image():
    images, targets = torch.rand(5, 3, 4, 4), torch.eye(5)
    order = torch.tensor([3, 2, 1, 0, 4])
    blend, soft = mixup(images, targets, 0.7, order)
    for index, partner in enumerate(order.tolist()):
        torch.testing.assert_close(blend[index], 0.7 * images[index] + 0.3 * images[partner])
        torch.testing.assert_close(soft[index], 0.7 * targets[index] + 0.3 * targets[partner])
    torch.testing.assert_close(soft.sum(1), torch.ones(5))


def test_weight_one_changes_nothing_and_weight_zero_gives_the_partners():
    images, targets, order = torch.rand(4, 1, 2, 2), torch.eye(4), torch.tensor([1, 2, 3, 0])
    assert torch.equal(mixup(images, targets, 1.0, order)[0], images)
    assert torch.equal(mixup(images, targets, 0.0, order)[1], targets[order])


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0, 5.0])
def test_weights_have_the_moments_of_the_beta_distribution(alpha):
    generator = torch.Generator().manual_seed(0)
    weights = torch.tensor([sample_mixup(3, alpha, generator)[0] for _ in range(4000)])
    assert 0 <= weights.min() <= weights.max() <= 1
    assert weights.mean().item() == pytest.approx(0.5, abs=0.03)
    assert weights.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.1)


def test_partners_are_a_permutation_drawn_from_the_generator():
    before = torch.get_rng_state()
    draws = [sample_mixup(20, 0.5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(draws[0][1].sort().values, torch.arange(20))
    assert draws[0][0] == draws[1][0] != draws[2][0]
    assert torch.equal(draws[0][1], draws[1][1])
    assert not torch.equal(draws[0][1], draws[2][1])
    assert torch.equal(torch.get_rng_state(), before)
