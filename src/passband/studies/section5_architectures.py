"""Section 5.1, other tests: network architectures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from passband.analysis.claim import ANY, Claim, Rule, least_of
from passband.analysis.contrast import Contrast, accuracy, gap
from passband.analysis.figure import Bar, Figure, Panel, Role
from passband.frequency.component import High
from passband.studies.catalog import STUDIES
from passband.studies.deviations import Deviation
from passband.studies.presets import Preset, Setting
from passband.studies.study import Classifiers, Study

NETWORKS: dict[Preset, dict[str, tuple[str, int | None]]] = {
    "smoke": {"LeNet": ("lenet", 4), "AlexNet": ("alexnet", 4), "VGG": ("vgg11", 4)},
    "laptop": {"LeNet": ("lenet", None), "AlexNet": ("alexnet", 16), "VGG": ("vgg11", 16)},
    "paper": {"LeNet": ("lenet", None), "AlexNet": ("alexnet", None), "VGG": ("vgg16", None)},
}
"""Model and width of the older networks, by the label of their run."""


def runs(setting: Setting) -> Classifiers:
    """Return the vanilla run, which is the ResNet, and the same with older networks."""
    older = {
        label: replace(setting.vanilla, model=model, width=width)
        for label, (model, width) in NETWORKS[setting.preset].items()
    }
    return {**older, "ResNet": setting.vanilla}


def deviations(setting: Setting) -> tuple[Deviation, ...]:
    """Return what the paper leaves open, and what `laptop` changes."""
    return {
        "smoke": (),
        "laptop": (
            Deviation("other networks", "LeNet, AlexNet, VGG", "AlexNet and VGG-11 of width 16", "the hour"),
        ),
        "paper": (Deviation("depth of VGG", "not said", "16", "the one that the name most often means"),),
    }[setting.preset]


def claims(setting: Setting) -> tuple[Claim, ...]:
    """Return what section 5.1 says of the ResNet, against the nearest of the others."""
    sentence = "The ResNet architecture seems advantageous toward previous inventions at different levels: it reports "
    others = list(NETWORKS[setting.preset])

    def hfc(label: str) -> Contrast:
        return accuracy(label, component=High(4))

    return (
        Claim(
            sentence + "better vanilla test accuracy",
            "Accuracy on test images, ResNet minus each other network; the smallest difference.",
            least_of(*(accuracy("ResNet") - accuracy(other) for other in others)),
            Rule("above", ANY),
        ),
        Claim(
            sentence + "smaller generalization gap (difference between training and testing accuracy)",
            "Accuracy on training images minus accuracy on test images, each other network minus ResNet; the smallest "
            "difference.",
            least_of(*(gap(other) - gap("ResNet") for other in others)),
            Rule("above", ANY),
        ),
        Claim(
            sentence + "a weaker tendency in capturing HFC.",
            "Accuracy on the HFC of test images at r = 4, each other network minus ResNet; the smallest difference.",
            least_of(*(hfc(other) - hfc("ResNet") for other in others)),
            Rule("above", ANY),
        ),
    )


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
