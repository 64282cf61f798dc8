"""How a claim is decided: on which side of a margin the whole interval of an estimate lies.

The paper gives no margins, so they are ours: "better", "more" and "smaller" mean more than `ANY`, "much more" means
more than `MUCH`, and "similar", "on par" and "invariant" mean nearer than `SIMILAR`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from passband.analysis.estimate import Estimate, Evidence
from passband.stats import CONFIDENCE

ANY, SIMILAR, MUCH = 0.0, 0.05, 0.10
"""Margins, as differences of accuracies."""

Side = Literal["supported", "contradicted", "undecided"]


@dataclass(frozen=True)
class Rule:
    """On which side of a margin the whole interval must lie."""

    side: Literal["above", "below"]
    margin: float

    def decide(self, estimate: Estimate) -> Side:
        """Return what an estimate says about the claim."""
        if estimate.low > self.margin:
            return "supported" if self.side == "above" else "contradicted"
        if estimate.high < self.margin:
            return "supported" if self.side == "below" else "contradicted"
        return "undecided"

    def holds(self, value: float) -> bool:
        """Return whether a number lies on the side, or at the margin."""
        return value >= self.margin if self.side == "above" else value <= self.margin

    def p_value(self, evidence: Evidence) -> float:
        """Return the smallest share of wrong intervals at which the rule would decide; 1 where it never does.

        It is at most 0.05 where the 95% interval decides, and greater where it does not. Found by halving, to within a thousandth of
        itself.
        """

        def decides(alpha: float) -> bool:
            return self.decide(evidence(1 - alpha)) != "undecided"

        low, high = LEAST_ALPHA, MOST_ALPHA
        if not decides(high):
            return 1.0
        if decides(low):
            return low
        middle = 1 - CONFIDENCE  # the first step, so that no rounding parts a p-value from its verdict
        while high > 1.001 * low:
            low, high = (low, middle) if decides(middle) else (middle, high)
            middle = (low * high) ** 0.5
        return high

    def __str__(self) -> str:
        """Return the rule as a sentence."""
        other = "below" if self.side == "above" else "above"
        return (
            f"supported if the whole {CONFIDENCE:.0%} interval lies {self.side} {self.margin:g}, "
            f"contradicted if the whole interval lies {other} it, else undecided"
        )


LEAST_ALPHA, MOST_ALPHA = 1e-9, 0.999
"""Between these p-values are looked for; smaller ones count as the least."""
