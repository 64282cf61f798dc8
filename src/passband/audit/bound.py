"""The right-hand side of a requirement: a relation to a number, which a value or the end of its interval stands in.

`>= 0.8` is about the value; `>= 0.8 at 95%` is about the end of its 95% interval that is the worse one: the lower end must be at
least 0.8, as the upper end must be at most 0.1 for `<= 0.1 at 95%`.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from fractions import Fraction

from passband.errors import InputError

RELATIONS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
STRICTLY = {">=": ">", "<=": "<"}
LEVEL = 95
"""Percent that the intervals of audits cover; `passband.stats.CONFIDENCE`, which loads more than a refusal needs."""

NUMBER = r"\d+(?:\.\d*)?|\.\d+"
BOUND = (
    rf"(?P<relation>>=|<=|>|<)\s*(?P<bound>-?(?:{NUMBER})(?:/(?:{NUMBER}))?)\s*(?P<percent>%)?\s*"
    rf"(?:\bat\s+(?P<level>{NUMBER})\s*%\s*)?"
)
"""What a requirement's pattern ends with."""

DROP = "-drop"


@dataclass(frozen=True)
class Range:
    """Between which numbers a measure lies; `open_` where the end of an interval never reaches them."""

    lowest: float
    highest: float
    open_: bool = False

    @property
    def of_share(self) -> bool:
        """Whether it is a fraction of 1, or what is lost of one."""
        return self.highest == 1


def read_bound(match: re.Match[str], measure: str, within: Range) -> tuple[str, float, bool]:
    """Return relation, number, and whether the end of the interval counts, of a requirement that was matched.

    Args:
        match: By a pattern that ends with `BOUND`.
        measure: What it is about, for messages.
        within: Between which numbers that lies.

    Raises:
        InputError: If the number divides by zero, is written in percent, is one that no value meets or every value, or another
            interval is meant than those that there are.
    """
    text = match.string.strip()
    if match["level"] is not None and float(match["level"]) != LEVEL:
        raise InputError(
            f"intervals are those of {LEVEL}%, and there are no others: write 'at {LEVEL}%', got {text!r}"
        )
    relation, sure = match["relation"], match["level"] is not None
    bound = parse_number(match["bound"], text)
    if match["percent"]:
        raise InputError(
            f"a requirement has the form MEASURE RELATION NUMBER, and no percent: write {_over_100(match, bound)!r}, got {text!r}"
        )
    ends = within.lowest, within.highest
    reached = STRICTLY.get(relation, relation) if sure and within.open_ else relation
    none = not any(RELATIONS[reached](end, bound) for end in ends)
    every = "<" in relation and all(
        RELATIONS[relation](end, bound) for end in ends
    )  # `>= 0` asks for the value
    if none or every:
        which = "every" if every else "no"
        lies = f"{measure} lies between {within.lowest:g} and {within.highest:g}"
        if sure and within.open_ and 0 <= bound <= 1:
            lies += ", and no interval of it reaches these ends"
        meant = ""
        if within.of_share and 1 <= abs(bound) <= 100 and bound != within.lowest:
            meant = (
                f" {abs(bound):g} percent are {abs(bound) / 100:g}: did you mean {_over_100(match, bound)!r}?"
            )
        raise InputError(f"{which} number meets {text!r}: {lies}.{meant}")
    return relation, bound, sure


def parse_number(text: str, requirement: str) -> float:
    """Return a number, or a fraction such as `8/255`, of a requirement.

    Raises:
        InputError: If it divides by zero.
    """
    numerator, _, denominator = text.partition("/")
    try:
        return float(Fraction(numerator) / Fraction(denominator or "1"))
    except ZeroDivisionError as error:
        raise InputError(f"{text} divides by zero in {requirement!r}") from error


def _over_100(match: re.Match[str], bound: float) -> str:
    """Return a requirement that was written in percent as a fraction of 1."""
    end = match.end("percent") if match["percent"] else match.end("bound")
    return f"{match.string[: match.start('bound')]}{bound / 100:g}{match.string[end:]}".strip()
