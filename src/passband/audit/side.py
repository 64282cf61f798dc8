"""One side of a comparison: a card, and which samples were answered right, from a folder or from an audit at hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import polars as pl

from passband.attacks.epsilon import write_epsilon
from passband.audit.attack import samples_table
from passband.audit.card import AttackEntry, AttackPoint, ClassifierCard, read_card
from passband.brief import Brief
from passband.robustness.plan import Attacked
from passband.rows import ATTACK_COLUMNS, SAMPLE_COLUMNS, read_table

AnswerTables = dict[str, pl.DataFrame]
"""By measure, which samples are right: the columns `sample` and `correct`."""


@runtime_checkable
class Audited(Protocol):
    """What `passband.audit` returns, as far as it is compared."""

    @property
    def card(self) -> ClassifierCard:
        """The card."""
        ...

    @property
    def samples(self) -> pl.DataFrame:
        """Samples and conditions, with the columns `SAMPLE_COLUMNS`."""
        ...

    @property
    def attacks(self) -> tuple[Attacked, ...]:
        """What each attack found."""
        ...


@dataclass(frozen=True, eq=False)
class Side(Brief):
    """What is compared of an audit.

    Attributes:
        card: Its card.
        samples: With the columns `SAMPLE_COLUMNS`; None where they were not kept.
        attacks: With the columns `ATTACK_COLUMNS`; None likewise.
        missing: What is missing where samples are.
    """

    card: ClassifierCard
    samples: pl.DataFrame | None
    attacks: pl.DataFrame | None
    missing: str = ""

    @classmethod
    def of(cls, audit: Path | str | Audited) -> Side:
        """Return the side of an audit, or of its folder or card file.

        Raises:
            InputError: If a card or a table cannot be read.
        """
        if not isinstance(audit, Path | str):
            return cls(audit.card, audit.samples, samples_table(audit.attacks) if audit.attacks else None)
        card, folder = read_card(Path(audit)), folder_of(audit)
        samples, attacks = folder / "samples.parquet", folder / "attacks.parquet"
        return cls(
            card,
            read_table(samples, SAMPLE_COLUMNS) if samples.is_file() else None,
            read_table(attacks, ATTACK_COLUMNS) if card.attacks and attacks.is_file() else None,
            str(samples),
        )

    def answers(self, radii: list[float]) -> AnswerTables:
        """Return for each measure a table of samples and whether each is right; those of attacks where they were saved."""
        assert self.samples is not None
        table = self.samples.with_columns(correct=pl.col("prediction") == pl.col("label"))
        shown = {"clean": ("full", None)} | {f"{c}@{r:g}": (c, r) for c in ("lfc", "hfc") for r in radii}
        found = {
            measure: table.filter(
                pl.col("component") == component, pl.col("radius").eq_missing(radius)
            ).select("sample", "correct")
            for measure, (component, radius) in shown.items()
        }
        if self.card.clean.top5 is not None:
            whole = table.filter(pl.col("component") == "full")
            found["top5"] = whole.select("sample", correct=pl.col("rank") <= 5)
        if self.attacks is not None:
            for attack, point in under_attack(self.card):
                found[f"{attack.measure}@{write_epsilon(point.epsilon)}"] = self.attacks.filter(
                    pl.col("attack") == attack.label,
                    pl.col("norm") == attack.norm,
                    pl.col("epsilon") == point.epsilon,
                ).select("sample", correct="robust")
        return found


def under_attack(card: ClassifierCard) -> Iterator[tuple[AttackEntry, AttackPoint]]:
    """Yield each attack of a card with each of its epsilons' results."""
    for attack in card.attacks:
        for point in attack.points:
            yield attack, point


def folder_of(audit: Path | str) -> Path:
    """Return the folder of an audit that is named by it, or by its card file."""
    path = Path(audit)
    return path if path.is_dir() else path.parent
