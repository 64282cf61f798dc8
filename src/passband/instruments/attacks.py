"""Accuracy under an attack, as an instrument: what is left at each epsilon, and which frequencies the attack used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from jaxtyping import Int64
from torch import Tensor

from passband.attacks import PGD, Attack
from passband.environment import choose_device
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.instrument import Cost, Instrument, Reading, Subject
from passband.instruments.sharded import Shard, Sharded
from passband.robustness.evaluate import (
    AttackOutcome,
    SeenAttack,
    attack_batch_size,
    attack_rows,
    checked_epsilons,
    joined_outcome,
    look_under_attack,
)
from passband.robustness.plan import Attacked, AttackPlan, check_plans, concluded, named
from passband.robustness.sanity import MORE, QUERIES
from passband.rows import RobustnessRow

USUAL = PGD()

WITHSTAND = 0.1
"""The share of images that is taken to withstand an attack, beyond the first epsilon, where its cost is estimated."""

BROKEN_AFTER = 4
"""How many gradients an attack of several steps takes for an image that it breaks, about."""


@dataclass(frozen=True, eq=False)
class RobustnessReading(Reading):
    """What an attack left of a network's accuracy.

    Attributes:
        attacked: Sample by sample, with the sanity report and some examples.
        subject: What was attacked.
    """

    attacked: Attacked
    subject: Subject

    def rows(self) -> Iterator[RobustnessRow]:
        """Yield accuracy at each epsilon, for each class too, and where the perturbations' energy lies."""
        subject = self.subject
        yield from attack_rows(self.attacked.outcome, subject.dataset, run=subject.run, seed=subject.run_seed)


@dataclass(frozen=True)
class UnderAttack(Instrument[RobustnessReading]):
    """One attack, as far as each of several epsilons.

    Attributes:
        attack: The attack and its settings.
        epsilons: Bounds on the perturbation, on the [0, 1] pixel scale, in the attack's norm.
        samples: How many of the subject's samples are attacked, the first ones; None takes all.
        sanity_samples: How many of them the sanity report rests on; 0 leaves it out.

    Raises:
        InputError: As `AttackPlan`.

    Example:
        >>> UnderAttack(PGD(steps=5)).to_dict()["epsilons"]
        [0.03, 0.06, 0.09]
    """

    name, summary, source, needs_gradient = INSTRUMENTS.lines["attacks"]

    attack: Attack = USUAL
    epsilons: tuple[float, ...] = (0.03, 0.06, 0.09)  # those of Table 2
    samples: int | None = None
    sanity_samples: int = 100

    def __post_init__(self) -> None:
        """Refuse what cannot be planned, and make equal ones equal."""
        plan = self.plan
        object.__setattr__(self, "attack", plan.attack)
        object.__setattr__(self, "epsilons", plan.epsilons)

    @classmethod
    def of(cls, plan: AttackPlan) -> UnderAttack:
        """Return the instrument that runs a plan."""
        return cls(plan.attack, plan.epsilons, plan.samples, plan.sanity_samples)

    @property
    def plan(self) -> AttackPlan:
        """The same as a plan."""
        return AttackPlan(self.attack, self.epsilons, self.samples, self.sanity_samples)

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return the cost of the attack and of its checks: see `cost_of` and `cost_of_checks`."""
        attack, checks = cost_of(self.plan, samples), cost_of_checks(self.plan, samples)
        return Cost(attack.gradients + checks.gradients, attack.answers + checks.answers)

    def sharded(self, subject: Subject) -> tuple[Instrument, ...]:
        """Return the attack alone."""
        return (AttackSearch.of(self.plan),)

    def measure(self, subject: Subject) -> RobustnessReading:
        """Attack the network, check the attack, and keep some examples."""
        return RobustnessReading(attack(subject, self.plan), subject)

    def check(self, subject: Subject) -> None:
        """Refuse an attack that does not fit network and data."""
        check_plans([self.plan], subject.model, subject.dataset)


@dataclass(frozen=True, eq=False)
class FoundOutcome(Reading):
    """What an attack left of a network's accuracy, sample by sample."""

    outcome: AttackOutcome
    subject: Subject

    def rows(self) -> Iterator[RobustnessRow]:
        """Yield accuracy at each epsilon, for each class too, and where the perturbations' energy lies."""
        subject = self.subject
        yield from attack_rows(self.outcome, subject.dataset, run=subject.run, seed=subject.run_seed)


@dataclass(frozen=True)
class AttackSearch(Sharded[SeenAttack, FoundOutcome]):
    """One attack alone, without checks and examples, which look at few images: `UnderAttack` adds these.

    Attributes:
        attack: As of `UnderAttack`.
        epsilons: Likewise.
        samples: Likewise.
        keep_images: Whether the images that samples were left with are kept.
    """

    seen = SeenAttack
    name, summary, source, needs_gradient = INSTRUMENTS.lines["attacks"]

    attack: Attack
    epsilons: tuple[float, ...]
    samples: int | None
    keep_images: bool = False

    @classmethod
    def of(cls, plan: AttackPlan, *, keep_images: bool = False) -> AttackSearch:
        """Return the search that a plan asks for."""
        return cls(plan.attack, plan.epsilons, plan.samples, keep_images)

    @property
    def stage(self) -> str:
        """What its progress is called."""
        return f"attack: {self.attack.label}"

    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return the cost of the attack: see `cost_of`."""
        return cost_of(AttackPlan(self.attack, self.epsilons, self.samples), samples)

    def check(self, subject: Subject) -> None:
        """Refuse an attack that does not fit the images."""
        checked_epsilons(self.epsilons, self.attack, subject.dataset)

    def visited(self, subject: Subject) -> Int64[Tensor, " visited"]:
        """Return the first samples, as many as are attacked."""
        return subject.samples[: self.samples]

    def together(self, subject: Subject) -> int:
        """Return how many samples are attacked at a time."""
        return attack_batch_size(subject.batch_size, subject.dataset, choose_device(subject.device))

    def look(self, subject: Subject, shard: Shard) -> SeenAttack:
        """Attack the samples of a shard."""
        return look_under_attack(
            subject.model,
            subject.dataset,
            self.attack,
            self.epsilons,
            shard.samples,
            batch_size=subject.batch_size,
            device=subject.device,
            seed=subject.seed,
            keep_images=self.keep_images,
            progress=named(subject.progress, self.attack.label),
        )

    def join(self, subject: Subject, seen: Iterable[SeenAttack]) -> FoundOutcome:
        """Return the outcome on all samples."""
        return FoundOutcome(joined_outcome(self.attack, self.epsilons, seen), subject)


def attack(subject: Subject, plan: AttackPlan, *, keep_images: bool = False) -> Attacked:
    """Run an attack, check it, and keep some examples.

    Args:
        subject: What is attacked.
        plan: The attack.
        keep_images: Whether the outcome holds all adversarial images.
    """
    outcome = subject.read(AttackSearch.of(plan, keep_images=keep_images)).outcome
    return concluded(
        subject.model,
        subject.dataset,
        plan,
        outcome,
        batch_size=subject.batch_size,
        device=subject.device,
        seed=subject.seed,
        progress=subject.progress,
    )


def cost_of(plan: AttackPlan, samples: int) -> Cost:
    """Return what a plan asks for, if all images withstand the first epsilon, and one in ten each other; checks aside."""
    attacked = min(samples, plan.samples or samples)
    gradients, answers = plan.attack.effort
    ascent = plan.attack.ascent
    if ascent is None:  # what it breaks costs little beside what it does not
        withstanding = WITHSTAND * attacked * len(plan.epsilons)
        return Cost(withstanding * gradients, withstanding * answers + attacked)
    if ascent.steps == 1 and not ascent.random_start:  # its last point is answered without a gradient
        return Cost(attacked * gradients, attacked * (1 + len(plan.epsilons)))
    # The last answer comes with a gradient. Between, an image that is broken goes on to its next epsilon at once.
    whole = gradients + 1
    later = WITHSTAND * whole + (1 - WITHSTAND) * min(BROKEN_AFTER, whole)
    return Cost(attacked * (whole + (len(plan.epsilons) - 1) * later), attacked)


def cost_of_checks(plan: AttackPlan, samples: int) -> Cost:
    """Return what the sanity report of a plan asks for, if all images withstand until the last step or query.

    Its steps of gradient ascent are taken once, five times as many, and alone; once more at a larger epsilon. At one that
    allows any image, images break soon.
    """
    checked = min(plan.sanity_samples, samples, plan.samples or samples)
    steps = plan.attack.iterated.steps
    return Cost(checked * (1 + (MORE + 2) * steps + BROKEN_AFTER), checked * QUERIES)
