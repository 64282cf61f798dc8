"""All instruments that need no more than their name, one line each."""

from __future__ import annotations

from passband.errors import UnknownNameError
from passband.instruments.attacks import UnderAttack
from passband.instruments.components import ComponentAccuracy
from passband.instruments.counterexamples import RobustnessCeiling
from passband.instruments.favorite_answer import FavoriteAnswer
from passband.instruments.flips import Flips
from passband.instruments.instrument import Instrument
from passband.instruments.kernels import KernelRoughness
from passband.instruments.pairs import LowPassCounterexamples
from passband.instruments.spectrum import Spectrum

INSTRUMENTS: dict[str, type[Instrument]] = {
    instrument.name: instrument
    for instrument in (
        ComponentAccuracy,
        Flips,
        RobustnessCeiling,
        LowPassCounterexamples,
        Spectrum,
        KernelRoughness,
        UnderAttack,
        FavoriteAnswer,
    )
}
"""What `passband instruments` lists and `passband audit --with NAME` runs, with the settings that each has by itself."""


def find_instrument(name: str) -> Instrument:
    """Return the instrument of a name, with its own settings.

    Raises:
        UnknownNameError: If there is none.

    Example:
        >>> find_instrument("kernels")
        KernelRoughness(rhos=(0.0,))
    """
    if name not in INSTRUMENTS:
        raise UnknownNameError("instrument", name, INSTRUMENTS)
    return INSTRUMENTS[name]()


def instruments() -> list[str]:
    """Return the names of all instruments.

    Example:
        >>> instruments()[:2]
        ['components', 'flips']
    """
    return list(INSTRUMENTS)
