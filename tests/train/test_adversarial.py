from __future__ import annotations

import torch
from torch import nn

from passband.train.adversarial import attacked
from passband.train.config import RunConfig


def test_a_gradient_that_is_not_finite_trains_on_no_image_of_nan():
    torch.manual_seed(0)

    class Dark(nn.Module):
        """Pixels below one half are made black, and the square root's slope is NaN there."""

        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(36, 4)

        def forward(self, images):
            return self.linear((images * (images > 0.5)).sqrt().flatten(1))

    images, labels = torch.rand(5, 1, 6, 6), torch.tensor([0, 1, 2, 3, 0])
    images[0] = 0
    config = RunConfig("fashion-mnist", adversarial=0.1, attack_steps=3, attack_random_start=False)
    shown = attacked(Dark(), images, labels, config, torch.Generator())
    assert shown.isfinite().all()
    assert torch.equal(shown[0], images[0])
    assert not torch.equal(shown[1:], images[1:])
