"""How the learning rate changes along a run: a share of the run's rate in each of its steps."""

from __future__ import annotations

import math

from passband.choices import Schedule

WARM_UP = 0.05
"""Share of the steps in which a rate that falls afterwards rises first, so that first steps from random weights are small."""


def share_of_rate(schedule: Schedule, step: int, steps: int) -> float:
    """Return which share of its rate a run learns with in a step.

    It follows from the step alone, so that a run that goes on after an interrupt needs to remember nothing of it.

    Args:
        schedule: `"constant"` is 1 throughout. `"cosine"` rises in equal parts over the first `WARM_UP` of the steps to 1, and falls
            along half a cosine to nearly 0 in the last step.
        step: Counted from 0 over the whole run.
        steps: Those of the whole run, at least 1.

    Example:
        >>> [round(share_of_rate("cosine", step, 100), 2) for step in (0, 4, 5, 52, 99)]
        [0.2, 1.0, 1.0, 0.51, 0.0]

    Source:
        Loshchilov and Hutter 2017, SGDR, without restarts; Goyal et al. 2017 for the gradual warm-up.
    """
    if schedule == "constant":
        return 1.0
    rising = math.ceil(WARM_UP * steps)
    if step < rising:
        return (step + 1) / rising
    return (1 + math.cos(math.pi * (step - rising) / max(1, steps - rising))) / 2
