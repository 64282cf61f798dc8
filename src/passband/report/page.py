"""The page: charts, pictures and words in one file that asks the network for nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from torch import Tensor

from passband.audit.attacked import Attacked, Example
from passband.audit.card import attacks_of, bound
from passband.audit.classifier import Audit, Strip
from passband.audit.followers import Panel
from passband.audit.robustness import RobustnessAudit
from passband.audit.spectrum import DataSpectrum
from passband.optional import require
from passband.report import figures, panels, words
from passband.report.attacks import (
    attack_charts,
    attack_pictures,
    example_pictures,
    half_energy_radius,
    image_energy,
    name_of,
    norms_of,
)
from passband.report.spectrum import energy_by_radius, radial_power, spectrum_picture
from passband.report.theme import DARK, LIGHT, Chart, load_altair, with_variables

if TYPE_CHECKING:
    from jinja2 import Environment
else:  # jinja2 is optional, and types are checked while the tests run
    Environment = Any

PURPOSE = {"extra": "report", "purpose": "writing a report"}
MOST_STRIP = 5  # radii of the strip that fit on a phone
MOST_BARS = 3  # classes whose probabilities are shown under a panel


@dataclass(frozen=True)
class Plot:
    """A chart for the page: its description for the browser's renderer, and the same as a still picture."""

    name: str
    spec: dict[str, Any]
    svg: str


def write_report(audit: Audit, folder: Path | str) -> Path:
    """Write an audit as a page, `report.html`, and its pictures as files, `figures/*.png` and `*.svg`.

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
    strip = _strip(audit.strip)
    pictures = {
        "components": panels.grid([[image for _, image in row] for row in strip.values()]),
        "spectrum": spectrum_picture(spectrum.power, card["settings"]["radii"], card["settings"]["geometry"]),
    }
    if audit.panels:
        pictures["followers"] = panels.grid([_parts(panel) for panel in audit.panels])
    pictures |= attack_pictures(audit.attacks)
    plots = _write_figures(charts, pictures, folder / "figures")
    return _write_page(
        folder / "report.html",
        "report.html.j2",
        plots=plots,
        title=f"{card['model']['name']} on {card['data']['name']}",
        card=card,
        strip=strip,
        strip_label=audit.strip.label,
        panels=[_panel(panel, card["data"]["classes"]) for panel in audit.panels],
        attacks=_attacks(card, audit.attacks, pictures),
        shown_classes=figures.shown_classes(card),
        spectrum=spectrum,
        spectrum_picture=pictures["spectrum"],
        manifest=_flat({key: card[key] for key in ("model", "data", "settings", "manifest")}),
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
    plots = _write_figures(attack_charts(card, found.spectrum), pictures, folder / "figures")
    return _write_page(
        folder / "attack.html",
        "attack.html.j2",
        plots=plots,
        title=f"{card['model']['name']} on {card['data']['name']} under attack",
        card=card,
        attacks=_attacks(card, found.attacks, pictures),
        spectrum=found.spectrum,
        manifest=_flat({key: card[key] for key in ("model", "data", "settings", "manifest")}),
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
    plots = _write_figures(_spectrum_charts(spectrum), {"spectrum": picture}, folder / "figures")
    return _write_page(
        folder / "spectrum.html",
        "spectrum.html.j2",
        plots=plots,
        title=f"The spectrum of {spectrum.name}",
        spectrum=spectrum,
        spectrum_picture=picture,
    )


def _audit_charts(card: dict[str, Any]) -> dict[str, Chart]:
    charts = {
        "accuracy-by-radius": figures.accuracy_by_radius(card),
        "energy-and-accuracy": figures.energy_and_accuracy(card),
        "agreement-by-radius": figures.measure_by_radius(card, "agreement"),
        "confidence-by-radius": figures.measure_by_radius(card, "confidence"),
        "loss-by-radius": figures.measure_by_radius(card, "loss"),
        "lfc-by-class": figures.accuracy_by_class(card, "lfc"),
        "hfc-by-class": figures.accuracy_by_class(card, "hfc"),
    }
    if card["hfc_followers"]["pairs"]:
        charts["followers-by-radius"] = figures.followers_by_radius(card)
    if card["ceiling"]:
        charts |= {"ceiling-linf": figures.ceiling(card, "linf"), "ceiling-l2": figures.ceiling(card, "l2")}
    return charts


def _spectrum_charts(spectrum: DataSpectrum) -> dict[str, Chart]:
    traces = [trace.radius for trace in spectrum.traces.findings if trace.radius is not None]
    return {
        "radial-power": radial_power(spectrum.radial.tolist(), traces),
        "energy-by-radius": energy_by_radius(spectrum.energy.tolist()),
    }


def _write_figures(
    charts: Mapping[str, Chart], pictures: Mapping[str, Image.Image], folder: Path
) -> list[Plot]:
    """Write all pictures into `folder` and return the charts as the page needs them."""
    convert = require("vl_convert", **PURPOSE)
    folder.mkdir(parents=True, exist_ok=True)
    plots = []
    for name, chart in charts.items():
        text = chart.to_json(indent=None)
        svg = convert.vegalite_to_svg(text, vl_version=_grammar(), allowed_base_urls=[])
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (folder / f"{name}.png").write_bytes(convert.svg_to_png(svg, scale=2))
        spec = json.loads(with_variables(text))
        spec |= {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
        plots.append(Plot(name, spec, with_variables(svg)))
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    return plots


def _write_page(path: Path, template: str, *, plots: Sequence[Plot], **content: Any) -> Path:
    page = _templates().get_template(template)
    text = page.render(
        plots={plot.name: plot for plot in plots},
        light=LIGHT,
        dark=DARK,
        script=_chart_library(),
        **content,
    )
    path.write_text(text, encoding="utf-8")
    return path


def _grammar() -> str:
    """Return the version of Vega-Lite that the installed altair writes, as `"6.4"`."""
    return ".".join(load_altair().SCHEMA_VERSION.removeprefix("v").split(".")[:2])


@cache
def _chart_library() -> str:
    return require("vl_convert", **PURPOSE).javascript_bundle(vl_version=_grammar())


@cache
def _templates() -> Environment:
    jinja2 = require("jinja2", **PURPOSE)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,  # names of models, data and classes are whatever a user's files say
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=words.percent,
        number=words.number,
        interval=words.interval,
        uri=panels.data_uri,
        bound=bound,
    )
    environment.globals.update(
        words=words,
        norms_of=norms_of,
        half_energy_radius=half_energy_radius,
        image_energy=image_energy,
    )
    return environment


def _strip(strip: Strip) -> dict[str, list[tuple[str, Image.Image]]]:
    """Return the example's rows: for each component, captions and pictures, the whole image first."""
    last = len(strip.radii) - 1
    shown = (
        range(last + 1)
        if last < MOST_STRIP
        else [round(i * last / (MOST_STRIP - 1)) for i in range(MOST_STRIP)]
    )
    captions = ["whole", *(words.number(strip.radii[i]) for i in shown)]
    rows = {"LFC": [strip.low[i] for i in shown], "HFC": [panels.visible(strip.high[i]) for i in shown]}
    return {
        name: list(zip(captions, map(panels.picture, [strip.original, *row]), strict=True))
        for name, row in rows.items()
    }


def _parts(panel: Panel) -> list[Image.Image]:
    return [panels.picture(part) for part in (panel.original, panel.low, panels.visible(panel.high))]


def _panel(panel: Panel, classes: Sequence[str]) -> dict[str, Any]:
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


def _attacks(
    card: dict[str, Any], attacks: Sequence[Attacked], pictures: Mapping[str, Image.Image]
) -> list[dict[str, Any]]:
    """Return each attack as the page shows it: the card's numbers, the names of its charts, its pictures."""
    return [
        {
            **attack,
            "by_class": name_of(attack, "by-class"),
            "spectrum": pictures.get(name_of(attack, "spectrum")),
            "examples": [_example(example, card["data"]["classes"]) for example in attacked.examples],
        }
        for attack, attacked in zip(attacks_of(card), attacks, strict=True)
    ]


def _example(example: Example, classes: Sequence[str]) -> dict[str, Any]:
    original, change, adversarial = example_pictures(example)
    before, after = (_bars(each, example.label, classes) for each in example.probabilities)
    return {
        "sample": example.sample,
        "label": classes[example.label],
        "epsilon": bound(example.epsilon),
        "parts": [
            {"name": "original", "image": original, "bars": before},
            {"name": "perturbation", "image": change, "bars": []},
            {"name": "adversarial image", "image": adversarial, "bars": after},
        ],
    }


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Return the leaves of nested dictionaries as (path, text)."""
    leaves = []
    for key, value in tree.items():
        if isinstance(value, Mapping):
            leaves += _flat(value, f"{prefix}{key}.")
        else:
            text = (
                ", ".join(map(str, value))
                if isinstance(value, list)
                else "none"
                if value is None
                else str(value)
            )
            leaves.append((prefix + key, text))
    return leaves
