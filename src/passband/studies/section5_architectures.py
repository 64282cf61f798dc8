"""Section 5.1, other tests: network architectures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from passband.analysis.claim import Claim
from passband.analysis.contrast import Contrast, accuracy, gap
from passband.analysis.figure import Bar, Figure, Panel, Role
from passband.analysis.measures import difference, least_of
from passband.analysis.rule import ANY, Rule
from passband.frequency.component import High
from passband.studies.catalog import STUDIES
from passband.studies.conditions import equally_trained, learned
from passband.studies.deviations import Deviation
from passband.studies.presets import Preset, Setting
from passband.studies.study import Classifiers, Study


class Network(NamedTuple):
    """A network of the comparison: its architecture, its width, and the rate that it is trained with; None is the vanilla run's."""

    model: str
    width: int | None
    rate: float | None = None


OLDER = ("LeNet", "AlexNet", "VGG")
"""The previous inventions that the paper names."""

LATER = ("ViT", "ConvNeXt")
"""Those that came after the paper."""

RESNET = "ResNet"

NETWORKS: dict[Preset, dict[str, Network]] = {
    "smoke": {
        "LeNet": Network("lenet", 4),
        "AlexNet": Network("alexnet", 4),
        "VGG": Network("vgg11", 4),
        "ViT": Network("vit", 4),
        "ConvNeXt": Network("convnext", 4),
        RESNET: Network("resnet8", 4),
    },
    "laptop": {
        "LeNet": Network("lenet", 8, 3e-3),
        "AlexNet": Network("alexnet", 8, 3e-3),
        "VGG": Network("vgg11", 7, 3e-3),
        "ViT": Network("vit", 40, 3e-3),
        "ConvNeXt": Network("convnext", 16, 3e-3),
        RESNET: Network("resnet8", 20),
    },
    "paper": {
        "LeNet": Network("lenet", None),
        "AlexNet": Network("alexnet", None),
        "VGG": Network("vgg16", None),
        RESNET: Network("resnet18", None),
    },
}
"""By the label of their run. Those of `laptop` have about 117,000 parameters each, within 8% for color images of 32x32 pixels, and of a few
rates (`scripts/sweep_rates.py`) the one that brings each nearest to the ResNet's accuracy on the built-in training images: what networks do
beyond these can be compared where they do as well on them."""


def runs(setting: Setting) -> Classifiers:
    """Return the vanilla run with each network; with the vanilla run's own it is that run."""
    vanilla = setting.vanilla
    return {
        label: vanilla
        if label == RESNET and setting.preset == "paper"
        else replace(
            vanilla, model=one.model, width=one.width, learning_rate=one.rate or vanilla.learning_rate
        )
        for label, one in NETWORKS[setting.preset].items()
    }


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what the paper leaves open, and what `laptop` changes."""
    return {
        "smoke": (),
        "laptop": (
            Deviation(
                "sizes of networks",
                "not said",
                "about 117,000 parameters each",
                "a difference is that of architectures, and not of sizes",
            ),
            Deviation(
                "rates of networks",
                "not said",
                "of a few those with which they learn as much of the built-in training images as the ResNet",
                "gaps and uses of the HFC are those of equally trained networks",
            ),
            Deviation(
                "later networks", "none", "a vision transformer and a ConvNeXt", "what people train today"
            ),
        ),
        "paper": (Deviation("depth of VGG", "not said", "16", "the one that the name most often means"),),
    }[setting.preset]


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 5.1 says of the ResNet, against the nearest of the older ones; then, of ours, later ones against the ResNet."""
    sentence = "The ResNet architecture seems advantageous toward previous inventions at different levels: it reports "
    trained = learned(RESNET, *OLDER)
    return (
        Claim(
            sentence + "better vanilla test accuracy",
            "Accuracy on test images, ResNet minus each older network; the smallest difference.",
            least_of(*(accuracy(RESNET) - accuracy(other) for other in OLDER)),
            Rule("above", ANY),
            conditions=(trained,),
        ),
        Claim(
            sentence + "smaller generalization gap (difference between training and testing accuracy)",
            "Accuracy on training images minus accuracy on test images, each older network minus ResNet; the smallest "
            "difference.",
            least_of(*(gap(other) - gap(RESNET) for other in OLDER)),
            Rule("above", ANY),
            conditions=(trained, equally_trained(RESNET, *OLDER)),
        ),
        Claim(
            sentence + "a weaker tendency in capturing HFC.",
            "Accuracy on the HFC of test images at r = 4, each older network minus ResNet; the smallest difference.",
            least_of(*(_hfc(other) - _hfc(RESNET) for other in OLDER)),
            Rule("above", ANY),
            conditions=(trained,),
        ),
        *(
            Claim(
                f"a {label} captures less of the HFC than a ResNet of its size",
                f"Accuracy on the HFC of test images at r = 4, ResNet minus {label}.",
                difference(_hfc(RESNET) - _hfc(label)),
                Rule("above", ANY),
                asked_by="passband",
                conditions=(learned(RESNET, label),),
            )
            for label in LATER
            if label in NETWORKS[setting.preset]
        ),
    )


def _hfc(label: str) -> Contrast:
    return accuracy(label, component=High(4))


def figure(setting: Setting) -> Figure:
    """Return bars of test accuracy, gap, and accuracy on the HFC at each radius."""
    return bars_of(list(runs(setting)), setting.radii)


def bars_of(labels: list[str], radii: tuple[float, ...]) -> Figure:
    """Return bars of test accuracy, generalization gap and HFC accuracy at each radius, one bar a run."""

    def panel(title: str, y: str, role: Role, contrast: Callable[[str], Contrast]) -> Panel:
        bars = (Bar(title, role, category=label, contrast=contrast(label)) for label in labels)
        return Panel(title, tuple(bars), x="", y=y)

    def hfc(label: str, radius: float) -> Contrast:
        return accuracy(label, component=High(radius))

    whole = (
        panel("test", "accuracy", "full", accuracy),
        panel("generalization gap", "train minus test", "muted", gap),
    )
    high = (
        panel(f"HFC, r = {radius:g}", "accuracy on the HFC", "hfc", partial(hfc, radius=radius))
        for radius in radii
    )
    return Figure((whole, tuple(high)))


ARCHITECTURES = Study(
    *STUDIES.lines["architectures"],
    runs=runs,
    claims=claims,
    figure=figure,
    deviations=deviations,
)
