"""How large a study is: what its vanilla run is, and the numbers that the paper or the computer decide.

`paper` is the protocol of sections 4.2 and 5, with two readings where the text and the released code differ. `laptop`
keeps the questions and shrinks networks, epochs and data; what it changes is listed as data (`Departure`), and
`passband study show` prints it. `smoke` only shows that everything runs.

The budget of `laptop` on ten-class images at 32x32 pixels, 9,469 of them, one seed. A run's time follows from the
images that go forward and back, at about 860 a second and thread for resnet8 and 470 for resnet14 (one CPU thread
each), plus a probe as large as 22,000 of them (5 epochs on 400 images, the last on 2,400; see `engine.probe`):

| runs | number | images each | thread seconds |
|---|---|---|---|
| vanilla, shared by five studies | 1 | 12 x 9,469 | 160 |
| on an LFC or HFC, the LFC shared by two studies | 8 | 12 x 9,469 | 1,270 |
| on an LFC with BatchNorm | 4 | 12 x 9,469 | 640 |
| batch sizes | 4 | 12 x 9,469 | 640 |
| dropout, mixup, BatchNorm twice | 4 | 12 x 9,469 | 640 |
| adversarial, 3 PGD steps | 1 | 4 x 12 x 9,469 | 560 |
| LeNet, AlexNet, VGG | 3 | 12 x 9,469 | 300 |
| optimizers | 4 | 12 x 9,469 | 640 |
| natural and shuffled labels, resnet14 | 2 | 15 and 40 x 3,000 | 450 |
| adversarial LeNet, 3 PGD steps, at 1,250 a second | 1 | 4 x 12 x 9,469 | 380 |
| all training runs | 32 | | 5,700: 47 minutes on two threads |

Measured on two cores: 33 minutes for the first 31 runs. Measurements of finished networks come on top. They take seconds
each for kernels and for Corollary 1; those of Table 2 took 40 to 80 seconds each for the natural network and 170 to 330 for
the adversarial one, on one thread, since AutoAttack needs about 2,000 gradients and 5,000 answers for an image that
withstands it: 23 minutes with two workers for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from passband.attacks import PGD
from passband.data.load import load_dataset
from passband.engine.probe import Probe
from passband.errors import InputError, UnknownNameError
from passband.studies.deviations import LAPTOP, NOT_FOLLOWED, NOT_SAID, SMOKE, Departure
from passband.train.adversarial import Adversary
from passband.train.config import RunConfig

Source = Literal["text", "code"]
"""Which reading of the paper: its text, or the code that its authors released."""


STRONG = PGD(steps=20)
"""Twice the steps of the PGD in training."""

EPSILONS = (0.03, 0.06, 0.09)
"""Those of Table 2."""


@dataclass(frozen=True)
class Threat:
    """What finished networks are attacked with: FGSM, PGD and AutoAttack in linf.

    Attributes:
        epsilons: Bounds of the perturbation, ascending.
        pgd: The settings of PGD.
        samples: Random test images that are attacked; None is all.
        autoattack_samples: How many of these AutoAttack has, from the first on; None is all.
        autoattack_epsilons: Its bounds, some of `epsilons` or all, the largest among them.
    """

    epsilons: tuple[float, ...] = EPSILONS
    pgd: PGD = STRONG
    samples: int | None = None
    autoattack_samples: int | None = 1_000
    autoattack_epsilons: tuple[float, ...] = EPSILONS

    def __post_init__(self) -> None:
        """Check that AutoAttack's epsilons are among the others.

        Raises:
            InputError: If not, or if the largest is missing.
        """
        if not {self.epsilons[-1]} <= set(self.autoattack_epsilons) <= set(self.epsilons):
            raise InputError(
                f"AutoAttack's epsilons must be some of {self.epsilons}, the largest among them, got "
                f"{self.autoattack_epsilons}"
            )


@dataclass(frozen=True)
class Setting:
    """Everything that a study needs to know to list its runs.

    Attributes:
        preset: The name of the preset.
        data: The data set, as `load_dataset` takes it.
        source: Which reading of the paper.
        vanilla: The run that all studies vary.
        probe: What is measured along every run: one for all, so that studies can share runs.
        natural: The run that label shuffling is compared with.
        shuffled_epochs: How long the network trains on shuffled labels.
        batch_sizes: Those compared, ascending; one is that of `vanilla`.
        adversary: What networks are attacked with in adversarial training.
        augment: Whether images are augmented there.
        mixup: Its alpha.
        batch_statistics: Whether BatchNorm uses the batch's statistics at test in the study of Figure 6.
        rates: Learning rates of the optimizers that do not take their own.
        networks: Model and width of LeNet, AlexNet and VGG, by the label of their run.
        threat: What finished networks are attacked with.
        rhos: How much the first layer's kernels are smoothed, ascending from 0, as in Table 2.
        departures: What is done otherwise than in the paper.
    """

    preset: str
    data: str
    source: Source
    vanilla: RunConfig
    probe: Probe
    natural: RunConfig
    shuffled_epochs: int
    batch_sizes: tuple[int, ...]
    adversary: Adversary
    augment: bool = False
    mixup: float = 0.5
    batch_statistics: bool = False
    rates: Mapping[str, float] = field(default_factory=dict)
    networks: Mapping[str, tuple[str, int | None]] = field(
        default_factory=lambda: {
            "LeNet": ("lenet", None),
            "AlexNet": ("alexnet", None),
            "VGG": ("vgg16", None),
        }
    )
    threat: Threat = Threat()
    rhos: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 1.0)
    departures: tuple[Departure, ...] = ()

    def attacked(self, config: RunConfig) -> RunConfig:
        """Return the same run with adversarial training."""
        return replace(config, adversarial=self.adversary, augment=self.augment)

    @property
    def radii(self) -> tuple[float, ...]:
        """The radii of Figures 3 to 6 and Table 1."""
        return self.probe.radii


def find_setting(preset: str, data: str, source: str = "text") -> Setting:
    """Return what a preset makes of a data set.

    Args:
        preset: `"smoke"`, `"laptop"` or `"paper"`.
        data: As `load_dataset` takes it. One image of it is read here, for its size.
        source: `"text"` or `"code"`.

    Raises:
        UnknownNameError: If there is no such preset, source or data set.
        InputError: If the data cannot be loaded.
    """
    if preset not in PRESETS:
        raise UnknownNameError("preset", preset, PRESETS)
    if source not in get_args(Source):
        raise UnknownNameError("source", source, get_args(Source))
    text = PRESETS[preset](data)
    return text if source == "text" else _code(text)


def _paper(data: str) -> Setting:
    vanilla = RunConfig(data, model="resnet18", epochs=100, learning_rate=1e-4, batch_size=100)  # section 4.2
    return Setting(
        preset="paper",
        data=data,
        source="text",
        vanilla=vanilla,
        probe=Probe.full(),
        natural=vanilla,
        shuffled_epochs=300,
        batch_sizes=BATCH_SIZES,
        adversary=Adversary(8 / 255),
        departures=NOT_SAID,
    )


def _laptop(data: str) -> Setting:
    vanilla = RunConfig(
        data,
        size=_at_most(32, data),
        limit=9_469,
        model="resnet8",
        width=16,
        epochs=12,
        learning_rate=1e-3,
        batch_size=100,
    )
    return Setting(
        preset="laptop",
        data=data,
        source="text",
        vanilla=vanilla,
        probe=Probe(epochs=(1, 2, 4, 8), along=400),
        natural=replace(vanilla, model="resnet14", batch_norm=True, limit=3_000, epochs=15),
        shuffled_epochs=40,
        batch_sizes=BATCH_SIZES,
        adversary=Adversary(8 / 255, PGD(steps=3)),
        rates={"sgd": 0.1, "adadelta": 1.0, "rmsprop": 1e-3},
        networks={"LeNet": ("lenet", None), "AlexNet": ("alexnet", 16), "VGG": ("vgg11", 16)},
        threat=Threat(samples=1_000, autoattack_epsilons=EPSILONS[-1:]),
        departures=LAPTOP + NOT_SAID,
    )


def _smoke(data: str) -> Setting:
    laptop = _laptop(data)
    vanilla = replace(laptop.vanilla, limit=60, width=4, epochs=1, batch_size=20)
    return replace(
        laptop,
        preset="smoke",
        vanilla=vanilla,
        probe=Probe(samples=40),
        natural=vanilla,
        shuffled_epochs=2,
        batch_sizes=(10, 20, 30, 60),
        adversary=Adversary(8 / 255, PGD(steps=1)),
        networks={"LeNet": ("lenet", 4), "AlexNet": ("alexnet", 4), "VGG": ("vgg11", 4)},
        threat=Threat(pgd=PGD(steps=3), samples=20, autoattack_samples=2, autoattack_epsilons=EPSILONS[-1:]),
        rhos=(0.0, 1.0),
        departures=SMOKE,
    )


def _code(text: Setting) -> Setting:
    """Return the same preset with the choices of the released code, where a run can follow them."""
    as_code = {"initialization": "code"}
    if text.preset == "paper":
        as_code["model"] = "resnet32"
    return replace(
        text,
        source="code",
        vanilla=replace(text.vanilla, **as_code),
        natural=replace(text.natural, **as_code),
        adversary=Adversary(
            0.03,
            replace(text.adversary.attack, step_share=1 / text.adversary.attack.steps, random_start=False),
        ),
        augment=True,
        mixup=1.0,
        batch_statistics=True,
        threat=replace(text.threat, samples=min(text.threat.samples or 100, 100)),
        departures=text.departures + NOT_FOLLOWED,
    )


def _at_most(side: int, data: str) -> int | None:
    """Return the size to reduce images to, or None if they are not larger: enlarging would make up frequencies."""
    one = load_dataset(data, "train", limit=1)
    return side if min(one.size) > side or one.size[0] != one.size[1] else None


PRESETS: dict[str, Callable[[str], Setting]] = {"smoke": _smoke, "laptop": _laptop, "paper": _paper}
"""One line a preset."""

BATCH_SIZES = (25, 50, 100, 200, 400)
