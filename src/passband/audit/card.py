"""The cards: what an audit, or attacks alone, found, as one JSON document of a kind.

Names here are the field's; where a document's key is another one, it has stayed as it was first written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from passband.attacks import Attack
from passband.brief import Brief
from passband.choices import Search
from passband.errors import InputError
from passband.files import read_json
from passband.notices import Notice
from passband.preparation import Preparation
from passband.robustness.plan import measure_of
from passband.robustness.sanity import Finding
from passband.serial import fields_from_plain, fields_to_plain, named
from passband.types import Amplitude, Geometry, Norm

Kind = TypeVar("Kind", bound="Card")
Part = Literal["lfc", "hfc"]
"""One of the two components that an image is split into."""


@dataclass(frozen=True)
class Share:
    """A share of samples, with its 95% Wilson interval and the number of samples that it rests on."""

    value: float
    low: float
    high: float
    count: int


@dataclass(frozen=True)
class CheckedEntry:
    """What became of a requirement: see `passband.audit.gate.Checked`."""

    requirement: str
    met: bool
    value: float | None
    low: float | None
    high: float | None
    detail: str


@dataclass(frozen=True)
class ModelEntry(Brief):
    """Which model it was.

    Attributes:
        name: What it is called.
        source: How it was loaded.
        weights_hash: The hash of its weights.
        parameters: How many numbers it has learned.
        outputs: How many classes it tells apart.
        class_outputs: For each class of the data the index of the output that answers for it; None where they are all of
            the network's outputs, in their order.
    """

    name: str
    source: str | None
    weights_hash: str
    parameters: int
    outputs: int
    class_outputs: tuple[int, ...] | None = None


@dataclass(frozen=True)
class DataEntry(Brief):
    """Which images they were, how many of them were `evaluated`, and how pictures became them; None: they are as stored."""

    name: str
    source: str
    subset: str
    fingerprint: str
    samples: int
    evaluated: int
    classes: tuple[str, ...]
    height: int
    width: int
    channels: int
    preparation: Preparation | None = None


@dataclass(frozen=True, kw_only=True)
class Manifest(Brief):
    """When, for how long, at what speed and on what machine it was measured; `command` is None where that was in Python."""

    created: str
    seconds: float
    images_per_second: float | None = None
    command: str | None = None
    environment: Mapping[str, Any]


@dataclass(frozen=True)
class Clean:
    """On whole images: how often the model is right."""

    accuracy: Share


@dataclass(frozen=True)
class Baselines:
    """The accuracy that needs no image: that of naming the most frequent class throughout.

    Version 0.1 wrote also what guessing would give, one over the number of classes, which is never more.
    """

    majority: float
    chance: float | None = None


@dataclass(frozen=True)
class Settings:
    """How a classifier was audited."""

    amplitude: Amplitude
    geometry: Geometry
    inclusive: bool
    radii: tuple[float, ...]
    corner: float
    precision: float | None
    seed: int


@dataclass(frozen=True)
class WholeAnswers(Clean):
    """On whole images: also the mean cross-entropy, the mean probability of the answers, and top-5 accuracy.

    `top5` is None where there are not more than 20 classes, and where a card does not say.
    """

    loss: float
    confidence: float
    top5: Share | None = None


@dataclass(frozen=True)
class CurvePoint:
    """What a model makes of one component at one radius; `energy` is the share of contrast that the component holds."""

    component: Part
    radius: float
    accuracy: Share
    agreement: Share
    loss: float
    confidence: float
    energy: float


@dataclass(frozen=True)
class ClassEntry(Brief):
    """One class: accuracy on whole images, and on either component at each radius."""

    name: str
    count: int
    clean: Share
    lfc: tuple[Share, ...]
    hfc: tuple[Share, ...]


@dataclass(frozen=True)
class CriticalRadius:
    """The smallest radius at which enough is kept; `note` says why it is not a plain number.

    `low` and `high` are its 95% interval, without an upper end where that is past the radii measured; a card may not say.
    """

    radius: float | None
    note: str | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class CriticalRadii:
    """Where the LFC keeps half, and 95%, of the accuracy on whole images."""

    half: CriticalRadius
    most: CriticalRadius


@dataclass(frozen=True)
class Area:
    """Mean accuracy over the measured range of radii."""

    lfc: float
    hfc: float


@dataclass(frozen=True)
class Excess:
    """By how much the share of images that flip is more than chance makes, with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class FlipCount:
    """How many images flip at one radius, as a number and of those `eligible`, and how many would by chance.

    `beyond` has intervals that hold for all radii at once with 95%; it is None where a card does not say.
    """

    radius: float
    count: int
    fraction: float
    expected: float
    beyond: Excess | None = None

    @property
    def beyond_chance(self) -> bool:
        """Whether they are measurably more than chance makes; of a card that has no interval, whether they are more."""
        return self.count > self.expected if self.beyond is None else self.beyond.low > 0


@dataclass(frozen=True)
class FlipCounts(Brief):
    """Figure 2: images right on the whole and on the HFC, and wrong on the LFC; `eligible` are right on the whole.

    `beyond` is the mean over the radii, with its 95% interval; None where a card does not say.
    """

    pairs: int
    samples: int
    eligible: int
    by_radius: tuple[FlipCount, ...]
    beyond: Excess | None = None

    @property
    def beyond_chance(self) -> tuple[FlipCount, ...]:
        """The radii at which there are measurably more than chance makes."""
        return tuple(point for point in self.by_radius if point.beyond_chance)


@dataclass(frozen=True)
class CeilingPoint:
    """The highest robust accuracy that is possible at an epsilon."""

    epsilon: float
    accuracy: float


@dataclass(frozen=True)
class Ceiling(Brief):
    """Corollary 1: what the nearest LFC that is known to change an answer leaves possible.

    Attributes:
        samples: How many it rests on; fewer than were evaluated are a random sample of them.
        correct: How many of them the model is right on.
        clean: Their share.
        radii: How many LFCs were tried of each; by the bounded search, how many before it halves.
        l2: The bound by epsilon in L2, which never rises.
        median_l2: Distance of the nearest such LFC where there is one, in L2; None where there is none at all.
        fooled: How many samples have one.
        linf: As `l2`.
        median_linf: As `median_l2`.
        search: Which LFCs were looked at: see `passband.instruments.counterexamples.find_counterexamples`. Cards that do
            not say it are from before there were two.
        shown: How many LFCs were shown to the model, of all samples together; None where a card does not say.
    """

    samples: int
    correct: int
    clean: float
    radii: int
    l2: tuple[CeilingPoint, ...]
    median_l2: float | None
    fooled: int
    linf: tuple[CeilingPoint, ...]
    median_linf: float | None
    search: Search = "exact"
    shown: int | None = None

    def curve(self, norm: Norm) -> tuple[CeilingPoint, ...]:
        """Return the bound by epsilon in a norm."""
        return self.l2 if norm == "l2" else self.linf


@dataclass(frozen=True)
class CeilingUnderAttack:
    """What Corollary 1 leaves possible, and what an attack left, on the samples that both saw.

    Attributes:
        value: The highest robust accuracy possible.
        measured: What the attack left.
        both: The share that the attack left and no LFC breaks.
        missed: Samples that the attack left and an LFC within epsilon breaks.
        count: The samples.
    """

    value: float
    measured: float
    both: float
    missed: int
    count: int


@dataclass(frozen=True, kw_only=True)
class AttackPoint(Brief):
    """What an attack left at one epsilon.

    Attributes:
        epsilon: The bound.
        accuracy: Robust accuracy.
        median_distance: Of adversarial images from the originals; None where there is none.
        energy: Share of the perturbations' energy at radius 0, 1, 2, ...
        ceiling: None if there is none to hold it against.
        astray: Samples left whose gradient led nowhere; None where a card does not say.
    """

    epsilon: float
    accuracy: Share
    median_distance: float | None
    astray: int | None = None
    energy: tuple[float, ...]
    ceiling: CeilingUnderAttack | None


@dataclass(frozen=True)
class AttackClass:
    """One class under attack: accuracy on whole images, and at each epsilon."""

    name: str
    count: int
    clean: Share
    robust: tuple[Share, ...]


@dataclass(frozen=True)
class AttackEntry(Brief):
    """What one attack left.

    Attributes:
        measure: What requirements and comparisons call it.
        label: What people call it.
        attack: Its settings.
        norm: How epsilon is measured.
        epsilons: At which it was run.
        samples: How many were attacked.
        clean: Accuracy on them before.
        points: What was left at each epsilon.
        classes: The same class by class.
        sanity_samples: How many samples the sanity report rests on.
        findings: What that report says.
        seconds: Wall time.
    """

    measure: str
    label: str
    attack: Attack
    norm: Norm
    epsilons: tuple[float, ...]
    samples: int
    clean: Share
    points: tuple[AttackPoint, ...]
    classes: tuple[AttackClass, ...]
    sanity_samples: int
    findings: tuple[Finding, ...]
    seconds: float

    def __post_init__(self) -> None:
        """Name the attack as it is named now: version 0.1 called bands `low:8` and `high:8`."""
        object.__setattr__(self, "measure", measure_of(self.attack))


@dataclass(frozen=True)
class TraceEntry:
    """A trace of processing that was found in the images, and the numbers that it was found by."""

    kind: str
    evidence: Mapping[str, float | None]
    radius: float | None
    message: str
    grid: tuple[int, int] | None = None


@dataclass(frozen=True)
class TracesEntry(Brief):
    """What was looked for in the images and found there: see `passband.frequency.traces`."""

    findings: tuple[TraceEntry, ...]
    statistics: Mapping[str, float | None]
    thresholds: Mapping[str, float]
    samples: int


@dataclass(frozen=True, kw_only=True, repr=False)
class Card(ABC):
    """What cards of all kinds have: what is to be known, and how and when it was measured.

    Attributes:
        notices: What is to be known of the numbers.
        kind: What was measured, as the document says it.
        schema: The form of the document; another one is refused.
        made_by: The command that writes such cards.
    """

    kind: ClassVar[str]
    schema: ClassVar[int]
    made_by: ClassVar[str]

    notices: tuple[Notice, ...] = ()
    manifest: Manifest

    @property
    @abstractmethod
    def line(self) -> str:
        """What was measured, and its first number, in one line."""

    def __repr__(self) -> str:
        """Return that line: a card has hundreds of numbers."""
        return f"{type(self).__name__}({self.line})"

    def to_dict(self) -> dict[str, Any]:
        """Return the card as JSON holds it."""
        parts = fields_to_plain(self)
        manifest = parts.pop("manifest")
        return {"kind": self.kind, "schema": self.schema, **parts, "manifest": manifest}

    @classmethod
    def from_dict(cls: type[Kind], document: Any, where: str = "the card") -> Kind:
        """Return the card that `to_dict` wrote, also one of version 0.1.

        Args:
            document: What JSON holds.
            where: The file, for messages.

        Raises:
            InputError: If it is of another kind or schema, a key is missing or unknown, or a value is not what it should
                be.
        """
        if not isinstance(document, dict) or document.get("kind") != cls.kind:
            raise InputError(
                f"{where} is not a card of `{cls.made_by}`: give its file, or the folder it is in."
            )
        if (schema := document.get("schema")) != cls.schema:
            raise InputError(
                f"{where} has schema {schema!r}, this passband reads {cls.schema}. Run `{cls.made_by}` again."
            )
        parts = {key: value for key, value in document.items() if key not in ("kind", "schema")}
        return fields_from_plain(cls, parts, where)


@dataclass(frozen=True, kw_only=True, repr=False)
class ClassifierCard(Card):
    """The frequency card: which frequencies a classifier uses, and what follows for its robustness."""

    kind: ClassVar[str] = "audit"
    schema: ClassVar[int] = 1
    made_by: ClassVar[str] = "passband audit"

    model: ModelEntry
    data: DataEntry
    settings: Settings
    clean: WholeAnswers
    baselines: Baselines
    curves: tuple[CurvePoint, ...]
    classes: tuple[ClassEntry, ...]
    critical_radius: CriticalRadii
    area: Area
    flips: FlipCounts = field(metadata=named("hfc_followers"))
    ceiling: Ceiling | None
    attacks: tuple[AttackEntry, ...] = field(default=(), metadata=named("robustness"))
    traces: TracesEntry
    requirements: tuple[CheckedEntry, ...] | None = None

    @property
    def line(self) -> str:
        """What was measured, and the clean accuracy."""
        return _line(self)

    def curve(self, component: Part) -> tuple[CurvePoint, ...]:
        """Return what the model makes of one component, radius by radius."""
        return tuple(point for point in self.curves if point.component == component)


@dataclass(frozen=True)
class AttackSettings:
    """How attacks alone were run."""

    seed: int


@dataclass(frozen=True, kw_only=True, repr=False)
class AttackCard(Card):
    """What attacks left of a model's accuracy, without an audit."""

    kind: ClassVar[str] = "attack"
    schema: ClassVar[int] = 1
    made_by: ClassVar[str] = "passband attack"

    model: ModelEntry
    data: DataEntry
    settings: AttackSettings
    clean: Clean
    baselines: Baselines
    attacks: tuple[AttackEntry, ...] = field(metadata=named("robustness"))

    @property
    def line(self) -> str:
        """What was measured, and the clean accuracy."""
        return _line(self)

    @property
    def ceiling(self) -> None:
        """Attacks alone are held against nothing."""
        return None


AttackedCard = ClassifierCard | AttackCard
"""A card that holds attacks."""


def _line(card: AttackedCard) -> str:
    clean = card.clean.accuracy
    where = f"{card.model.name} on {card.data.name} ({card.data.subset})"
    return f"{where}: clean {clean.value:.1%} [{clean.low:.1%}, {clean.high:.1%}] of {clean.count:,} images"


def is_at_chance(accuracy: Share, baselines: Baselines) -> bool:
    """Return whether an accuracy on whole images is not measurably better than what needs no image."""
    return accuracy.low <= baselines.majority


def read_card(path: Path) -> ClassifierCard:
    """Read a frequency card from its file, or from the folder of an audit.

    Raises:
        InputError: If there is none, or the file is something else.
    """
    path = path / "card.json" if path.is_dir() else path
    return ClassifierCard.from_dict(read_json(path), str(path))
