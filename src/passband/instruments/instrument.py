"""The seam of all measurements: a subject goes in, rows come out.

An instrument is data, as a run is: frozen settings that can be written down, compared and hashed. The audit, the probe
along training and the measurements of a store use the same ones.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import torch
from jaxtyping import Int64, Shaped
from torch import Tensor

from passband.analysis.figure import Figure
from passband.brief import Brief
from passband.data.dataset import ImageDataset
from passband.files import digest
from passband.frequency.component import Component
from passband.memory import kept
from passband.models.pixels import PixelModel
from passband.rows import ComponentRow, Row, Shown
from passband.types import Amplitude, Progress, Subset


class Cost(NamedTuple):
    """What an instrument asks of a network, about.

    Attributes:
        gradients: Images sent forward and back.
        answers: Images sent forward only.
    """

    gradients: float = 0
    answers: float = 0

    @property
    def in_answers(self) -> float:
        """All of it in answers."""
        return self.answers + GRADIENT * self.gradients


GRADIENT = 3.0
"""What a gradient costs, in answers, about: forward once, and back in twice that time."""


SAMPLES, EXAMPLES = "samples.parquet", "examples.safetensors"
"""What a reading may leave beside its rows in a store: what became of single images, and some of these as pictures."""


class Reading(ABC, Brief):
    """What an instrument found: rows, and whatever else it has to show."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Yield what was measured, a row a number."""

    def figure(self) -> Figure | None:
        """Return the picture that these rows make; None if there is none."""
        return None

    def words(self) -> str | None:
        """Return what they say in a sentence or a few, which a command prints and a page shows; None if nothing."""
        return None

    def save(self, folder: Path) -> None:
        """Write what it has to show beside them, `SAMPLES` and `EXAMPLES`, into a folder of a store."""


@dataclass(frozen=True, eq=False)
class Rows(Reading):
    """A reading that is rows and nothing else."""

    found: tuple[Row, ...]

    def rows(self) -> Iterator[Row]:
        """Yield them."""
        return iter(self.found)


Found = TypeVar("Found", bound=Reading)


@dataclass(frozen=True, eq=False)
class Subject(Brief):
    """A trained network and the images that it is looked at with.

    Attributes:
        model: The network, as a function of [0, 1] pixels.
        dataset: Labelled images of the size and channels that it takes.
        run: What rows call the network: a run's id, or the hash of its weights.
        run_seed: The seed that it was trained with; None where that is not known.
        indices: Positions of the samples to look at, in this order; None takes all of them as they are.
        seed: Decides all that is drawn while it is looked at.
        batch_size: Images at a time; it changes no result. None chooses by size and device.
        training_batch: Images in a batch of the network's training: a network whose BatchNorm uses the statistics of the
            batch is asked in batches of so many. None refuses such a network.
        device: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:1"` or `"mps"`; the network is moved there.
        progress: Called along the way.
        keep: With it, instruments that can look shard by shard do so (`passband.instruments.sharded`): it is given the instrument, the
            subject and a shard, and returns what is seen in it, by looking or because it was kept. None looks at all at once.
    """

    model: PixelModel
    dataset: ImageDataset
    run: str
    run_seed: int | None = None
    indices: Int64[Tensor, " samples"] | None = None
    seed: int = 0
    batch_size: int | None = None
    training_batch: int | None = None
    device: str = "auto"
    progress: Progress | None = None
    keep: Callable[..., Any] | None = None
    _readings: dict[Instrument, Reading] = field(default_factory=dict, repr=False)

    @property
    def samples(self) -> Int64[Tensor, " samples"]:
        """The positions, spelled out."""
        return torch.arange(len(self.dataset)) if self.indices is None else self.indices

    @property
    def cells(self) -> dict[str, Any]:
        """What every row about its images says: the network, the seed of its training, and which images they are of."""
        return {"run": self.run, "seed": self.run_seed, "subset": self.dataset.subset}

    def draw(self, samples: int | None) -> Int64[Tensor, " drawn"]:
        """Return so many of the positions, drawn by the seed, so that fewer are a part of more; None is all of them."""
        draws = torch.Generator().manual_seed(self.seed)
        return self.samples[torch.randperm(len(self.samples), generator=draws)[:samples]]

    def name_of(self, samples: Int64[Tensor, " samples"]) -> str:
        """Return which images of the data set these are, in which order, as the column `images` says it."""
        return digest(self.dataset.fingerprint.encode(), samples.numpy().tobytes())[:16]

    def at(self, indices: Int64[Tensor, " samples"]) -> Subject:
        """Return the same network, looked at with these samples only."""
        return self if torch.equal(indices, self.samples) else replace(self, indices=indices, _readings={})

    def read(self, instrument: Instrument[Found]) -> Found:
        """Return what an instrument finds; it looks once, however many other instruments build on it."""
        asked = instrument.resolved(self.dataset.size)
        if asked not in self._readings:
            with kept():
                self._readings[asked] = asked.measure(self)
        return cast(Found, self._readings[asked])


@dataclass(frozen=True)
class Instrument(ABC, Generic[Found]):
    """One way of looking at a network: a subclass is a frozen dataclass, and its fields are its settings.

    Attributes:
        name: What catalogs, commands and stores call it.
        summary: One line for `passband instruments`.
        source: Its place in the paper, or in other work.
        needs_gradient: Whether it cannot look at a black box.
        subset: Which images of a run it is shown in a study; an audit shows it those that were asked for.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    source: ClassVar[str] = ""
    needs_gradient: ClassVar[bool] = False
    subset: ClassVar[Subset] = "test"

    @abstractmethod
    def cost(self, samples: int, size: tuple[int, int]) -> Cost:
        """Return about how much there is to do for so many samples of a size (height, width)."""

    @abstractmethod
    def measure(self, subject: Subject) -> Found:
        """Look at the network.

        Raises:
            InputError: If settings, network and images do not fit together.
        """

    def check(self, subject: Subject) -> None:  # most know nothing before they look
        """Refuse what `measure` would refuse, before the work that precedes it.

        Raises:
            InputError: As `measure`.
        """

    def builds_on(self, size: tuple[int, int]) -> Instrument:  # most ask the network themselves
        """Return the instrument whose answers to images of a size (height, width) it reads; itself if it asks."""
        return self

    def sharded(
        self, subject: Subject
    ) -> tuple[Instrument, ...]:  # most of those that ask the network are sharded
        """Return the instruments that it reads which look shard by shard, and so ahead of it: see `passband.instruments.sharded`."""
        return ()

    def resolved(self, size: tuple[int, int]) -> Instrument[Found]:
        """Return the same instrument with what it chooses by the size (height, width) spelled out: equal ones become equal."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return name and settings as JSON holds them."""
        return {"instrument": self.name} | {f.name: _plain(getattr(self, f.name)) for f in fields(self)}


def mean_row(
    subject: Subject,
    samples: Int64[Tensor, " samples"],
    component: Shown,
    metric: str,
    values: Shaped[Tensor, " samples"],
    amplitude: Amplitude | None = None,
) -> ComponentRow:
    """Return the row of a mean over images, which keeps what it is the mean of, so that it can be paired with others.

    Args:
        subject: The network.
        samples: The positions of the images, in the order of `values`.
        component: What was shown.
        metric: What is measured.
        values: A number an image, or whether something holds, of which the mean is a share, and its error follows from its count.
        amplitude: The policy applied to what was shown.
    """
    numbers, count = values.double(), len(values)
    return ComponentRow(
        **subject.cells,
        component=component,
        amplitude=amplitude,
        metric=metric,
        value=numbers.mean().item(),
        error=None if values.dtype == torch.bool or count < 2 else numbers.std().item() / count**0.5,
        count=count,
        each=values.float().numpy(),
        images=subject.name_of(samples),
    )


def as_floats(numbers: Sequence[float] | None) -> tuple[float, ...] | None:
    """Return settings that are numbers so that equal ones are written alike, 4 as 4.0: ids follow from what is written."""
    return None if numbers is None else tuple(float(number) for number in numbers)


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return str(value)
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.to_dict() if hasattr(value, "to_dict") else value
