"""How large a study is: what all studies share in a preset. Numbers of one study are in its own module.

`paper` is the protocol of sections 4.2 and 5, with two readings where the text and the released code differ. `laptop`
keeps the questions and shrinks networks, epochs and data; what it changes is listed as data (`Deviation`), and
`passband study show` prints it. `smoke` only shows that everything runs.

The budget of `laptop` on ten-class images at 32x32 pixels, 9,469 of them, one seed. A run's time follows from the
images that go forward and back, at about 860 a second and thread for resnet8 and 470 for resnet14 (one CPU thread
each), plus a probe of at most a tenth of them (5 epochs; see `Probe.within`). The figures are of larger probes, as large as 22,000
images (400 along the way, 2,400 at the end):

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

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import get_args

from passband.choices import Preset, Source
from passband.data.load import load_dataset
from passband.engine.probe import SHARE, Probe
from passband.errors import UnknownNameError
from passband.studies.deviations import LAPTOP, NOT_FOLLOWED, SMOKE, Deviation
from passband.train.config import RunConfig


@dataclass(frozen=True)
class Setting:
    """What all studies share: a study makes its runs and measurements of it.

    Attributes:
        preset: The name of the preset; a study looks its own numbers up by it.
        data: The data set, as `load_dataset` takes it.
        source: Which reading of the paper.
        vanilla: The run that all studies vary.
        probe: What is measured along every run: one for all, so that studies can share runs.
        probe_share: How much of the time of training it may take: a run shows it fewer images where it would take more; None
            shows it all.
        deviations: What is done otherwise than in the paper, in every study.
    """

    preset: Preset
    data: str
    source: Source
    vanilla: RunConfig
    probe: Probe
    deviations: tuple[Deviation, ...] = ()
    probe_share: float | None = None

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
    return Setting("paper", data, "text", vanilla, Probe.full())


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
    probe = Probe(epochs=(1, 2, 4, 8), along=400)
    return Setting("laptop", data, "text", vanilla, probe, LAPTOP, probe_share=SHARE)


def _smoke(data: str) -> Setting:
    vanilla = replace(_laptop(data).vanilla, limit=60, width=4, epochs=1, batch_size=20)
    return Setting("smoke", data, "text", vanilla, Probe(samples=40), SMOKE)


def _code(text: Setting) -> Setting:
    """Return the same preset with the choices of the released code that concern every run."""
    model = "resnet32" if text.preset == "paper" else text.vanilla.model
    return replace(
        text,
        source="code",
        vanilla=replace(text.vanilla, model=model, initialization="code"),
        deviations=text.deviations + NOT_FOLLOWED,
    )


def _at_most(side: int, data: str) -> int | None:
    """Return the size to reduce images to, or None if they are not larger: enlarging would make up frequencies."""
    one = load_dataset(data, "train", limit=1)
    return side if min(one.size) > side or one.size[0] != one.size[1] else None


PRESETS: dict[str, Callable[[str], Setting]] = {"smoke": _smoke, "laptop": _laptop, "paper": _paper}
"""One line a preset."""
