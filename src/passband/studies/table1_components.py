"""Table 1: trained on one component, tested on whole images."""

from __future__ import annotations

from dataclasses import replace

from passband.analysis.claim import Claim
from passband.analysis.contrast import accuracy, fit
from passband.analysis.figure import Bar, Figure, Panel
from passband.analysis.measures import difference
from passband.analysis.rule import MUCH, Rule
from passband.analysis.table import SummaryTable
from passband.frequency.component import High, Low
from passband.studies.catalog import STUDIES
from passband.studies.conditions import fitted, learned
from passband.studies.presets import Setting
from passband.studies.study import Classifiers, Study


def runs(setting: Setting) -> Classifiers:
    """Return a run on the LFC and one on the HFC at each radius, and the vanilla run."""
    return {"original": setting.vanilla} | {
        f"{kind.kind}-{radius:g}": replace(setting.vanilla, component=str(kind(radius)))
        for kind in (Low, High)
        for radius in setting.radii
    }


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 4.2 says of Table 1, at each radius."""
    return tuple(
        Claim(
            "Table 1 suggests that LFC is much more “generalizable” than HFC.",
            f"Accuracy on original test images: trained on the LFC minus trained on the HFC at r = {radius:g}.",
            difference(accuracy(f"lfc-{radius:g}") - accuracy(f"hfc-{radius:g}")),
            Rule("above", MUCH),
            conditions=(learned("original"), fitted(f"lfc-{radius:g}", f"hfc-{radius:g}")),
        )
        for radius in setting.radii
    )


def figure(setting: Setting) -> Figure:
    """Return accuracy on what was trained on, and on original test images, as Table 1 has them."""
    panels = []
    for title, measure in (
        ("Training accuracy, on what was trained on", fit),
        ("Test accuracy, on original images", accuracy),
    ):
        bars = [Bar("original", "full", category="all", contrast=measure("original"))]
        for component in ("lfc", "hfc"):
            bars += [
                Bar(
                    component.upper(),
                    component,
                    category=f"r = {radius:g}",
                    contrast=measure(f"{component}-{radius:g}"),
                )
                for radius in setting.radii
            ]
        panels.append(Panel(title, tuple(bars), x=""))
    return Figure((tuple(panels),))


def table(setting: Setting) -> SummaryTable:
    """Return Table 1, with a row for each training set."""
    return SummaryTable(
        name="table1",
        title="Table 1: trained on a component, tested on original images",
        head="trained on",
        rows={label: {"fit": fit(label), "test": accuracy(label)} for label in runs(setting)},
    )


TRAIN_ON_COMPONENTS = Study(
    *STUDIES.lines["train-on-components"],
    runs=runs,
    claims=claims,
    figure=figure,
    table=table,
)
