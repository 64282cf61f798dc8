"""Requirements held against the audit of a detector. `passband.audit.detector_requirement` reads them."""

from __future__ import annotations

from passband.audit.card import Share
from passband.audit.detector_card import DetectorCard, Measured, ViewEntry
from passband.audit.detector_requirement import SHARES, DetectorRequirement
from passband.audit.gate import Checked
from passband.detection.view import WHOLE
from passband.errors import InputError


def check_detector(requirement: DetectorRequirement, card: DetectorCard) -> Checked:
    """Hold a requirement against an audit.

    Raises:
        InputError: If it asks for a view that was not measured, or for objects of a size that there are none of.
    """
    value, detail = _value(requirement, card)
    return Checked(requirement, requirement.is_met(value), value, detail)


def check_measured(requirement: DetectorRequirement, views: tuple[str, ...]) -> None:
    """Refuse a requirement on a view that is not among those that are measured.

    Raises:
        InputError: If it is not.
    """
    for needed in (str(requirement.view), str(WHOLE)):
        if needed not in views:
            raise InputError(
                f"{requirement.text!r} needs the view {needed}; measured were {', '.join(views)}"
            )


def _value(requirement: DetectorRequirement, card: DetectorCard) -> tuple[float, str]:
    check_measured(requirement, card.settings.views)
    entry = card.view(str(requirement.view))
    assert entry is not None
    if requirement.number in SHARES:
        return _share(requirement, entry)
    found = entry.numbers.get(requirement.number)
    if found is None:
        raise InputError(
            f"{requirement.text!r} needs {requirement.number}, and no object in the images has that size"
        )
    return found.value, f"{said(found)} of {card.data.images} images"


def _share(requirement: DetectorRequirement, entry: ViewEntry) -> tuple[float, str]:
    assert entry.images is not None  # the parser lets none of whole images through
    found: Share = entry.images.gain_share if requirement.number == "gain" else entry.images.lose_share
    return found.value, f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}] of {found.count} images"


def said(found: Measured) -> str:
    """Return a number with its interval, as a log says it."""
    if found.low is None or found.high is None:
        return f"{found.value:.4f}"
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
