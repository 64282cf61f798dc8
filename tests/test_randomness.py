from __future__ import annotations

import torch

from passband.randomness import derive_seed, generator_for


def test_every_purpose_has_numbers_of_its_own():
    purposes = [("order", epoch) for epoch in range(50)] + [("dropout", epoch, 0) for epoch in range(50)]
    purposes += [("labels",), ("order", 1, 1), ("order", "1")]
    seeds = {derive_seed(seed, *purpose) for seed in (0, 1, 2**63 - 1) for purpose in purposes}
    assert len(seeds) == 3 * len(purposes)
    assert all(0 <= seed < 2**60 for seed in seeds)


def test_seeds_are_the_same_on_every_machine():
    assert derive_seed(0, "order", 1) == 126878497307832138  # written down once


def test_generators_are_fresh():
    first, second = (torch.rand(3, generator=generator_for(4, "order", 2)) for _ in range(2))
    assert torch.equal(first, second)
