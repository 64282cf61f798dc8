"""Table 2: what smoothing the first layer's kernels does to accuracy under attacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from passband.analysis.claim import ANY, MUCH, SIMILAR, Claim, Rule, greatest_of, least_of
from passband.analysis.contrast import Quantity, Term
from passband.analysis.figure import Curve, Figure, Panel, shades
from passband.analysis.table import SummaryTable
from passband.engine.measure import Measurement
from passband.studies.figure5_heuristics import natural_and_adversarial
from passband.studies.presets import Setting
from passband.studies.smoothed_robustness import ONE_STEP, STRONGEST, SmoothedRobustness
from passband.studies.study import Study

LABELS = ("natural", "adversarial")


def measurements(setting: Setting) -> dict[str, tuple[Measurement, ...]]:
    """Return both networks at every rho, and with normalized smoothing where that is something else."""
    each = tuple(
        SmoothedRobustness(rho, normalized, setting.threat) for rho, normalized in _kinds(setting.rhos)
    )
    return dict.fromkeys(natural_and_adversarial(setting), each)


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 6.3 says, and what it leaves open: normalization and stronger attacks."""
    strongest, small, large = setting.rhos[-1], setting.threat.epsilons[0], setting.threat.epsilons[-1]
    first, both = (ONE_STEP.label, setting.threat.pgd.label), f"FGSM and {setting.threat.pgd.label}"
    smooth = f"with rho = {strongest:g}"

    def gain(label: str, attack: str, epsilon: float, *, normalized: bool = False) -> Quantity:
        after = _robust(label, attack, epsilon, rho=strongest, normalized=normalized)
        return after - _robust(label, attack, epsilon)

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
        ),
        Claim(
            "but the performance of adversarial robustness improves. In particular, our method helps when the perturbation "
            "is allowed to be relatively large.",
            f"Robust accuracy at epsilon {large:g} {smooth} minus as trained, under {both}, natural and adversarial; the "
            "smallest difference.",
            least_of(*(gain(label, attack, large) for label in LABELS for attack in first)),
            Rule("above", ANY),
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
        ),
        Claim(
            "our method can easily improve the adversarial robustness of M_natural",
            f"Robust accuracy of natural {smooth} minus as trained, under {both} at every epsilon; the smallest difference.",
            least_of(
                *(gain("natural", attack, epsilon) for attack in first for epsilon in setting.threat.epsilons)
            ),
            Rule("above", ANY),
        ),
        Claim(
            "but can only improve upon M_adversarial in the case where ε is larger",
            f"Robust accuracy of adversarial at the smallest epsilon, {small:g}, {smooth} minus as trained; the greater "
            f"difference of {both}.",
            greatest_of(*(gain("adversarial", attack, small) for attack in first)),
            Rule("below", ANY),
        ),
        *(
            Claim(
                f"the gain of M_{label} survives normalization: it comes from smoothness, and not from the kernels' scale",
                f"Robust accuracy of {label} at epsilon {large:g} with normalized smoothing, rho = {strongest:g}, minus as "
                f"trained; the smaller difference of {both}. Nearer than {SIMILAR:g} counts as no gain.",
                least_of(*(gain(label, attack, large, normalized=True) for attack in first)),
                Rule("above", SIMILAR),
                asked_by="passband",
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
            )
            for label in LABELS
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return robust accuracy by rho, a panel for each network and attack; the normalized control is dashed."""
    shade_of = dict(zip(setting.threat.epsilons, shades(len(setting.threat.epsilons)), strict=True))

    def panel(label: str, attack: str | None, title: str) -> Panel:
        curves = [
            Curve(
                f"ε = {epsilon:g}{', normalized' * normalized}",
                "hfc",
                shade_of[epsilon],
                dashed=normalized,
                term=_term(label, attack, epsilon, normalized=normalized),
                along="rho",
            )
            for normalized in (False, True)
            for epsilon in _epsilons(setting, attack)
        ]
        clean = [
            Curve(
                f"clean{', normalized' * normalized}",
                "full",
                dashed=normalized,
                term=_term(label, attack, 0.0, normalized=normalized),
                along="rho",
            )
            for normalized in (False, True)
        ]
        return Panel(f"{label}: {title}", tuple(clean + curves if attack else curves), x="ρ", y="accuracy")

    attacks = [(label, label) for label in _attacks(setting)]
    kinds: Sequence[tuple[str | None, str]] = [*attacks, (None, "Corollary 1's ceiling")]
    return Figure(tuple(tuple(panel(label, attack, title) for label in LABELS) for attack, title in kinds))


def table(setting: Setting) -> SummaryTable:
    """Return Table 2, with rows for the normalized control and columns for AutoAttack and for Corollary 1's ceiling."""

    def cells(label: str, rho: float, normalized: bool) -> dict[str, Quantity]:
        measured = partial(_robust, label, rho=rho, normalized=normalized)
        attacked = {
            f"{attack or 'ceiling'} {epsilon:g}": measured(attack, epsilon)
            for attack in (*_attacks(setting), None)
            for epsilon in _epsilons(setting, attack)
        }
        return {"clean": measured(ONE_STEP.label, 0.0), **attacked}

    return SummaryTable(
        name="table2",
        title="Table 2: accuracy under attacks, by epsilon",
        head="network",
        rows={
            f"M_{label}{_named(rho, normalized)}": cells(label, rho, normalized)
            for label in LABELS
            for rho, normalized in _kinds(setting.rhos)
        },
    )


def _kinds(rhos: Sequence[float]) -> list[tuple[float, bool]]:
    """Return each rho, and each above 0 once more with normalized kernels."""
    return [(rho, normalized) for rho in rhos for normalized in (False, True) if rho > 0 or not normalized]


def _named(rho: float, normalized: bool) -> str:
    return f" (ρ = {rho:g}{', normalized' * normalized})" if rho else ""


def _attacks(setting: Setting) -> tuple[str, ...]:
    return ONE_STEP.label, setting.threat.pgd.label, STRONGEST.label


def _epsilons(setting: Setting, attack: str | None) -> tuple[float, ...]:
    return setting.threat.autoattack_epsilons if attack == STRONGEST.label else setting.threat.epsilons


def _robust(
    label: str, attack: str | None, epsilon: float, *, rho: float = 0.0, normalized: bool = False
) -> Quantity:
    return Quantity((_term(label, attack, epsilon, rho, normalized=normalized),))


def _term(
    label: str, attack: str | None, epsilon: float, rho: float | None = None, *, normalized: bool
) -> Term:
    """Return accuracy under an attack; without an attack, Corollary 1's ceiling of it."""
    metric = "accuracy-ceiling" if attack is None else "robust-accuracy"
    return Term(
        label,
        component=None,
        metric=metric,
        attack=attack,
        epsilon=epsilon,
        norm="linf",
        rho=rho,
        normalized=normalized,
    )


SMOOTHING = Study(
    name="smoothing",
    title="Smoothing the first layer's kernels",
    source="Table 2, section 6.3",
    question="Does smoothing the kernels of a trained network make it robust?",
    runs=natural_and_adversarial,
    claims=claims,
    figure=figure,
    measurements=measurements,
    table=table,
)
