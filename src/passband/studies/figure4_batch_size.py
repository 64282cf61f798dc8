"""Figure 4: batch sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, Term, accuracy, gap
from passband.analysis.figure import Curve, Figure, Panel, Point, shades
from passband.analysis.measures import correlation_of, difference
from passband.analysis.rule import ANY, Rule
from passband.frequency.component import FULL, Component, High, Low
from passband.studies.catalog import STUDIES
from passband.studies.conditions import equally_trained, learned
from passband.studies.deviations import Deviation
from passband.studies.presets import Preset, Setting
from passband.studies.study import Classifiers, Study
from passband.types import Subset

BATCH_SIZES: dict[Preset, tuple[int, ...]] = {
    "smoke": (10, 20, 30, 60),
    "laptop": (25, 50, 100, 200, 400),
    "paper": (25, 50, 100, 200, 400),
}
"""Ascending; one is that of the vanilla run."""

EQUAL_STEPS: dict[Preset, tuple[int, ...]] = {"smoke": (), "laptop": (50, 200), "paper": (50, 200)}
"""Those that are trained for as many steps as the vanilla run too: a smaller batch takes more of them in an epoch."""

AT_EQUAL_STEPS = ", equal steps"


def runs(setting: Setting) -> Classifiers:
    """Return the vanilla run with each batch size; one of them is its own."""
    vanilla = setting.vanilla
    return {f"batch {size}": replace(vanilla, batch_size=size) for size in BATCH_SIZES[setting.preset]} | {
        f"batch {size}{AT_EQUAL_STEPS}": replace(
            vanilla, batch_size=size, epochs=max(1, round(vanilla.epochs * size / vanilla.batch_size))
        )
        for size in EQUAL_STEPS[setting.preset]
    }


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what the paper leaves open."""
    chosen = Deviation("batch sizes", "several, not said which", "25 to 400", "around the vanilla run's 100")
    return () if setting.preset == "smoke" else (chosen,)


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 5.1 says of batch sizes: the smallest against the largest; then, of ours, at equal steps."""
    sizes = BATCH_SIZES[setting.preset]
    labels = [f"batch {size}" for size in sizes]
    found = _of_two(labels[0], labels[-1], "paper")
    if equal := EQUAL_STEPS[setting.preset]:
        found += _of_two(
            f"batch {equal[0]}{AT_EQUAL_STEPS}", f"batch {equal[-1]}{AT_EQUAL_STEPS}", "passband"
        )
    return (
        *found,
        Claim(
            "it seems the generalization gap is closely related to the model’s tendency in capturing HFC",
            "Correlation over batch sizes of the generalization gap with the mean accuracy on the HFC of test images over "
            "all radii.",
            correlation_of(labels, gap, lambda label: [_hfc(label, radius) for radius in setting.radii]),
            Rule("above", ANY),
            conditions=(learned(*labels), equally_trained(*labels)),
        ),
    )


def _of_two(small: str, large: str, asked_by: Literal["paper", "passband"]) -> tuple[Claim, ...]:
    """Return what is said of a small and a large batch."""
    these = f"{small} minus {large}"
    better = "smaller batch size appears to excel in improving training and testing accuracy"
    trained = learned(small, large)
    return (
        Claim(
            better,
            f"Accuracy on clean training images: {these}.",
            difference(accuracy(small, "train") - accuracy(large, "train")),
            Rule("above", ANY),
            asked_by,
            (learned(small),),
        ),
        Claim(
            better,
            f"Accuracy on test images: {these}.",
            difference(accuracy(small) - accuracy(large)),
            Rule("above", ANY),
            asked_by,
            (learned(small),),
        ),
        Claim(
            "bigger batch size seems to stand out in closing the generalization gap.",
            f"Accuracy on training images minus accuracy on test images: {these}.",
            difference(gap(small) - gap(large)),
            Rule("above", ANY),
            asked_by,
            (trained, equally_trained(small, large)),
        ),
        Claim(
            "models trained with bigger epoch sizes are more invariant to HFC",
            f"Accuracy on the HFC of test images at r = 4 (by epoch size the paper means batch size): {these}.",
            difference(accuracy(small, component=High(4)) - accuracy(large, component=High(4))),
            Rule("above", ANY),
            asked_by,
            (trained,),
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return train, test, LFC and HFC accuracy by epoch, and the gap against HFC accuracy, by batch size."""
    sizes = BATCH_SIZES[setting.preset]
    pale_to_full = dict(zip(sizes, shades(len(sizes)), strict=True))
    looks = {f"batch {size}": (pale_to_full[size], False) for size in sizes} | {
        f"batch {size}{AT_EQUAL_STEPS}": (pale_to_full[size], True) for size in EQUAL_STEPS[setting.preset]
    }

    def panel(
        title: str,
        y: str,
        subset: Subset = "test",
        component: Component = FULL,
    ) -> Panel:
        curves = (
            Curve(label, "full", shade, dashed, term=Term(label, subset, str(component)))
            for label, (shade, dashed) in looks.items()
        )
        return Panel(title, tuple(curves), y=y)

    across = (
        Point(
            label,
            "full",
            shade,
            dashed,
            x=tuple(_hfc(label, radius) for radius in setting.radii),
            y=gap(label),
        )
        for label, (shade, dashed) in looks.items()
    )
    whole = (
        panel("train", "accuracy", "train"),
        panel("test", "accuracy"),
        Panel("gap by HFC", tuple(across), x="accuracy on the HFC, mean over radii", y="train minus test"),
    )
    low, high = (
        tuple(
            panel(
                f"{kind.kind.upper()}, r = {radius:g}",
                f"accuracy on the {kind.kind.upper()}",
                component=kind(radius),
            )
            for radius in setting.radii
        )
        for kind in (Low, High)
    )
    return Figure((whole, low, high))


def _hfc(label: str, radius: float) -> Contrast:
    return accuracy(label, component=High(radius))


BATCH_SIZE = Study(
    *STUDIES.lines["batch-size"],
    runs=runs,
    claims=claims,
    figure=figure,
    deviations=deviations,
)
