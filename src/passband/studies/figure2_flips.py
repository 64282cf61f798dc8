"""Figure 2: images whose prediction follows the HFC, in several networks, on test and on training images."""

from __future__ import annotations

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, Term
from passband.analysis.figure import Curve, Figure, Panel, Role
from passband.analysis.measures import difference
from passband.analysis.rule import ANY, Rule
from passband.frequency.component import High
from passband.instruments.flips import Flips
from passband.instruments.instrument import Instrument
from passband.instruments.on_training import OnTraining
from passband.rows import FLIPS, FLIPS_BEYOND_CHANCE, FLIPS_BY_CHANCE
from passband.studies import figure5_heuristics
from passband.studies.catalog import STUDIES
from passband.studies.conditions import adversary, learned, robust
from passband.studies.deviations import Deviation
from passband.studies.presets import Setting
from passband.studies.study import Classifiers, Study
from passband.types import Subset

NATURAL = "vanilla"
NETWORKS: dict[str, Role] = {NATURAL: "full", "mixup": "hfc", "batchnorm": "lfc", "adversarial": "energy"}
"""Those of Figure 5 that are compared, and their colors."""

SUBSETS: dict[Subset, str] = {"test": "Test images", "train": "Training images"}


def runs(setting: Setting) -> Classifiers:
    """Return the natural network, and those trained with mixup, BatchNorm and attacks."""
    known = figure5_heuristics.runs(setting)
    return {label: known[label] for label in NETWORKS}


def measurements(setting: Setting) -> dict[str, tuple[Instrument, ...]]:
    """Return Figure 2's images among a network's test images, and among those it was trained on; and whether one is robust."""
    flips = Flips(setting.radii)
    attacked = {label: (adversary(setting),) for label in (NATURAL, "adversarial")}
    return {label: (flips, OnTraining(flips), *attacked.get(label, ())) for label in NETWORKS}


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what Figure 2 says, and how the networks compare."""
    where = f"mean over r = {', '.join(f'{radius:g}' for radius in setting.radii)}"
    flips = "images predicted right as a whole and from the HFC, and wrong from the LFC, less what chance would make"
    return (
        Claim(
            "For these examples, the prediction outcomes are almost entirely determined by the high-frequency components of the image",
            f"Share of test {flips}, {where}.",
            difference(_beyond(NATURAL)),
            Rule("above", ANY),
            conditions=(learned(NATURAL),),
        ),
        Claim(
            "there are such examples among the images that a network was trained on, too",
            f"Share of training {flips}, {where}.",
            difference(_beyond(NATURAL, "train")),
            Rule("above", ANY),
            asked_by="passband",
            conditions=(learned(NATURAL),),
        ),
        Claim(
            "more of the images that a network was trained on follow their HFC than of others",
            f"Share of {flips}, {where}: training images minus test images.",
            difference(_beyond(NATURAL, "train") - _beyond(NATURAL)),
            Rule("above", ANY),
            asked_by="passband",
            conditions=(learned(NATURAL),),
        ),
        *(
            Claim(
                f"with {label}, more images follow their HFC",
                f"Share of test {flips}, {where}: {label} minus vanilla, image by image.",
                difference(_beyond(label) - _beyond(NATURAL)),
                Rule("above", ANY),
                asked_by="passband",
                conditions=(learned(NATURAL, label),),
            )
            for label in ("mixup", "batchnorm")
        ),
        Claim(
            "with adversarial training, fewer images follow their HFC",
            f"Share of test {flips}, {where}: vanilla minus adversarial, image by image.",
            difference(_beyond(NATURAL) - _beyond("adversarial")),
            Rule("above", ANY),
            asked_by="passband",
            conditions=(learned(NATURAL), robust("adversarial", NATURAL, setting)),
        ),
    )


def figure(setting: Setting) -> Figure:
    """Return the counts by radius beside chance, and by how much they exceed it, on test and on training images."""
    return Figure(tuple((_counts(subset, name), _excess(subset, name)) for subset, name in SUBSETS.items()))


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what the paper leaves open, and what adversarial training does otherwise."""
    return (
        Deviation(
            "chance",
            "not said",
            "stands beside each count",
            "a network that names one class for all it is lost on has such images, too",
        ),
        Deviation(
            "images",
            "eight test images of CIFAR-10",
            "all, with all radii: samples.parquet, the surest first",
            "eight images show that there are some, not how many",
        ),
        *figure5_heuristics.adversarial_deviations(setting),
    )


def _beyond(label: str, subset: Subset = "test") -> Contrast:
    """Return by how much the share exceeds chance, as the mean over the radii."""
    return Contrast((Term(label, subset, High.kind, FLIPS_BEYOND_CHANCE),))


def _counts(subset: Subset, name: str) -> Panel:
    curves = [
        Curve(
            f"{label}{text}",
            role,
            dashed=bool(text),
            term=Term(label, subset, High.kind, metric),
            along="radius",
        )
        for metric, text in ((FLIPS, ""), (FLIPS_BY_CHANCE, ", by chance"))
        for label, role in NETWORKS.items()
    ]
    return Panel(
        f"{name}: right on image and HFC, wrong on LFC", tuple(curves), x="radius", y="share of images"
    )


def _excess(subset: Subset, name: str) -> Panel:
    curves = tuple(
        Curve(label, role, term=Term(label, subset, High.kind, FLIPS_BEYOND_CHANCE), along="radius")
        for label, role in NETWORKS.items()
    )
    y = "share of images, less chance"
    return Panel(f"{name}: more than by chance", curves, x="radius", y=y, percent=True)


FLIPS_STUDY = Study(
    *STUDIES.lines["flips"],
    runs=runs,
    claims=claims,
    figure=figure,
    measurements=measurements,
    deviations=deviations,
)
