"""A study's numbers and verdicts as texts, on its page, in its Markdown and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

from passband.analysis.estimate import Estimate
from passband.analysis.judge import Judgement
from passband.analysis.table import SummaryTable


def estimate_text(judgement: Judgement) -> str:
    """Return an estimate as text, such as `0.120 [0.080, 0.160], 3 seeds`, or why there is none."""
    estimate = judgement.estimate
    if estimate is None:
        return judgement.note
    return f"{interval_text(estimate)}, {estimate.n:,} {estimate.over}"


def interval_text(estimate: Estimate) -> str:
    """Return a number with its interval, such as `0.120 [0.080, 0.160]`."""
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


AMONG_ALL = (
    "Among all claims: whether the verdict would stand if all claims of the study that have one were to be right at once (Holm), and "
    "with which p-value; of a sentence with several claims, among those too."
)


def verdict_text(judgement: Judgement) -> str:
    """Return a verdict with what is to be said of it, such as `not tested: ...` or `one seed: no verdict, which needs 3`."""
    note = judgement.note if judgement.estimate is not None else ""
    if judgement.verdict in note:
        return note
    return f"{judgement.verdict}: {note}" if note else judgement.verdict


def corrected_text(judgement: Judgement) -> str:
    """Return what is left of a verdict where it is one of many, such as `stands, p = 0.003`; empty without one."""
    if judgement.p_study is None or judgement.verdict == "undecided":
        return ""
    text = f"{'stands' if judgement.stands else 'does not stand'}, p = {judgement.p_study:.2g}"
    if judgement.p_sentence != judgement.p:
        text += f" (of its sentence {judgement.p_sentence:.2g})"
    return text


def table_in_percent(
    table: SummaryTable, cells: Mapping[str, Mapping[str, Estimate | None]]
) -> list[tuple[str, ...]]:
    """Return the lines of a filled table as texts, such as `41.2 (38)`, in parentheses what the paper prints."""
    return [
        (
            name,
            *(
                _beside(cells.get(name, {}).get(column), table.printed.get(name, {}).get(column))
                for column in table.columns
            ),
        )
        for name in (*cells, *(name for name in table.printed if name not in cells))
    ]


def _beside(found: Estimate | None, printed: float | None) -> str:
    return _percent(found) if printed is None else f"{_percent(found)} ({100 * printed:.3g})"


def _percent(estimate: Estimate | None) -> str:
    return "–" if estimate is None else f"{100 * estimate.value:.1f}"
