"""Adversarial examples: images that a model gets wrong, within a bound around images that it gets right.

Pixels are on the [0, 1] scale, and so is epsilon. The model is seen in evaluation mode, and left as it was: mode,
weights, gradients and running statistics.
"""

from passband.attacks.attack import FGSM as FGSM
from passband.attacks.attack import PGD as PGD
from passband.attacks.attack import Attack as Attack
from passband.attacks.gradient import fgsm as fgsm
from passband.attacks.gradient import pgd as pgd
from passband.attacks.library import AutoAttack as AutoAttack
from passband.attacks.library import autoattack as autoattack
