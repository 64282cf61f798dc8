"""Adversarial examples: images that a model gets wrong, within a bound around images that it gets right.

Pixels are on the [0, 1] scale, and so is epsilon. The model is seen in evaluation mode, and left as it was: mode,
weights, gradients and running statistics.
"""

from passband.attacks.gradient import fgsm as fgsm
from passband.attacks.gradient import pgd as pgd
from passband.attacks.library import autoattack as autoattack
from passband.attacks.settings import Attack as Attack
from passband.attacks.settings import Band as Band
