"""A comparison with what became of requirements, as `passband compare` writes it: `comparison.json`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from passband.audit.card import CheckedEntry
from passband.audit.compare import Comparison
from passband.choices import COMPARISON
from passband.files import read_json
from passband.serial import from_plain


@dataclass(frozen=True)
class SavedComparison(Comparison):
    """A comparison, what became of requirements, none if there were none, and the command that it was made by."""

    requirements: tuple[CheckedEntry, ...] = ()
    command: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def load(cls, folder: Path | str) -> SavedComparison:
        """Return what `passband compare` wrote to a folder.

        Raises:
            InputError: If the file is missing or damaged.
        """
        path = Path(folder) / COMPARISON
        return from_plain(cls, read_json(path), str(path))
