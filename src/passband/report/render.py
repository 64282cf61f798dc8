"""From charts, pictures and a template to files: a page that asks the network for nothing, and its figures."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from passband.attacks.epsilon import write_epsilon
from passband.audit.card import Card
from passband.files import slug
from passband.optional import require
from passband.report import panels, words
from passband.report.attacks import half_energy_radius, image_energy, norms_of
from passband.report.figures import FEWEST
from passband.report.theme import DARK, LIGHT, Chart, load_altair, with_variables
from passband.report.verdict import gate, warnings

if TYPE_CHECKING:
    from jinja2 import Environment
else:  # jinja2 is optional, and types are checked while the tests run
    Environment = Any

MANIFEST = ("model", "data", "settings", "manifest")  # parts of a card that say how it was measured
CONTENTS = "<!-- contents -->"  # of a template, where the list of sections goes
PURPOSE = {"extra": "report", "purpose": "writing a report"}


@dataclass(frozen=True)
class Plot:
    """A chart for the page: its description for the browser's renderer, a still picture, and its numbers as CSV."""

    name: str
    spec: dict[str, Any]
    svg: str
    csv: str


def write_figures(
    charts: Mapping[str, Chart], pictures: Mapping[str, Image.Image], folder: Path
) -> list[Plot]:
    """Write all charts and pictures as files and return the charts as the page needs them.

    Args:
        charts: By name; each is written as SVG, PDF and PNG, on paper, since a file may be looked at on a dark page.
        pictures: By name; each is written as PNG.
        folder: Where to write; made if it is not there.

    Raises:
        MissingDependencyError: If altair or vl-convert is not installed.
    """
    convert = require("vl_convert", **PURPOSE)
    folder.mkdir(parents=True, exist_ok=True)
    plots = []
    for name, chart in charts.items():
        text = chart.to_json(indent=None)
        draw = partial(convert.vegalite_to_svg, vl_version=_grammar(), allowed_base_urls=[])
        svg, on_paper = draw(text), draw(json.loads(text) | {"background": LIGHT["paper"]})
        (folder / f"{name}.svg").write_text(on_paper, encoding="utf-8")
        (folder / f"{name}.pdf").write_bytes(convert.svg_to_pdf(on_paper))
        (folder / f"{name}.png").write_bytes(convert.svg_to_png(on_paper, scale=2))
        spec = json.loads(with_variables(text))
        spec |= {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
        plots.append(Plot(name, spec, with_variables(svg), _csv(json.loads(text))))
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    return plots


def write_page(path: Path, template: str, *, plots: Sequence[Plot], **content: Any) -> Path:
    """Fill a template and write the page, which holds its charts and the library that draws them.

    Args:
        path: Where to write.
        template: Name of a file beside this one.
        plots: From `write_figures`.
        content: What else the template shows.

    Raises:
        MissingDependencyError: If altair, vl-convert or jinja2 is not installed.
    """
    page = _templates().get_template(template)
    text = page.render(
        plots={plot.name: plot for plot in plots},
        light=LIGHT,
        dark=DARK,
        script=_chart_library() if plots else "",
        **content,
    )
    path.write_text(with_contents(text), encoding="utf-8")
    return path


def with_contents(page: str) -> str:
    """Return a page whose sections can be linked to, and whose marks for a list of contents hold one.

    Each `<h2>` is a section; its name for links is its own `id`, or follows from its title.
    """
    sections: list[tuple[str, str]] = []

    def with_name(heading: re.Match[str]) -> str:
        title = heading["title"]
        name = heading["name"] or slug(re.sub(r"<[^>]*>", "", title).lower())
        sections.append((name, title))
        return f'<h2 id="{name}">{title}</h2>'

    start, end = page.index("<main"), page.index("</main>")
    main = re.sub(r'<h2(?: id="(?P<name>[^"]*)")?>(?P<title>.*?)</h2>', with_name, page[start:end])
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title in sections)
    return (page[:start] + main + page[end:]).replace(CONTENTS, f"<ol>{links}</ol>" if links else "")


def manifest_lines(card: Card) -> list[tuple[str, str]]:
    """Return what a card says of how it was measured, as (path, text)."""
    return _flat({key: part for key, part in card.to_dict().items() if key in MANIFEST})


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


def _csv(spec: Mapping[str, Any]) -> str:
    """Return the numbers of a chart, which are the largest of its tables: others hold names and where they stand."""
    rows = max(_tables(spec), key=len, default=[])
    columns = list(dict.fromkeys(name for row in rows for name in row))
    csv.writer(text := io.StringIO(), lineterminator="\n").writerows(
        [columns, *([row.get(name) for name in columns] for row in rows)]
    )
    return text.getvalue()


def _tables(spec: Any) -> Iterator[list[dict[str, Any]]]:
    """Yield the tables of a chart: altair has those that several layers share under a name."""
    if isinstance(spec, Mapping):
        yield from spec.get("datasets", {}).values()
        if isinstance(data := spec.get("data"), Mapping) and "values" in data:
            yield data["values"]
        for name, part in spec.items():
            if name not in ("data", "datasets"):
                yield from _tables(part)
    elif isinstance(spec, list):
        for part in spec:
            yield from _tables(part)


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
        csv_uri=panels.csv_uri,
        resting=words.resting,
        capitalized=words.capitalized,
        write_epsilon=write_epsilon,
    )
    environment.globals.update(
        words=words,
        fewest=FEWEST,
        gate=gate,
        warnings=warnings,
        norms_of=norms_of,
        half_energy_radius=half_energy_radius,
        image_energy=image_energy,
    )
    return environment
