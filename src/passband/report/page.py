"""The pages: what an audit, an attack and a data set's spectrum are shown by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from passband.attacks.epsilon import write_epsilon
from passband.audit.attack import RobustnessAudit
from passband.audit.card import AttackedCard, AttackEntry, ClassifierCard
from passband.audit.classifier import Audit, Strip
from passband.instruments.flips import FlipExample
from passband.instruments.spectrum import DataSpectrum
from passband.report import figures, panels, verdict, words
from passband.report.attacks import attack_charts, attack_pictures, example_pictures, name_of
from passband.report.extra import extra_charts, shown_reading
from passband.report.render import manifest_lines, write_figures, write_page
from passband.report.spectrum import energy_by_radius, radial_power, spectrum_picture
from passband.report.theme import Chart
from passband.robustness.plan import Attacked, Example

MOST_STRIP = 5  # radii of the strip of small images, which fit on a phone
MOST_NATURAL = 3  # of the strip of large ones, which are not shrunk
LARGE = 128  # pixels
MOST_BARS = 3  # classes whose probabilities are shown under a panel


def write_report(audit: Audit, folder: Path | str) -> Path:
    """Write an audit as a page, `report.html`, and its pictures as files, `figures/*.png`, `*.svg` and `*.pdf`.

    The page holds all that it shows: it can be sent, and opened without a network.

    Args:
        audit: What was measured.
        folder: Where to write; made if it is not there.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    folder, card, spectrum = Path(folder), audit.card, audit.spectrum
    charts = _audit_charts(card) | _spectrum_charts(spectrum) | attack_charts(card, spectrum)
    charts |= extra_charts(audit.extra)
    strip = _strip(audit.strip)
    pictures = {
        "components": panels.grid([[image for _, image in row] for row in strip.values()]),
        "spectrum": spectrum_picture(spectrum.power, card.settings.radii, card.settings.geometry),
    }
    evident = {point.radius for point in card.flips.beyond_chance}
    shown = [panel for panel in audit.panels if panel.radius in evident]  # older audits kept others too
    if shown:
        pictures["flips"] = panels.grid([_parts(panel) for panel in shown])
    pictures |= attack_pictures(audit.attacks)
    plots = write_figures(charts, pictures, folder / "figures")
    return write_page(
        folder / "report.html",
        "report.html.j2",
        plots=plots,
        title=f"{card.model.name} on {card.data.name}",
        card=card,
        strip=strip,
        strip_label=audit.strip.label,
        strip_cropped=max(audit.strip.original.shape[-2:]) > panels.NATURAL,
        panels=[_panel(panel, card.data.classes) for panel in shown],
        attacks=_attacks(card, audit.attacks, pictures),
        extra=[shown_reading(reading, charts) for reading in audit.extra],
        shown_classes=figures.shown_classes(card),
        said=verdict,
        spectrum=spectrum,
        spectrum_picture=pictures["spectrum"],
        manifest=manifest_lines(card),
    )


def write_attack_report(found: RobustnessAudit, folder: Path | str) -> Path:
    """Write what attacks left of a model's accuracy as a page, `attack.html`, and its pictures as files.

    Args:
        found: What was measured.
        folder: Where to write; made if it is not there.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    folder, card = Path(folder), found.card
    pictures = attack_pictures(found.attacks)
    plots = write_figures(attack_charts(card, found.spectrum), pictures, folder / "figures")
    return write_page(
        folder / "attack.html",
        "attack.html.j2",
        plots=plots,
        title=f"{card.model.name} on {card.data.name} under attack",
        card=card,
        attacks=_attacks(card, found.attacks, pictures),
        spectrum=found.spectrum,
        manifest=manifest_lines(card),
    )


def write_spectrum_report(spectrum: DataSpectrum, folder: Path | str) -> Path:
    """Write a data set's spectrum as a page of its own, `spectrum.html`, and its pictures as files.

    Args:
        spectrum: What was measured.
        folder: Where to write; made if it is not there.

    Returns:
        The path of the page.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    folder = Path(folder)
    radii = [2**k for k in range(1, 16) if 2**k < len(spectrum.radial)]
    picture = spectrum_picture(spectrum.power, radii)
    plots = write_figures(_spectrum_charts(spectrum), {"spectrum": picture}, folder / "figures")
    return write_page(
        folder / "spectrum.html",
        "spectrum.html.j2",
        plots=plots,
        title=f"The spectrum of {spectrum.name}",
        spectrum=spectrum,
        spectrum_picture=picture,
    )


def _audit_charts(card: ClassifierCard) -> dict[str, Chart]:
    charts = {
        "accuracy-by-radius": figures.accuracy_by_radius(card),
        "energy-and-accuracy": figures.energy_and_accuracy(card),
        "agreement-by-radius": figures.measure_by_radius(card, "agreement"),
        "confidence-by-radius": figures.measure_by_radius(card, "confidence"),
        "loss-by-radius": figures.measure_by_radius(card, "loss"),
    }
    if figures.tells_of_classes(card.classes):
        charts["lfc-by-class"] = figures.accuracy_by_class(card, "lfc")
        charts["hfc-by-class"] = figures.accuracy_by_class(card, "hfc")
    if card.flips.pairs:
        charts["flips-by-radius"] = figures.flips_by_radius(card)
    if (bound := card.ceiling) is not None:
        charts |= {"ceiling-linf": figures.ceiling(bound, "linf"), "ceiling-l2": figures.ceiling(bound, "l2")}
    return charts


def _spectrum_charts(spectrum: DataSpectrum) -> dict[str, Chart]:
    traces = [trace.radius for trace in spectrum.traces.findings if trace.radius is not None]
    return {
        "radial-power": radial_power(spectrum.radial.tolist(), traces),
        "energy-by-radius": energy_by_radius(spectrum.energy.tolist()),
    }


def _strip(strip: Strip) -> dict[str, list[tuple[str, Image.Image]]]:
    """Return the example's rows: for each component, captions and pictures, the whole image first."""
    shown = _shown_radii(len(strip.radii), large=strip.original.shape[-1] >= LARGE)
    captions = ["whole", *(words.number(strip.radii[i]) for i in shown)]
    rows = {"LFC": [strip.low[i] for i in shown], "HFC": [panels.visible(strip.high[i]) for i in shown]}
    return {
        name: [
            (caption, panels.picture(panels.window(image)))
            for caption, image in zip(captions, [strip.original, *row], strict=True)
        ]
        for name, row in rows.items()
    }


def _shown_radii(count: int, *, large: bool) -> list[int]:
    """Return which of the radii a strip shows: of large images few, between the ends, where there is little to see.

    Example:
        >>> _shown_radii(8, large=False), _shown_radii(8, large=True)
        ([0, 2, 4, 5, 7], [2, 4, 5])
    """
    most, last = MOST_NATURAL if large else MOST_STRIP, count - 1
    if count <= most:
        return list(range(count))
    if large:
        return [round((i + 1) * last / (most + 1)) for i in range(most)]
    return [round(i * last / (most - 1)) for i in range(most)]


def _parts(panel: FlipExample) -> list[Image.Image]:
    parts = (panel.original, panel.low, panels.visible(panel.high))
    return [panels.picture(panels.window(part)) for part in parts]


def _panel(panel: FlipExample, classes: Sequence[str]) -> dict[str, Any]:
    """Return one of Figure 2's samples as the page shows it: pictures, and the most probable classes of each."""
    parts = []
    for name, image, probabilities in zip(
        ("whole image", "LFC", "HFC"), _parts(panel), panel.probabilities, strict=True
    ):
        parts.append({"name": name, "image": image, "bars": _bars(probabilities, panel.label, classes)})
    return {"sample": panel.sample, "radius": panel.radius, "label": classes[panel.label], "parts": parts}


def _bars(probabilities: Tensor, label: int, classes: Sequence[str]) -> list[tuple[str, float, bool]]:
    """Return the most probable classes and the true one: name, probability, whether it is true."""
    ranked = probabilities.argsort(descending=True)[:MOST_BARS].tolist()
    if label not in ranked:
        ranked[-1] = label
    return [(classes[k], probabilities[k].item(), k == label) for k in ranked]


@dataclass(frozen=True)
class ShownAttack:
    """An attack as the page shows it.

    Attributes:
        entry: The card's numbers.
        by_class: The name of its chart class by class.
        spectrum: Its perturbations' mean spectrum; None where it moved nothing.
        examples: Images that it broke.
    """

    entry: AttackEntry
    by_class: str
    spectrum: Image.Image | None
    examples: Sequence[dict[str, Any]]


def _attacks(
    card: AttackedCard, attacks: Sequence[Attacked], pictures: Mapping[str, Image.Image]
) -> list[ShownAttack]:
    return [
        ShownAttack(
            entry,
            by_class=name_of(entry, "by-class"),
            spectrum=pictures.get(name_of(entry, "spectrum")),
            examples=[_example(example, card.data.classes) for example in attacked.examples],
        )
        for entry, attacked in zip(card.attacks, attacks, strict=True)
    ]


def _example(example: Example, classes: Sequence[str]) -> dict[str, Any]:
    original, change, adversarial = example_pictures(example)
    before, after = (_bars(each, example.label, classes) for each in example.probabilities)
    return {
        "sample": example.sample,
        "label": classes[example.label],
        "epsilon": write_epsilon(example.epsilon),
        "parts": [
            {"name": "original", "image": original, "bars": before},
            {"name": "perturbation", "image": change, "bars": []},
            {"name": "adversarial image", "image": adversarial, "bars": after},
        ],
    }
