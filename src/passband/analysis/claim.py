"""Claims of the paper, and questions of ours: a sentence, what it means in rows, what must hold, and how it is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from passband.analysis.measures import Measure, evidence_by
from passband.analysis.rule import Rule
from passband.stats import CONFIDENCE

SEEDS = 3
"""A verdict needs at least so many runs of each method: two networks that differ in their seed alone differ by more than their samples
say."""


@dataclass(frozen=True)
class Condition:
    """What must hold for an experiment to test a claim, told from the same rows.

    Attributes:
        text: What must hold, as a sentence.
        measure: What is looked at.
        rule: On which side of a margin it must lie.
        remedy: What would test the claim where it does not hold.
        surely: Whether the whole interval must lie there, as of a difference that has to exist; otherwise the estimate must.
    """

    text: str
    measure: Measure
    rule: Rule
    remedy: str
    surely: bool = False

    def unmet(self, rows: pl.DataFrame) -> str:
        """Return why it does not hold, and what would help; empty where it does.

        Raises:
            InputError: If rows are missing.
        """
        found = evidence_by(self.measure, rows)(CONFIDENCE)
        holds = self.rule.decide(found) == "supported" if self.surely else self.rule.holds(found.value)
        if holds:
            return ""
        size = f"{found.value:.3f}"
        if self.surely:
            size += f" [{found.low:.3f}, {found.high:.3f}]"
        return f"{self.text}: it is {size}, and not {self.rule.side} {self.rule.margin:g}. What would test it: {self.remedy}"


@dataclass(frozen=True)
class Claim:
    """A sentence of the paper, or a question of ours, that can turn out wrong.

    Attributes:
        sentence: As the paper has it; a question of ours as the statement that is tested.
        hypothesis: What that means in rows.
        measure: Takes the rows of a study (see `passband.results.tables.read_runs`) and returns the evidence.
        rule: How the evidence decides.
        asked_by: Whose claim it is: the paper's, or passband's own.
        conditions: What must hold for the experiment to test it.
        seeds: How many seeds a verdict needs; 1 only of networks that are published, and not of a way to train them.
    """

    sentence: str
    hypothesis: str
    measure: Measure
    rule: Rule
    asked_by: Literal["paper", "passband"] = "paper"
    conditions: tuple[Condition, ...] = ()
    seeds: int = SEEDS

    @property
    def quoted(self) -> str:
        """The sentence as a reader should see it: quoted, or marked as ours."""
        return f"“{self.sentence}”" if self.asked_by == "paper" else f"Ours, not the paper's: {self.sentence}"
