"""Requirements held against the audit of a detector. `passband.audit.detector_requirement` reads them."""

from __future__ import annotations

from passband.audit.card import Share
from passband.audit.detector_card import DetectorCard, Measured, ViewEntry
from passband.audit.detector_requirement import SHARES, DetectorRequirement
from passband.audit.gate import Checked, Held, judge
from passband.detection.view import WHOLE
from passband.errors import InputError


def check_detector(requirement: DetectorRequirement, card: DetectorCard) -> Checked:
    """Hold a requirement against an audit.

    Raises:
        InputError: If it asks for a view that was not measured, for objects of a size that there are none of, or for an interval
            and there is none.
    """
    return judge(requirement, _value(requirement, card))


def check_measured(requirement: DetectorRequirement, views: tuple[str, ...]) -> None:
    """Refuse a requirement on a view that is not among those that are measured.

    Raises:
        InputError: If it is not.
    """
    for needed in (str(requirement.view), str(WHOLE)):
        if needed not in views:
            raise InputError(
                f"{requirement.text!r} needs the view {needed}; measured were {', '.join(views)}. With its cut-off it is measured by "
                f"passband.audit_detector(..., require=[{requirement.text!r}]), and by --require."
            )


def _value(requirement: DetectorRequirement, card: DetectorCard) -> Held:
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
    return Held(found.value, f"{said(found)} of {card.data.images} images", found.low, found.high)


def _share(requirement: DetectorRequirement, entry: ViewEntry) -> Held:
    assert entry.images is not None  # the parser lets none of whole images through
    found: Share = entry.images.gain_share if requirement.number == "gain" else entry.images.lose_share
    detail = f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}] of {found.count} images"
    return Held(found.value, detail, found.low, found.high)


def said(found: Measured) -> str:
    """Return a number with its interval, as a log says it."""
    if found.low is None or found.high is None:
        return f"{found.value:.4f}"
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"
