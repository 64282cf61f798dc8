"""What a report shows beside the card, as one file: images, spectra and what became of each sample under attack.

The file holds tensors and their description as JSON; nothing in it is executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import polars as pl

from passband.analysis.figure import Figure
from passband.audit.card import AttackedCard
from passband.brief import Brief
from passband.errors import InputError
from passband.instruments.spectrum import DataSpectrum
from passband.robustness.plan import Attacked
from passband.serial import read_tensors

PICTURES = "pictures.safetensors"


@dataclass(frozen=True, eq=False, kw_only=True)
class Pictures(Brief):
    """What reports of all kinds show beside the card.

    Attributes:
        spectrum: The data set's.
        attacks: What each attack found.
    """

    spectrum: DataSpectrum
    attacks: tuple[Attacked, ...]


@dataclass(frozen=True, eq=False)
class ExtraReading(Brief):
    """What an instrument found that audits do not have by themselves.

    Attributes:
        name: The instrument.
        summary: What it measures, in a line.
        rows: What it found, with the columns `passband.rows.COLUMNS`.
        figure: The picture that these rows make, whose terms call the network as the rows do (`run`); None if there is none.
        words: What they say, in sentences; None if nothing.
        settings: Those that it had, by their names, as `passband audit --with` takes them.
    """

    name: str
    summary: str
    rows: pl.DataFrame
    figure: Figure | None
    words: str | None = None
    settings: dict[str, str] = field(default_factory=dict)


Found = TypeVar("Found", bound=Pictures)


def read_pictures(folder: Path, kind: type[Found], card: AttackedCard) -> Found:
    """Read the pictures of a folder.

    Args:
        folder: Of an audit, or of attacks alone.
        kind: What they are.
        card: That of the same folder.

    Raises:
        InputError: If they are missing or damaged, or belong to another card.
    """
    path = folder / PICTURES
    if not path.is_file():
        raise InputError(
            f"{path} is missing: version 0.1 wrote none. The card and the tables beside it are whole; to have the pictures "
            f"too, run `{card.made_by}` again."
        )
    found = read_tensors(path, kind)
    attacks = [attacked.plan.measure for attacked in found.attacks]
    if found.spectrum.fingerprint != card.data.fingerprint or attacks != [e.measure for e in card.attacks]:
        raise InputError(
            f"{path} does not belong to the card beside it, which is of other data or attacks. Run `{card.made_by}` again."
        )
    return found
