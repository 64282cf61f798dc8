"""Requirements on a detector, such as `map-lfc@128 >= 0.25`, as they are written and read.

A requirement is MEASURE RELATION NUMBER, of the 95% interval with `at 95%` behind it; see `passband.audit.requirement`. Measures:

- `map`, `map50`, `map75`, `map-small`, `map-medium`, `map-large`, `ar1`, `ar10`, `ar100`, `ar-small`, `ar-medium`, `ar-large`: COCO's
  numbers on whole images, fractions;
- the same with `-lfc@128`, `-hfc@128` or `-control@128` behind it: in that view, at 128 cycles per image; `-lfc@0.2px` at 0.2 cycles
  per pixel;
- `gain-lfc@128`, `lose-lfc@128`: the share of images whose own AP is higher, or lower, in that view than on the whole.

With `-drop` behind it, as in `map-drop <= 0.01` or `map-lfc@128-drop <= 0.02`, it is about the first of two audits minus the second.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from passband.audit.bound import BOUND, DROP, Range, read_bound
from passband.choices import DETECTION_NUMBERS
from passband.detection.view import WHOLE, Kind, View, parse_cutoff
from passband.errors import InputError, UnknownNameError

SHARES = ("gain", "lose")
NUMBERS = (*DETECTION_NUMBERS, *SHARES)
VIEWS: tuple[Kind, ...] = ("lfc", "hfc", "control")

PATTERN = re.compile(
    rf"\s*(?P<number>[a-z][a-z0-9-]*?)(?:-(?P<kind>{'|'.join(VIEWS)}))?(?:@(?P<at>[0-9.]+(?:px)?))?(?P<drop>{DROP})?\s*"
    rf"{BOUND}"
)


@dataclass(frozen=True)
class DetectorRequirement:
    """A parsed requirement: a number in a view, or what is lost of it, stands in `relation` to `bound`.

    Where it is to be `sure`, the worse end of its 95% interval does.
    """

    text: str
    number: str
    view: View
    relation: str
    bound: float
    drop: bool = False
    sure: bool = False

    @property
    def measure(self) -> str:
        """How number and view are written together."""
        return self.number if self.view == WHOLE else f"{self.number}-{self.view.kind}@{self.view.at}"


def parse_detector_requirement(text: str, *, drop: bool = False) -> DetectorRequirement:
    """Read a requirement.

    Args:
        text: What a user wrote.
        drop: Whether it is on what is lost from one audit to another; else it is on one audit.

    Raises:
        InputError: If it does not have the form, is of the other kind, lacks or does not take an `@`, or is one that no number meets,
            or every number.
        UnknownNameError: If there is no such measure.

    Example:
        >>> parse_detector_requirement("map-lfc@0.2px >= 0.25").measure
        'map-lfc@0.2px'
    """
    match = PATTERN.fullmatch(text)
    if match is None:
        raise InputError(
            "a requirement on a detector has the form MEASURE RELATION NUMBER, such as 'map-lfc@128 >= 0.25' or 'map50 >= 0.5'; "
            f"got {text!r}"
        )
    if match["number"] not in NUMBERS:
        raise UnknownNameError("measure", match["number"], NUMBERS)
    if drop != bool(match["drop"]):
        raise InputError(
            f"a requirement on a comparison is about what is lost, such as 'map-drop <= 0.01'; got {text!r}"
            if drop
            else f"{text!r} is about two audits: hold it against them with passband compare"
        )
    kinds: dict[str, Kind] = {kind: kind for kind in VIEWS}
    if (match["kind"] is None) != (match["at"] is None):
        raise InputError(
            f"a view is written with its cut-off, such as map-lfc@128 or map-hfc@0.2px, and whole images without; got {text!r}"
        )
    view = WHOLE if match["kind"] is None else View(kinds[match["kind"]], *parse_cutoff(match["at"]))
    if match["number"] in SHARES and view == WHOLE:
        raise InputError(
            f"{match['number']} is against whole images and needs a view, such as gain-lfc@128; got {text!r}"
        )
    within = Range(-1.0, 1.0) if drop else Range(0.0, 1.0)
    relation, bound, sure = read_bound(match, "what is lost of it" if drop else match["number"], within)
    return DetectorRequirement(text.strip(), match["number"], view, relation, bound, drop, sure)
