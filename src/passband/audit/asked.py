"""What requirements need of an audit, before the work: radii and instruments are added, and what is not asked for is refused."""

from __future__ import annotations

from collections.abc import Sequence

from passband.audit.gate import check_classes
from passband.audit.requirement import check_planned, parse_requirement
from passband.data.dataset import ImageDataset
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.components import default_radii
from passband.instruments.instrument import Instrument
from passband.robustness.plan import AttackPlan


def with_needed(
    require: Sequence[str],
    dataset: ImageDataset,
    *,
    radii: Sequence[float] | None,
    instruments: Sequence[Instrument],
    attacks: Sequence[AttackPlan],
    ceiling: bool,
) -> tuple[tuple[float, ...], tuple[Instrument, ...]]:
    """Return the radii and the instruments of an audit with those that its requirements are on.

    Args:
        require: The requirements.
        dataset: The images.
        radii: Cut-offs that are asked for; None chooses them from the images' size.
        instruments: Those that are asked for.
        attacks: Likewise.
        ceiling: Whether Corollary 1's ceiling is looked for.

    Raises:
        InputError: If a requirement cannot be read, or is on an attack, a ceiling or a measure that the audit will not have.
        UnknownNameError: If it is on an unknown measure.
    """
    requirements = [parse_requirement(text) for text in require]
    planned = [(plan.measure, epsilon) for plan in attacks for epsilon in plan.epsilons]
    for requirement in requirements:
        check_planned(requirement, planned, ceiling=ceiling)
        check_classes(requirement, len(dataset.classes))
    wanted = {each.radius for each in requirements if each.radius is not None}
    chosen = list(map(float, default_radii(dataset.size) if radii is None else radii))
    missing = dict.fromkeys(each.instrument for each in requirements if each.instrument is not None)
    for instrument in instruments:
        missing.pop(instrument.name, None)
    return tuple(sorted([*chosen, *wanted.difference(chosen)])), (
        *instruments,
        *(INSTRUMENTS.find(name)() for name in missing),
    )
