"""Draw docs/results/figures/cifar10.png from a run, and print the table of docs/results/cifar10.md.

    mkdir --parents results && tar --extract --file docs/results/runs/cifar10-resnet32.tar.xz --directory results
    python scripts/write_cifar10.py results/runs/aee9d011b87c

The run is that of docs/results/cifar10.md.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from passband.analysis.contrast import Term
from passband.analysis.figure import TABLE, Curve, Figure, Level, Panel, figure_table, shades
from passband.frequency.component import Low
from passband.report.figure import draw
from passband.report.svg import write_chart
from passband.results.tables import read_runs

HOME = Path(__file__).parents[1] / "docs" / "results"
RADII = (4, 8, 12, 16)
POSTER = {4: 0.27, 8: 0.62, 12: 0.89, 16: 0.96}
"""Training accuracy on the LFC after 100 epochs on natural labels, read off the authors' poster, within about 0.02."""


def panel(title: str, subset: str) -> Panel:
    """Return the accuracy on whole images and LFCs along training; of training images, beside where the poster ends."""
    whole = Curve("original", "full", term=Term("run", subset))
    low = [
        Curve(f"LFC, r = {radius}", "lfc", shade, term=Term("run", subset, str(Low(radius))))
        for radius, shade in zip(RADII, shades(len(RADII)), strict=True)
    ]
    levels = [
        Level(f"poster, r = {radius}", "ochre", shade, dashed=True, at=Term("run", subset, str(Low(radius))))
        for radius, shade in zip(RADII, shades(len(RADII)), strict=True)
    ]
    return Panel(title, (whole, *low, *(levels if subset == "train" else ())))


def poster(title: str) -> pl.DataFrame:
    """Return the poster's numbers as rows of a figure's table."""
    rows = [
        {"panel": title, "series": f"poster, r = {radius}", "value": value}
        for radius, value in POSTER.items()
    ]
    return pl.DataFrame([dict.fromkeys(TABLE) | row for row in rows], schema=TABLE)


def table(drawn: pl.DataFrame, panels: tuple[Panel, ...]) -> Iterator[str]:
    """Yield the curves as a Markdown table, an epoch a line."""
    names = ["original", *(f"LFC, r = {radius}" for radius in RADII)]
    for epoch in sorted(drawn["x"].drop_nulls().unique()):
        cells = [
            f"{drawn.filter(pl.col('panel') == each.title, pl.col('series') == name, pl.col('x') == epoch)['value'].item():.3f}"
            for each in panels
            for name in names
        ]
        yield f"| {epoch:.0f} | {' | '.join(cell.removeprefix('0') for cell in cells)} |"


def main() -> None:
    """Read the command line, draw and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    asked = parser.parse_args()
    panels = (panel("Training images", "train"), panel("Test images", "test"))
    figure = Figure((panels,))
    curves = figure_table(figure, read_runs([("run", asked.run)])).filter(
        ~pl.col("series").str.starts_with("poster")
    )
    with tempfile.TemporaryDirectory() as made:
        chart = draw(figure, pl.concat([curves, poster(panels[0].title)]))
        write_chart(chart, Path(made), "cifar10", purpose="this figure")
        shutil.copyfile(Path(made) / "cifar10.png", HOME / "figures" / "cifar10.png")
    print("\n".join(table(curves, panels)))


if __name__ == "__main__":
    main()
