"""What attacks left of a model's accuracy, and where their perturbations lie: charts and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from passband.attacks.epsilon import write_epsilon
from passband.audit.card import AttackedCard, AttackEntry
from passband.files import slug
from passband.frequency.fourier import frequency_distance
from passband.frequency.spectrum import radial_sum
from passband.instruments.spectrum import DataSpectrum
from passband.report import panels
from passband.report.figures import baseline, class_heat_map, tells_of_classes, worth_showing
from passband.report.series import Place, Series, at, colored, dashed, lines, numbers, rules
from passband.report.spectrum import spectrum_picture
from passband.report.theme import LIGHT, Chart, finish, load_altair, radius_axis, share_axis
from passband.robustness.plan import Attacked, Example
from passband.types import Norm

COLORS = tuple(LIGHT[role] for role in ("magenta", "violet", "ochre"))  # of the attacks, in their order
DASHES = ((), (6, 3), (2, 2))
"""Likewise, so that attacks are told apart without colors too."""
NORMS = {"linf": "epsilon, L∞", "l2": "epsilon, L2, all pixels together ([0, 1] scale)"}


def attack_charts(card: AttackedCard, spectrum: DataSpectrum) -> dict[str, Chart]:
    """Return the charts of all attacks of a card; none if it has no attacks."""
    attacks = card.attacks
    charts = {f"robust-accuracy-{norm}": robust_accuracy(card, norm) for norm in norms_of(card)}
    if attacks:
        charts["perturbation-energy"] = perturbation_energy(card, spectrum)
    told = [attack for attack in attacks if tells_of_classes(attack.classes)]
    return charts | {name_of(attack, "by-class"): robust_by_class(attack) for attack in told}


def attack_pictures(attacks: Sequence[Attacked]) -> dict[str, Image.Image]:
    """Return for each attack its perturbations' mean spectrum, and its examples as a grid, where it broke anything."""
    pictures = {}
    for attacked in attacks:
        power = attacked.outcome.power[-1]
        if power.any():
            corner = len(attacked.outcome.radial[-1])
            pictures[slug(f"{attacked.plan.measure}-spectrum")] = spectrum_picture(
                power, [2**k for k in range(1, 16) if 2**k < corner]
            )
        if attacked.examples:
            rows = [example_pictures(example) for example in attacked.examples]
            pictures[slug(f"{attacked.plan.measure}-examples")] = panels.grid(rows)
    return pictures


def example_pictures(example: Example) -> list[Image.Image]:
    """Return the image, its perturbation around middle gray, stretched to full contrast, and what came of it."""
    change = panels.visible(example.adversarial - example.original)
    return [panels.picture(panels.window(part)) for part in (example.original, change, example.adversarial)]


def norms_of(card: AttackedCard) -> list[Norm]:
    """Return the norms that a card's attacks are measured in, in the order of the attacks."""
    return list(dict.fromkeys(attack.norm for attack in card.attacks))


def name_of(attack: AttackEntry, what: str) -> str:
    """Return the name of an attack's picture, as a file and on the page."""
    return slug(f"{attack.measure}-{what}")


def robust_accuracy(card: AttackedCard, norm: Norm) -> Chart:
    """Draw the accuracy that each attack leaves by epsilon, with the baseline, and Corollary 1's ceiling if there is one.

    Args:
        card: A frequency card, or the card of attacks alone.
        norm: How epsilon is measured.
    """
    alt = load_altair()
    series = [
        Series(
            attack.label,
            color,
            [at(0.0, attack.clean), *(at(point.epsilon, point.accuracy) for point in attack.points)],
            dash,
        )
        for attack, color, dash in _drawn(card)
        if attack.norm == norm
    ]
    epsilons = sorted({place.x for line in series for place in line.places})
    x = alt.X(
        "x:Q",
        title=NORMS[norm],
        scale=alt.Scale(domain=[0, epsilons[-1]], nice=False),
        axis=alt.Axis(
            values=epsilons,
            grid=False,
            labelExpr=_written(epsilons),
            labelOverlap="greedy",
            labelSeparation=5,
        ),
    )
    y = share_axis("robust accuracy")
    chart = alt.layer(
        *_ceiling(card, norm, epsilons[-1], x),
        *rules([baseline(card)], gap=0.07),
        *_lines(series, x, y, over="epsilon"),
    )
    return finish(chart, f"Accuracy of {card.model.name} under attack by epsilon in {norm}.")


def perturbation_energy(card: AttackedCard, spectrum: DataSpectrum) -> Chart:
    """Draw how much of each attack's perturbation lies within each radius, beside the images and white noise.

    Each attack is shown at its largest epsilon.
    """
    alt = load_altair()
    distance = frequency_distance(spectrum.height, spectrum.width)
    flat = torch.ones_like(distance)
    power = torch.fft.ifftshift(spectrum.power).to(distance.dtype)
    series = [
        _within("images", LIGHT["energy"], _shares(power.where(distance > 0, 0))),
        _within("white noise", LIGHT["muted"], _shares(flat), (8, 2, 2, 2)),
    ]
    for attack, color, dash in _drawn(card):
        energy = torch.tensor(attack.points[-1].energy)
        if energy.any():
            series.append(_within(attack.label, color, energy, dash))
    last = int(distance.round().max())
    doublings = [2**k for k in range(16) if 2**k <= max(1, last)]
    x, y = radius_axis(doublings, last), share_axis("energy within the radius")
    chart = alt.layer(*_lines(series, x, y))
    return finish(chart, "Share of the perturbations' energy within each radius, by attack.")


def robust_by_class(attack: AttackEntry) -> Chart:
    """Draw a heat map of what one attack leaves of each class, the class that withstands it best on top."""
    alt = load_altair()
    columns = ["clean", *(write_epsilon(point.epsilon) for point in attack.points)]
    shown = worth_showing(attack.classes, lambda entry: [-cell.value for cell in entry.robust])
    rows = [(entry.name, [entry.clean, *entry.robust]) for entry in shown]
    axis = alt.Axis(labelAngle=0, orient="top")
    x = alt.X("epsilon:O", title="epsilon", sort=None, axis=axis)
    description = f"Accuracy under {attack.label} by class and epsilon, in percent."
    return class_heat_map(rows, columns, x, "epsilon", description)


def half_energy_radius(energy: Sequence[float]) -> int | None:
    """Return the smallest whole radius within which half of an energy lies; None if there is no energy.

    Example:
        >>> half_energy_radius([0.1, 0.2, 0.3, 0.4])
        2
    """
    within = torch.tensor(energy, dtype=torch.float64).cumsum(0)
    return int((within >= within[-1] / 2).int().argmax()) if within[-1] > 0 else None


def image_energy(spectrum: DataSpectrum) -> list[float]:
    """Return the share of the images' contrast (all but their mean) at each whole radius."""
    distance = frequency_distance(spectrum.height, spectrum.width)
    power = torch.fft.ifftshift(spectrum.power).to(distance.dtype)
    return _shares(power.where(distance > 0, 0)).tolist()


def _drawn(card: AttackedCard) -> list[tuple[AttackEntry, str, tuple[int, ...]]]:
    """Return each attack with its color and its dashes."""
    return [
        (attack, COLORS[index % len(COLORS)], DASHES[index % len(DASHES)])
        for index, attack in enumerate(card.attacks)
    ]


def _lines(series: Sequence[Series], x: Any, y: Any, over: str = "radius") -> list[Chart]:
    color, dash = colored(series, legend=True), dashed(series, legend=True)
    return lines(numbers(series), color, x, y, ".1%", over=over, strokes={"strokeDash": dash})


def _ceiling(card: AttackedCard, norm: Norm, last: float, x: Any) -> list[Chart]:
    """Return layers that shade what Corollary 1 leaves possible up to the last epsilon."""
    alt = load_altair()
    if card.ceiling is None:
        return []
    points = [{"x": p.epsilon, "value": p.accuracy} for p in card.ceiling.curve(norm) if p.epsilon <= last]
    points.append({"x": last, "value": points[-1]["value"]})
    tooltip = [
        alt.Tooltip("x:Q", format=".4f", title="epsilon"),
        alt.Tooltip("value:Q", format=".1%", title="ceiling"),
    ]
    base = alt.Chart(alt.Data(values=points)).encode(
        x=x, y=alt.Y("value:Q", title="robust accuracy"), tooltip=tooltip
    )
    return [
        base.mark_area(interpolate="step-after", color=LIGHT["full"], opacity=0.1),
        base.mark_line(interpolate="step-after", color=LIGHT["full"], strokeWidth=1.5),
    ]


def _written(epsilons: Sequence[float]) -> str:
    """Return an expression of Vega that writes each epsilon as people do: `8/255`, not 0.0314."""
    texts = {f"{epsilon:.6f}": write_epsilon(epsilon) for epsilon in epsilons}
    return f"{json.dumps(texts)}[format(datum.value, '.6f')]"


def _shares(power: Float[Tensor, "height width"]) -> Float[Tensor, " n_radii"]:
    """Return the share of a power spectrum at each whole radius; all 0 where there is no power."""
    energy = radial_sum(power)
    return energy / energy.sum().clamp_min(torch.finfo(energy.dtype).tiny)


def _within(name: str, color: str, energy: Float[Tensor, " n_radii"], dash: tuple[int, ...] = ()) -> Series:
    within = energy.double().cumsum(0).tolist()
    places = [Place(radius, value) for radius, value in enumerate(within) if radius > 0]
    return Series(name, color, places, dash)
