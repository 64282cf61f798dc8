from __future__ import annotations

import pytest
import torch
from torch import nn

from passband.attacks import PGD, AutoAttack, pgd
from passband.errors import InputError, UnknownNameError
from passband.train.adversarial import Adversary


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
    shown = Adversary(0.1, PGD(steps=3, random_start=False)).run(Dark(), images, labels)
    assert shown.isfinite().all()
    assert torch.equal(shown[0], images[0])
    assert not torch.equal(shown[1:], images[1:])


def test_it_is_pgd_with_steps_on_the_scale_of_pixels():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(36, 4))
    images, labels = torch.rand(5, 1, 6, 6), torch.tensor([0, 1, 2, 3, 0])
    for settings, step_size in (({}, None), ({"attack_steps": 3}, None), ({"attack_step_size": 0.02}, 0.02)):
        adversary = Adversary.of_options(8 / 255, **settings)
        assert adversary is not None
        steps = settings.get("attack_steps", 10)
        shown = adversary.run(network, images, labels, torch.Generator().manual_seed(1))
        step_size = 2.5 * (8 / 255) / steps if step_size is None else step_size
        draws = torch.Generator().manual_seed(1)
        plain = pgd(network, images, labels, 8 / 255, steps=steps, step_size=step_size, generator=draws)
        assert torch.equal(shown, plain)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({}, InputError, "needs an epsilon, such as 8/255, got None"),
        ({"epsilon": True}, InputError, "needs an epsilon, such as 8/255, got True"),
        ({"epsilon": 8}, InputError, r"must be in \(0, 1\], got 8.0"),
        ({"epsilon": 0.1, "attack": {"name": "autoattack"}}, InputError, "takes PGD, got AutoAttack"),
        ({"epsilon": 0.1, "attack": {"norm": "l2"}}, InputError, "takes PGD in linf with one start"),
        ({"epsilon": 0.1, "attack": {"restarts": 2}}, InputError, "takes PGD in linf with one start"),
        ({"epsilon": 0.1, "attack": {"steps": 0}}, InputError, "steps must be a whole number"),
        ({"epsilon": 0.1, "attacks": {}}, UnknownNameError, "no setting of adversarial training named 'attacks'"),
    ],
)  # fmt: skip
def test_impossible_adversaries_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        Adversary.from_dict(settings)
    with pytest.raises(InputError, match="adversarial training takes PGD, got AutoAttack"):
        Adversary(0.1, AutoAttack())
