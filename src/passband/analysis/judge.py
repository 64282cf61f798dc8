"""What becomes of the claims of a study: each for itself, and corrected for how many there are."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import polars as pl

from passband.analysis.claim import Claim
from passband.analysis.estimate import Estimate
from passband.analysis.measures import evidence_by
from passband.analysis.rule import Side
from passband.errors import InputError
from passband.stats import CONFIDENCE, holm

Verdict = Side | Literal["not tested", "no verdict"]
"""`not tested` where the experiment cannot tell, `no verdict` where it was made too few times."""


@dataclass(frozen=True)
class Judgement:
    """What came of a claim.

    Attributes:
        claim: The claim.
        verdict: What the claim's own interval says.
        estimate: What was measured; None where rows are missing.
        note: Why there is no verdict, or why it is not tested.
        p: The smallest share of wrong intervals at which the rule decides; None without a verdict.
        p_sentence: The same, corrected for all claims of the same sentence (Holm).
        p_study: The same, corrected for all claims of the study (Holm).
    """

    claim: Claim
    verdict: Verdict
    estimate: Estimate | None = None
    note: str = ""
    p: float | None = None
    p_sentence: float | None = None
    p_study: float | None = None

    @property
    def stands(self) -> bool:
        """Whether the verdict is one also among all claims of the study."""
        return self.p_study is not None and self.p_study <= 1 - CONFIDENCE


def judge_claims(
    claims: Sequence[Claim], rows: pl.DataFrame, *, verdicts: bool = True
) -> tuple[Judgement, ...]:
    """Decide the claims of a study on its rows.

    Args:
        claims: All of them, so that they are corrected for how many they are.
        rows: See `passband.results.tables.read_runs`.
        verdicts: Whether the preset is one from which a verdict may follow.
    """
    found = [judge(claim, rows) if verdicts else _measured(claim, rows) for claim in claims]
    found = _corrected(found, "p_sentence", lambda each: (each.claim.sentence, each.claim.asked_by))
    return tuple(_corrected(found, "p_study", lambda _: None))


def judge(claim: Claim, rows: pl.DataFrame) -> Judgement:
    """Decide one claim for itself; where rows are missing, or a condition is not met, it is not tested."""
    found = None
    try:
        evidence = evidence_by(claim.measure, rows)
        found = evidence(CONFIDENCE)
        unmet = [why for condition in claim.conditions if (why := condition.unmet(rows))]
    except InputError as error:
        return Judgement(claim, "not tested", found, note=str(error))
    if unmet:
        return Judgement(claim, "not tested", found, note=" ".join(unmet))
    if found.seeds < claim.seeds:
        seeds = "one seed" if found.seeds == 1 else f"{found.seeds} seeds"
        return Judgement(claim, "no verdict", found, note=f"{seeds}: no verdict, which needs {claim.seeds}")
    return Judgement(claim, claim.rule.decide(found), found, p=claim.rule.p_value(evidence))


def _measured(claim: Claim, rows: pl.DataFrame) -> Judgement:
    """Return what was measured for a claim, of runs that are too short to say anything."""
    note = "this preset only shows that everything runs: no verdict"
    try:
        return Judgement(claim, "no verdict", evidence_by(claim.measure, rows)(CONFIDENCE), note)
    except InputError as error:
        return Judgement(claim, "no verdict", note=f"{note}. {error}")


def _corrected(
    judgements: Sequence[Judgement], name: str, group: Callable[[Judgement], Hashable]
) -> list[Judgement]:
    """Return judgements with p-values corrected among those of the same group that have one."""
    members: dict[Hashable, list[int]] = {}
    for index, each in enumerate(judgements):
        if each.p is not None:
            members.setdefault(group(each), []).append(index)
    corrected = list(judgements)
    for indices in members.values():
        p_values = [judgements[index].p or 0.0 for index in indices]
        for index, p in zip(indices, holm(p_values), strict=True):
            corrected[index] = replace(corrected[index], **{name: p})
    return corrected
