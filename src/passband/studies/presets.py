"""How large a study is: what all studies share in a preset. Numbers of one study are in its own module.

`paper` is the protocol of sections 4.2 and 5, with two readings where the text and the released code differ. `laptop`
keeps the questions and shrinks networks, epochs and data; what it changes is listed as data (`Deviation`), and
`passband study show` prints it. `smoke` only shows that everything runs.

A run's time at `laptop` follows from the images that go forward and back; docs/results/laptop-fashion-mnist.md has what all of it took.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from passband.analysis.claim import SEEDS
from passband.choices import Preset, Source
from passband.data.load import load_dataset
from passband.engine.probe import SHARE, Probe
from passband.errors import UnknownNameError
from passband.studies.deviations import NOT_FOLLOWED, Deviation, of_laptop, of_nothing, of_smoke
from passband.train.config import RunConfig

LAPTOP_EPOCHS = {"fashion-mnist": 16, "others": 22}
"""With so many, resnet8 without BatchNorm answers nine tenths of the built-in training images right, and eight tenths of Imagenette's."""


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
        deviations: Tells from the runs of a study what the preset does otherwise than the paper in them.
        not_followed: What of the released code is not followed, in every study.
        seeds: How often each run is made where nobody says.
        verdicts: Whether claims are decided: runs that only show that they run decide nothing.
    """

    preset: Preset
    data: str
    source: Source
    vanilla: RunConfig
    probe: Probe
    deviations: Callable[[Sequence[RunConfig]], tuple[Deviation, ...]] = of_nothing
    not_followed: tuple[Deviation, ...] = ()
    probe_share: float | None = None
    seeds: int = SEEDS
    verdicts: bool = True

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
    epochs = LAPTOP_EPOCHS.get(data, LAPTOP_EPOCHS["others"])
    vanilla = RunConfig(
        data,
        size=_at_most(32, data),
        limit=9_469,
        model="resnet8",
        width=16,
        epochs=epochs,
        learning_rate=5e-3,
        schedule="cosine",
        batch_size=100,
    )
    probe = Probe(epochs=(1, 2, 4, 8), samples=2_400, along=400, last=3)
    return Setting("laptop", data, "text", vanilla, probe, of_laptop, probe_share=SHARE, seeds=5)


def _smoke(data: str) -> Setting:
    vanilla = replace(_laptop(data).vanilla, limit=60, width=4, epochs=1, batch_size=20)
    return Setting("smoke", data, "text", vanilla, Probe(samples=40), of_smoke, seeds=1, verdicts=False)


def _code(text: Setting) -> Setting:
    """Return the same preset with the choices of the released code that concern every run."""
    model = "resnet32" if text.preset == "paper" else text.vanilla.model
    return replace(
        text,
        source="code",
        vanilla=replace(text.vanilla, model=model, initialization="code"),
        not_followed=NOT_FOLLOWED,
    )


def _at_most(side: int, data: str) -> int | None:
    """Return the size to reduce images to, or None if they are not larger: enlarging would make up frequencies."""
    one = load_dataset(data, "train", limit=1)
    return side if min(one.size) > side or one.size[0] != one.size[1] else None


PRESETS: dict[str, Callable[[str], Setting]] = {"smoke": _smoke, "laptop": _laptop, "paper": _paper}
"""One line a preset."""
