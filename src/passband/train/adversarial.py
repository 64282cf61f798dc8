"""Adversarial training: each step is taken on adversarial examples made against the network as it is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from passband.attacks import PGD, Attack
from passband.environment import is_prompt
from passband.errors import InputError, UnknownNameError
from passband.train.settings import ADVERSARY_STEPS
from passband.types import Batch, Labels

USUAL = PGD(steps=ADVERSARY_STEPS)


@dataclass(frozen=True)
class Adversary:
    """What a network is attacked with while it is trained.

    Attributes:
        epsilon: The largest change of any pixel, on the [0, 1] scale. The paper has 8/255.
        attack: PGD in linf, with one start and all frequencies open to it.

    Raises:
        InputError: If epsilon is not in (0, 1], or it is another attack.

    Example:
        >>> Adversary(8 / 255).attack.label
        'PGD-10'

    Source:
        Madry et al. 2018; section 5.1 of the paper, epsilon 8/255. Its released code has 0.03 and 10 steps of a tenth
        of epsilon, without random start.
    """

    epsilon: float
    attack: PGD = USUAL

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not 0 < self.epsilon <= 1:
            raise InputError(
                f"adversarial is epsilon on the [0, 1] pixel scale, such as 8/255, and must be in (0, 1], "
                f"got {self.epsilon}"
            )
        if not isinstance(self.attack, PGD):
            raise InputError(f"adversarial training takes PGD, got {self.attack!r}")
        if self.attack.norm != "linf" or self.attack.restarts > 1:
            raise InputError(f"adversarial training takes PGD in linf with one start, got {self.attack}")

    def run(
        self, network: nn.Module, images: Batch, labels: Labels, generator: torch.Generator | None = None
    ) -> Batch:
        """Return what is trained on instead of `images`.

        The network is attacked in evaluation mode: dropout does not blur the gradient, and running statistics of
        BatchNorm are not those of adversarial examples twice. Where the gradient of an image is 0 or NaN, the image stays
        where the attack had come to, so that the loss is never taken of pixels that are none.

        Args:
            network: The network in training.
            images: Pixels in [0, 1], as all are that a run is trained on (`RunConfig` refuses others): only a prompt device,
                such as a CPU, is asked again.
            labels: What they are trained to be, shuffled or not.
            generator: Draws the random start, on the device of the images.
        """
        trusted = not is_prompt(images.device)
        return self.attack.run(network, images, labels, self.epsilon, generator=generator, trusted=trusted)

    def resolved(self) -> Adversary:
        """Return the same with the attack's defaults spelled out."""
        return Adversary(self.epsilon, self.attack.resolved())

    def to_dict(self) -> dict[str, Any]:
        """Return epsilon and attack as JSON holds them; `from_dict` reads them back."""
        return {"epsilon": self.epsilon, "attack": self.attack.to_dict()}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Adversary:
        """Return what `to_dict` wrote.

        Raises:
            UnknownNameError: If `settings` has a key that is none.
            InputError: If a value is missing, has the wrong type or is impossible.
        """
        for name in settings:
            if name not in ("epsilon", "attack"):
                raise UnknownNameError("setting of adversarial training", name, ("epsilon", "attack"))
        epsilon = settings.get("epsilon")
        if isinstance(epsilon, bool) or not isinstance(epsilon, int | float):
            raise InputError(f"adversarial training needs an epsilon, such as 8/255, got {epsilon!r}")
        attack = Attack.from_dict(settings.get("attack", {"steps": ADVERSARY_STEPS}))
        if not isinstance(attack, PGD):
            raise InputError(f"adversarial training takes PGD, got {attack.label}")
        return cls(float(epsilon), attack)

    @classmethod
    def of_options(
        cls,
        epsilon: float | None,
        *,
        attack_steps: int = ADVERSARY_STEPS,
        attack_step_size: float | None = None,
        attack_random_start: bool = True,
    ) -> Adversary | None:
        """Return what `passband train` describes with four options; None without an epsilon.

        Args:
            epsilon: On the [0, 1] scale.
            attack_steps: Of PGD.
            attack_step_size: Length of one on the [0, 1] scale; None is 2.5 * epsilon / steps.
            attack_random_start: Whether PGD starts anywhere in the ball, and not at the image.

        Raises:
            InputError: If a value is impossible.
        """
        if isinstance(attack_steps, bool) or not isinstance(attack_steps, int) or attack_steps < 1:
            raise InputError(f"attack_steps must be a whole number of at least 1, got {attack_steps!r}")
        if attack_step_size is not None and not 0 < attack_step_size < math.inf:
            raise InputError(f"attack_step_size must be positive, such as 0.01, got {attack_step_size}")
        if epsilon is None:
            return None
        plain = cls(epsilon)  # refuses an epsilon that nothing can be divided by
        share = None if attack_step_size is None else attack_step_size / epsilon
        return replace(
            plain, attack=PGD(steps=attack_steps, step_share=share, random_start=attack_random_start)
        )
