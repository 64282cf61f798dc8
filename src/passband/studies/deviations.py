"""What is done otherwise than in the paper, and why; here what concerns every study, the rest with each study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from passband.choices import Schedule
from passband.train.config import RunConfig


@dataclass(frozen=True)
class Deviation:
    """Something that a preset does otherwise than the paper."""

    what: str
    paper: str
    here: str
    why: str


SCHEDULES: dict[Schedule, str] = {
    "constant": "",
    "cosine": "a linear warm-up over a twentieth of the steps, then a cosine to 0",
}
"""What of a schedule is not in the paper."""


def of_smoke(configs: Sequence[RunConfig]) -> tuple[Deviation, ...]:
    """Return what `smoke` changes."""
    return (Deviation("everything", "section 4.2", "60 images, one epoch", "shows only that it runs"),)


def of_laptop(configs: Sequence[RunConfig]) -> tuple[Deviation, ...]:
    """Return what `laptop` changes in these runs, as they have it."""
    networks = {each.model + (f" of width {each.width}" if each.width else "") for each in configs}
    limits = {f"the first {each.limit:,}" for each in configs if each.limit is not None}
    reduced = {f"reduced to {each.size}x{each.size}" for each in configs if each.size is not None}
    schedules = {SCHEDULES[each.schedule] for each in configs} - {""}
    found = (
        Deviation("network", "ResNet-18", _list(networks), "trained within minutes on one thread"),
        Deviation("training images", "all", _list(limits), "the same"),
        Deviation("image size", "32x32", _list(reduced), "the radii keep their meaning"),
        Deviation("epochs", "100", _list({each.epochs for each in configs}), "the same"),
        Deviation(
            "learning rate",
            "1e-4",
            _list({f"{each.rate:g}" for each in configs}),
            "so that so few epochs are enough",
        ),
        Deviation(
            "schedule of the rate",
            "none",
            _list(schedules),
            "reaches a higher training accuracy in so few epochs, and the last of them differ little",
        ),
        Deviation(
            "probe",
            "every epoch, every image",
            "few epochs and the last three, on as many random images as a tenth of the training time allows",
            "the hour",
        ),
    )
    return tuple(each for each in found if each.here)


def of_nothing(configs: Sequence[RunConfig]) -> tuple[Deviation, ...]:
    """Return that nothing is changed."""
    return ()


def _list(values: Iterable[object]) -> str:
    """Return values that differ as text, numbers by their size."""
    return ", ".join(sorted({str(value) for value in values}, key=lambda text: (_number(text), text)))


def _number(text: str) -> float:
    try:
        return float(text.replace(",", ""))
    except ValueError:
        return 0.0


NOT_FOLLOWED = (
    Deviation("edge of the mask", "code: low if d < r", "d <= r, as the text", "one definition everywhere"),
    Deviation(
        "original training images",
        "code: divided by their maximum",
        "as they are, as the test images",
        "training and test images on one scale",
    ),
)
"""What `--source code` does not take over."""
