"""Table 2: what smoothing the first layer's kernels does to accuracy under attacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from passband.analysis.claim import Claim, Condition
from passband.analysis.contrast import Contrast, under_attack
from passband.analysis.figure import Curve, Figure, Panel, shades
from passband.analysis.measures import greatest_of, least_of
from passband.analysis.rule import ANY, MUCH, SIMILAR, Rule
from passband.analysis.table import SummaryTable
from passband.attacks import FGSM, PGD, AutoAttack
from passband.instruments.instrument import Instrument
from passband.robustness.plan import AttackPlan
from passband.studies.catalog import STUDIES
from passband.studies.conditions import learned, more_than, robust_under
from passband.studies.deviations import Deviation
from passband.studies.figure5_heuristics import adversarial_deviations, natural_and_adversarial
from passband.studies.presets import Preset, Setting
from passband.studies.smoothed_robustness import SmoothedRobustness
from passband.studies.study import Study

LABELS = ("natural", "adversarial")

RHOS: dict[Preset, tuple[float, ...]] = {
    "smoke": (0.0, 1.0),
    "laptop": (0.0, 0.1, 0.25, 0.5, 1.0),
    "paper": (0.0, 0.1, 0.25, 0.5, 1.0),
}
"""How much the first layer's kernels are smoothed, ascending from 0."""

EPSILONS = (0.03, 0.06, 0.09)

ONE_STEP, MANY_STEPS, STRONGEST = FGSM(), PGD(steps=20), AutoAttack()
"""What finished networks are attacked with; PGD has twice the steps of that in training."""


def find_plans(setting: Setting) -> tuple[AttackPlan, AttackPlan, AttackPlan]:
    """Return FGSM, PGD and AutoAttack as both networks have them; the released code attacks 100 images."""
    pgd = PGD(steps=3) if setting.preset == "smoke" else MANY_STEPS
    samples, few = {"smoke": (20, 2), "laptop": (1_000, 200), "paper": (None, 1_000)}[setting.preset]
    if setting.source == "code":
        samples = min(samples or 100, 100)
    largest = EPSILONS if setting.preset == "paper" else EPSILONS[-1:]
    return (
        AttackPlan(ONE_STEP, EPSILONS, samples, sanity_samples=0),
        AttackPlan(pgd, EPSILONS, samples, sanity_samples=0),
        AttackPlan(STRONGEST, largest, few, sanity_samples=0),
    )


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return those of adversarial training and of the attacks."""
    pgd = Deviation(
        "PGD of Table 2",
        "not said",
        "20 steps of 2.5 epsilon / 20, random start",
        "more than it was trained with",
    )
    images = {
        "laptop": Deviation(
            "images of Table 2",
            "not said",
            "1,000 random test images; AutoAttack on the first 200 of them, at the largest epsilon only",
            "a robust image costs AutoAttack about 2,000 gradients and 5,000 answers",
        ),
        "paper": Deviation(
            "images of Table 2",
            "not said",
            "all test images; AutoAttack 1,000",
            "AutoAttack is ours, and slow",
        ),
    }
    fixed = Deviation(
        "attacks of Table 2",
        "code: a library's search for the smallest epsilon, thresholds applied later",
        "attacks at fixed epsilons",
        "what the text and the table say; its 100 images are followed",
    )
    chosen = () if setting.preset == "smoke" else (pgd, images[setting.preset])
    return adversarial_deviations(setting) + chosen + ((fixed,) if setting.source == "code" else ())


def measurements(setting: Setting) -> dict[str, tuple[Instrument, ...]]:
    """Return both networks at every rho, and with normalized smoothing where that is something else."""
    plans = find_plans(setting)
    each = tuple(
        SmoothedRobustness(rho, normalized, plans) for rho, normalized in _kinds(RHOS[setting.preset])
    )
    return dict.fromkeys(natural_and_adversarial(setting), each)


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 6.3 says, and what it leaves open: normalization and stronger attacks."""
    plans, strongest = find_plans(setting), RHOS[setting.preset][-1]
    small, large = plans[0].epsilons[0], plans[0].epsilons[-1]
    first = (plans[0].attack.label, plans[1].attack.label)
    both = " and ".join(first)
    smooth = f"with rho = {strongest:g}"

    def gain(label: str, attack: str, epsilon: float, *, normalized: bool = False) -> Contrast:
        after = _robust(label, attack, epsilon, rho=strongest, normalized=normalized)
        return after - _robust(label, attack, epsilon)

    def gained(label: str) -> Condition:
        return more_than(
            f"there must be a gain of M_{label} that could survive: its robust accuracy at epsilon {large:g} {smooth} minus as "
            f"trained, the smaller of {both}",
            SIMILAR,
            *(gain(label, attack, large) for attack in first),
            remedy="a network that gains by smoothing",
        )

    trained = learned("natural")
    strong = robust_under("adversarial", "natural", first[1], small, rho=0.0, normalized=False)
    return (
        Claim(
            "when our smoothing method is applied, the performance of clean accuracy directly plunges",
            f"Clean accuracy as trained minus {smooth}, the smaller difference of natural and adversarial.",
            least_of(
                *(
                    _robust(label, first[0], 0.0) - _robust(label, first[0], 0.0, rho=strongest)
                    for label in LABELS
                )
            ),
            Rule("above", MUCH),
            conditions=(trained,),
        ),
        Claim(
            "but the performance of adversarial robustness improves. In particular, our method helps when the perturbation "
            "is allowed to be relatively large.",
            f"Robust accuracy at epsilon {large:g} {smooth} minus as trained, under {both}, natural and adversarial; the "
            "smallest difference.",
            least_of(*(gain(label, attack, large) for label in LABELS for attack in first)),
            Rule("above", ANY),
            conditions=(trained, strong),
        ),
        Claim(
            "when ε = 0.09 (roughly 23/255), M_natural(ρ = 1.0) even outperforms M_adversarial.",
            f"Robust accuracy at epsilon {large:g}: natural {smooth} minus adversarial as trained; the smaller difference "
            f"of {both}.",
            least_of(
                *(
                    _robust("natural", attack, large, rho=strongest) - _robust("adversarial", attack, large)
                    for attack in first
                )
            ),
            Rule("above", ANY),
            conditions=(trained, strong),
        ),
        Claim(
            "our method can easily improve the adversarial robustness of M_natural",
            f"Robust accuracy of natural {smooth} minus as trained, under {both} at every epsilon; the smallest difference.",
            least_of(
                *(gain("natural", attack, epsilon) for attack in first for epsilon in plans[0].epsilons)
            ),
            Rule("above", ANY),
            conditions=(trained,),
        ),
        Claim(
            "but can only improve upon M_adversarial in the case where ε is larger",
            f"Robust accuracy of adversarial at the smallest epsilon, {small:g}, {smooth} minus as trained; the greater "
            f"difference of {both}.",
            greatest_of(*(gain("adversarial", attack, small) for attack in first)),
            Rule("below", ANY),
            conditions=(trained, strong),
        ),
        *(
            Claim(
                f"the gain of M_{label} survives normalization: it comes from smoothness, and not from the kernels' scale",
                f"Robust accuracy of {label} at epsilon {large:g} with normalized smoothing, rho = {strongest:g}, minus as "
                f"trained; the smaller difference of {both}. Nearer than {SIMILAR:g} counts as no gain.",
                least_of(*(gain(label, attack, large, normalized=True) for attack in first)),
                Rule("above", SIMILAR),
                asked_by="passband",
                conditions=(trained, gained(label)),
            )
            for label in LABELS
        ),
        *(
            Claim(
                f"the gain of M_{label} survives AutoAttack: it is robustness, and not gradients that are hard to follow",
                f"Accuracy of {label} under AutoAttack at epsilon {large:g}, {smooth} minus as trained. Nearer than "
                f"{SIMILAR:g} counts as no gain.",
                least_of(gain(label, STRONGEST.label, large)),
                Rule("above", SIMILAR),
                asked_by="passband",
                conditions=(trained, gained(label)),
            )
            for label in LABELS
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return robust accuracy by rho, a panel for each network and attack, and of the normalized control."""
    plans = find_plans(setting)
    shade_of = dict(zip(plans[0].epsilons, shades(len(plans[0].epsilons)), strict=True))

    def panel(label: str, attack: str | None, title: str) -> Panel:
        curves = [
            Curve(
                f"ε = {epsilon:g}{', normalized' * normalized}",
                "hfc",
                shade_of[epsilon],
                dashed=normalized,
                term=under_attack(label, attack, epsilon, normalized=normalized),
                along="rho",
            )
            for normalized in (False, True)
            for epsilon in _epsilons(plans, attack)
        ]
        clean = [
            Curve(
                f"clean{', normalized' * normalized}",
                "full",
                dashed=normalized,
                term=under_attack(label, attack, 0.0, normalized=normalized),
                along="rho",
            )
            for normalized in (False, True)
        ]
        return Panel(f"{label}: {title}", tuple(clean + curves if attack else curves), x="ρ", y="accuracy")

    attacks = [(label, label) for label in _attacks(plans)]
    kinds: Sequence[tuple[str | None, str]] = [*attacks, (None, "Corollary 1's ceiling")]
    return Figure(tuple(tuple(panel(label, attack, title) for label in LABELS) for attack, title in kinds))


def table(setting: Setting) -> SummaryTable:
    """Return Table 2, with rows for the normalized control and columns for AutoAttack and for Corollary 1's ceiling."""
    plans = find_plans(setting)

    def cells(label: str, rho: float, normalized: bool) -> dict[str, Contrast]:
        measured = partial(_robust, label, rho=rho, normalized=normalized)
        attacked = {
            f"{attack or 'ceiling'} {epsilon:g}": measured(attack, epsilon)
            for attack in (*_attacks(plans), None)
            for epsilon in _epsilons(plans, attack)
        }
        return {"clean": measured(ONE_STEP.label, 0.0), **attacked}

    return SummaryTable(
        name="table2",
        title="Table 2: accuracy under attacks, by epsilon",
        head="network",
        rows={
            f"M_{label}{_named(rho, normalized)}": cells(label, rho, normalized)
            for label in LABELS
            for rho, normalized in _kinds(RHOS[setting.preset])
        },
    )


def _kinds(rhos: Sequence[float]) -> list[tuple[float, bool]]:
    """Return each rho, and each above 0 once more with normalized kernels."""
    return [(rho, normalized) for rho in rhos for normalized in (False, True) if rho > 0 or not normalized]


def _named(rho: float, normalized: bool) -> str:
    return f" (ρ = {rho:g}{', normalized' * normalized})" if rho else ""


def _attacks(plans: Sequence[AttackPlan]) -> tuple[str, ...]:
    return tuple(plan.attack.label for plan in plans)


def _epsilons(plans: Sequence[AttackPlan], attack: str | None) -> tuple[float, ...]:
    """Return those of an attack; without one, all of them, which Corollary 1's ceiling has."""
    return next((plan.epsilons for plan in plans if plan.attack.label == attack), plans[0].epsilons)


def _robust(
    label: str, attack: str | None, epsilon: float, *, rho: float = 0.0, normalized: bool = False
) -> Contrast:
    return Contrast((under_attack(label, attack, epsilon, rho=rho, normalized=normalized),))


SMOOTHING = Study(
    *STUDIES.lines["smoothing"],
    runs=natural_and_adversarial,
    claims=claims,
    figure=figure,
    measurements=measurements,
    table=table,
    deviations=deviations,
)
