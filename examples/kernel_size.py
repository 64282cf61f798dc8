"""Do larger kernels in the first layer make a network rely more on the LFC? A study of one's own, on networks of one's own.

passband study show examples/kernel_size.py:study --preset laptop
passband study run examples/kernel_size.py:study --preset laptop --seeds 3
"""

from dataclasses import replace

from torch import nn

from passband import High, Low, Study
from passband.analysis.claim import Claim
from passband.analysis.contrast import Term, accuracy
from passband.analysis.figure import Curve, Figure, Panel, shades
from passband.analysis.measures import difference
from passband.analysis.rule import ANY, Rule

SIZES = (3, 5, 7)


def network(kernel: int, num_classes: int, in_channels: int) -> nn.Module:
    """Return three convolutions, the first with kernels of this size."""
    channels = (16, 32)
    return nn.Sequential(
        *(nn.Conv2d(in_channels, channels[0], kernel, padding=kernel // 2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(channels[0], channels[1], 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(
            nn.Conv2d(channels[1], channels[1], 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        ),
        nn.Linear(4 * channels[1], num_classes),
    )


def kernel_3(num_classes, in_channels):
    """Return the network with 3x3 kernels; a run's `model` names this function."""
    return network(3, num_classes, in_channels)


def kernel_5(num_classes, in_channels):
    """Return the network with 5x5 kernels."""
    return network(5, num_classes, in_channels)


def kernel_7(num_classes, in_channels):
    """Return the network with 7x7 kernels."""
    return network(7, num_classes, in_channels)


def runs(setting):
    """Return the vanilla run with each network: data, epochs and optimizer are those of the preset."""
    of_own = replace(setting.vanilla, width=None, initialization=None)  # which only passband's networks have
    return {f"{size}x{size}": replace(of_own, model=f"python:{__file__}:kernel_{size}") for size in SIZES}


def claims(setting):
    """Return what would have to be measured for the answer to be yes."""
    small, *_, large = runs(setting)
    return tuple(
        Claim(
            f"larger kernels leave a network {more} accurate on the {kind.kind.upper()}",
            f"Accuracy on the {kind.kind.upper()} of test images at r = 8: {large} minus {small}.",
            difference(accuracy(large, component=kind(8)) - accuracy(small, component=kind(8))),
            Rule(side, ANY),
            asked_by="passband",  # the sentence is not the paper's
        )
        for kind, more, side in ((Low, "more", "above"), (High, "less", "below"))
    )


def figure(setting):
    """Return accuracy on each component by epoch, one curve a network."""
    kinds = list(zip(runs(setting), shades(len(SIZES)), strict=True))
    panels = [
        Panel(
            f"{kind.kind.upper()}, r = 8",
            tuple(
                Curve(label, kind.kind, shade, term=Term(label, "test", str(kind(8))))
                for label, shade in kinds
            ),
            y=f"accuracy on the {kind.kind.upper()}",
        )
        for kind in (Low, High)
    ]
    return Figure((tuple(panels),))


study = Study(
    name="kernel-size",
    title="Kernels of 3x3, 5x5 and 7x7 pixels in the first layer",
    source="not in the paper",
    question="Do larger kernels in the first layer make a network rely more on the LFC?",
    runs=runs,
    claims=claims,
    figure=figure,
)
