"""An audit in words: the summary and the key numbers, claiming no more than the card supports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from passband.attacks.epsilon import write_epsilon
from passband.audit.card import (
    AttackedCard,
    AttackEntry,
    AttackPoint,
    CeilingPoint,
    ClassifierCard,
    CriticalRadius,
    CurvePoint,
    Share,
)
from passband.audit.critical import BY_GUESSING, known_radii
from passband.stats import wilson_interval
from passband.types import Norm

COMMON_LINF = 8 / 255  # the bound that most papers on adversarial robustness report

POLICIES = {
    "picture": "held to [0, 1], an HFC on middle gray",
    "raw": "shown to the model as it is",
    "clip": "clipped to [0, 1] before the model sees it",
    "max": "divided by its own largest value before the model sees it",
    "minmax": "stretched to fill [0, 1] before the model sees it",
    "rms": "scaled to the energy of the whole image before the model sees it",
}
"""What each amplitude policy does to a component, as the end of a sentence."""


@dataclass(frozen=True)
class Tile:
    """One key number: what it is, its value, what it needs to be understood, and where on the page there is more of it."""

    name: str
    value: str
    note: str
    section: str | None = None


def percent(fraction: float) -> str:
    """Return a fraction as a percentage.

    Example:
        >>> percent(0.9117)
        '91.2%'
    """
    return f"{100 * fraction:.1f}%"


def number(value: float) -> str:
    """Return a radius, a loss or a distance with three significant digits.

    Example:
        >>> number(22.627), number(8.0), number(158.39)
        ('22.6', '8', '158')
    """
    return f"{value:.3g}"


def resting(measured: Share) -> str:
    """Return the bounds of a 95% interval, and on how many images it rests.

    Example:
        >>> resting(Share(0.5, low=0.404, high=0.596, count=100))
        '40.4–59.6%, n = 100'
    """
    return f"{interval(measured)}, n = {measured.count:,}"


def interval(measured: Share) -> str:
    """Return the bounds of a 95% interval.

    Example:
        >>> interval(Share(0.5, low=0.404, high=0.596, count=100))
        '40.4–59.6%'
    """
    return f"{100 * measured.low:.1f}–{percent(measured.high)}"


def guessing(card: AttackedCard) -> float:
    """Return the accuracy that needs no image: that of naming the most frequent class throughout."""
    return card.baselines.majority


def best_hfc(card: ClassifierCard) -> CurvePoint:
    """Return the HFC's point that is most surely high: the one whose interval has the highest low end."""
    return max(card.curve("hfc"), key=lambda point: point.accuracy.low)


def ceiling_at(card: ClassifierCard, norm: Norm, epsilon: float) -> CeilingPoint | None:
    """Return the ceiling at the largest epsilon of the curve that does not exceed `epsilon`, None if there is none.

    The curve never rises, so what holds there bounds the accuracy at `epsilon` too.
    """
    curve = card.ceiling.curve(norm) if card.ceiling else ()
    within = [point for point in curve if point.epsilon <= epsilon * (1 + 1e-6)]
    return within[-1] if within else None


def corollary(card: ClassifierCard) -> str:
    """Return how many images are known to have an LFC that changes the answer, where it was looked for, and how far it lies."""
    found = card.ceiling
    if found is None:
        return ""
    evaluated = card.clean.accuracy.count
    drawn = f" drawn at random from the {evaluated:,} evaluated" if found.samples < evaluated else ""
    where = f"among the {found.radii} radii tried"
    if found.search == "bounded":
        where += " and those between two of them that halving led to"
    said = [
        f"Of {found.samples:,} images{drawn}, {found.correct:,} are answered right, and {found.fooled:,} of these have such an "
        f"LFC {where}."
    ]
    if found.median_l2 is not None and found.median_linf is not None:
        said.append(
            f"In the median of these {found.fooled:,} the nearest one known lies {number(found.median_l2)} away in L2 and "
            f"{number(found.median_linf)} in L∞."
        )
    if found.search == "bounded":
        said.append(
            "Were every radius tried (--ceiling exact), some might lie nearer, and others might be found."
        )
    return " ".join(said)


REACH: dict[Norm, str] = {
    "linf": "every pixel may change by up to {}",
    "l2": "all pixels together may change by up to {} in L2",
}
"""What an epsilon allows, by norm."""


def under_attack(card: AttackedCard) -> list[str]:
    """Return what the attacks left, a sentence a norm, the strongest attack at each epsilon.

    Attacks that are held to a band are left out where there is one that is not.

    Args:
        card: The frequency card of a classifier, or the card of attacks alone.
    """
    sentences = []
    for norm, worst in strongest(card).items():
        (least, (first, point)), *more = sorted(worst.items())
        by = "The strongest attack" if len(_free(card, norm)) > 1 else first.label
        left = [
            f"{percent(point.accuracy.value)} right ({interval(point.accuracy)}) where "
            f"{REACH[norm].format(write_epsilon(least))}"
        ]
        left += [f"{percent(p.accuracy.value)} at {write_epsilon(epsilon)}" for epsilon, (_, p) in more]
        sentences.append(f"{by} leaves {listed(left)}.")
    return sentences


def strongest(card: AttackedCard) -> dict[Norm, dict[float, tuple[AttackEntry, AttackPoint]]]:
    """Return by norm and epsilon the attack that left least, and what; those held to a band only where there are no others."""
    found: dict[Norm, dict[float, tuple[AttackEntry, AttackPoint]]] = {}
    for norm in REACH:
        for attack in _free(card, norm):
            for point in attack.points:
                worst = found.setdefault(norm, {})
                before = worst.get(point.epsilon)
                if before is None or point.accuracy.value < before[1].accuracy.value:
                    worst[point.epsilon] = attack, point
    return found


def _free(card: AttackedCard, norm: Norm) -> list[AttackEntry]:
    attacks = [attack for attack in card.attacks if attack.norm == norm]
    return [attack for attack in attacks if attack.attack.band is None] or attacks


def doubts(card: AttackedCard) -> list[str]:
    """Return the checks of attacks that failed, as sentences."""
    return [
        f"{attack.label}: {finding.message}"
        for attack in card.attacks
        for finding in attack.findings
        if not finding.passed
    ]


def listed(parts: Sequence[str]) -> str:
    """Return parts of a sentence with commas and an `and`.

    Example:
        >>> listed(["a", "b", "c"]), listed(["a"])
        ('a, b and c', 'a')
    """
    *others, last = parts
    return f"{', '.join(others)} and {last}" if others else last


def summary(card: ClassifierCard) -> list[str]:
    """Return the audit in a few plain sentences.

    Args:
        card: The frequency card of a classifier.
    """
    clean, floor = card.clean.accuracy, guessing(card)
    whole = f"{card.model.name} answers {percent(clean.value)} of {clean.count:,} whole images right"
    if clean.low <= floor:
        return [
            f"{whole}, which is not measurably better than guessing the most frequent class ({percent(floor)}). "
            "What follows says little about what the model has learned."
        ]
    return [
        f"{whole}; guessing the most frequent class would give {percent(floor)}.",
        _low(card),
        _high(card),
        *_flips(card),
        *under_attack(card),
    ]


def tiles(card: ClassifierCard) -> list[Tile]:
    """Return the key numbers of an audit, each with its interval and the images that it rests on.

    The ceiling of Corollary 1 is among them only beside attacks: alone it would be read as the robustness that it bounds.

    Args:
        card: The frequency card of a classifier.
    """
    best, radii = best_hfc(card), known_radii(card)
    return [
        clean_tile(card),
        *_top5_tile(card),
        _critical_tile(card, radii.half, "Half of it"),
        _critical_tile(card, radii.most, "95% of it"),
        Tile(
            "Best HFC accuracy",
            percent(best.accuracy.value),
            f"with all up to radius {number(best.radius)} removed; {resting(best.accuracy)}; guessing gives {percent(guessing(card))}",
            "numbers",
        ),
        _flips_tile(card),
        *(attack_tiles(card) or [Tile("Robust accuracy", "unknown", "not attacked")]),
        *_ceiling_tile(card),
    ]


def clean_tile(card: AttackedCard) -> Tile:
    """Return the accuracy on whole images."""
    clean = card.clean.accuracy
    section = "numbers" if isinstance(card, ClassifierCard) else None
    return Tile("Clean accuracy", percent(clean.value), resting(clean), section)


def attack_tiles(card: AttackedCard) -> list[Tile]:
    """Return what each attack leaves at each epsilon, the smallest first."""
    found = []
    for attack in card.attacks:
        first, *more = attack.points
        said = [
            f"where {REACH[attack.norm].format(write_epsilon(first.epsilon))} ({resting(first.accuracy)})"
        ]
        said += [
            f"{percent(point.accuracy.value)} at {write_epsilon(point.epsilon)} ({interval(point.accuracy)})"
            for point in more
        ]
        found.append(
            Tile(f"Right under {attack.label}", percent(first.accuracy.value), "; ".join(said), "attacks")
        )
    return found


def _flips_tile(card: ClassifierCard) -> Tile:
    """Return how many images follow the HFC, beside what chance makes: at the radius where there are most beyond it."""
    found = card.flips
    if not found.by_radius:
        return Tile("Images that follow the HFC", "–", "no radius was measured", "flips")
    most = max(found.beyond_chance or found.by_radius, key=lambda point: point.count - point.expected)
    explained = "" if found.beyond_chance else "; chance explains them"
    return Tile(
        "Images that follow the HFC",
        f"{most.count:,}",
        f"of {found.eligible:,} at radius {number(most.radius)}, beside {number(most.expected)} by chance{explained}",
        "flips",
    )


def _ceiling_tile(card: ClassifierCard) -> list[Tile]:
    most = ceiling_at(card, "linf", COMMON_LINF)
    if most is None or card.ceiling is None or not card.attacks:
        return []
    count = card.ceiling.samples
    low, high = wilson_interval(round(most.accuracy * count), count)
    return [
        Tile(
            "No attack can leave more than",
            percent(most.accuracy),
            f"where every pixel may change by {255 * most.epsilon:.2g}/255 (Corollary 1); "
            f"{resting(Share(most.accuracy, low, high, count))}",
            "ceiling",
        )
    ]


def _low(card: ClassifierCard) -> str:
    half = known_radii(card).half
    if half.note == BY_GUESSING:
        return "Half of that is no more than guessing gives, so no radius can be named at which half of it is kept."
    if half.radius is None:
        return "No low-frequency component measured keeps half of that."
    radius = number(half.radius)
    if half.note:
        return f"It keeps at least half of that even when only frequencies up to {radius} cycles per image are left."
    return f"To keep half of that it needs the frequencies up to {radius} cycles per image{_in_pixels(card, half)}."


def _in_pixels(card: ClassifierCard, critical: CriticalRadius) -> str:
    height, width = card.data.height, card.data.width
    if height != width or not critical.radius:
        return ""  # a cycle has no single length where the sides differ
    return f", waves about {number(width / critical.radius)} pixels long"


def _high(card: ClassifierCard) -> str:
    floor, best = guessing(card), best_hfc(card)
    if best.accuracy.low <= floor:
        return "On the high-frequency components alone it is, at every radius measured, not measurably better than guessing."
    beyond = [point for point in card.curve("hfc") if point.radius >= best.radius]
    above = list(takewhile(lambda point: point.accuracy.low > floor, beyond))
    stays = f", and stays so up to radius {number(above[-1].radius)}" if len(above) > 1 else ""
    return (
        f"With everything up to radius {number(best.radius)} removed, it still answers "
        f"{percent(best.accuracy.value)} right, measurably better than guessing{stays}."
    )


def _flips(card: ClassifierCard) -> list[str]:
    found = card.flips
    if not found.samples:
        return []
    by_chance = sum(point.expected for point in found.by_radius)
    if not found.beyond_chance:
        return [
            f"Answers that go with the HFC, right on it and wrong on the LFC, are no more than chance makes: {found.pairs:,} pairs of image "
            f"and radius, beside {by_chance:,.0f}."
        ]
    said = (
        f"For {found.samples:,} of the {found.eligible:,} images answered right there is a radius at which "
        "the answer goes with the HFC: right on the high frequencies alone, wrong on the low ones."
    )
    share = f"{percent(min(1, by_chance / found.pairs))} of these pairs of image and radius"
    return [said, f"By chance alone, {share} would be expected."]


def _top5_tile(card: ClassifierCard) -> list[Tile]:
    top5 = card.clean.top5
    note = "the right class among the five most probable, ties counted against it"
    if top5 is None:
        return []
    return [Tile("Top-5 accuracy", percent(top5.value), f"{note}; {resting(top5)}", "numbers")]


def _critical_tile(card: ClassifierCard, critical: CriticalRadius, name: str) -> Tile:
    name = f"{name} is kept from radius"
    if critical.radius is None:
        return Tile(name, "–", critical.note or "not reached", "accuracy")
    return Tile(
        name,
        number(critical.radius),
        critical.note
        or f"{radius_interval(card, critical)}of at most {number(card.settings.corner)} cycles per image",
        "accuracy",
    )


def radius_interval(card: ClassifierCard, critical: CriticalRadius) -> str:
    """Return the interval of a critical radius, and the images that it rests on, as the beginning of a note; empty if it has none."""
    if critical.low is None:
        return ""
    end = "past the last measured" if critical.high is None else number(critical.high)
    return f"{number(critical.low)}–{end}, n = {card.clean.accuracy.count:,}; "


def capitalized(text: str) -> str:
    """Return a text that begins with a capital letter, and is as it was otherwise."""
    return text[:1].upper() + text[1:]
