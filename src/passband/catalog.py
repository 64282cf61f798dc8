"""Catalogs: what there is of one kind, by name. Listing needs no import; each is imported when it is first looked up."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Generic, Protocol, TypeVar, runtime_checkable

from passband.errors import UnknownNameError


@runtime_checkable
class Named(Protocol):
    """What is said of one thing where all of them are listed."""

    @property
    def name(self) -> str:
        """What commands and functions call it."""
        ...


Line = TypeVar("Line", bound=Named)
Kind = TypeVar("Kind")


class Catalog(Mapping[str, Kind], Generic[Line, Kind]):
    """Things by their names, in the order in which they are listed.

    What computes takes seconds to import, and help, lists and the refusal of an unknown name must not wait for it.

    Args:
        kind: What they are, for messages, such as `"attack"`.
        lines: What is said of each, by the place where it is: `package.module:NAME`.

    Attributes:
        lines: What is said of each, by its name.
        imported: Those that were looked up.
    """

    def __init__(self, kind: str, lines: Mapping[str, Line]) -> None:
        self.kind = kind
        self.lines = {line.name: line for line in lines.values()}
        self.imported: dict[str, Kind] = {}
        self._places = {line.name: place for place, line in lines.items()}

    def __getitem__(self, name: str) -> Kind:
        """Return the thing of a name; KeyError if there is none."""
        if name not in self.imported:
            module, _, attribute = self._places[name].partition(":")
            self.imported[name] = getattr(importlib.import_module(module), attribute)
        return self.imported[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self.lines)

    def __contains__(self, name: object) -> bool:
        """Return whether there is something of that name; nothing is imported."""
        return name in self.lines

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.lines)

    def check(self, name: str) -> None:
        """Refuse a name that is none of them.

        Raises:
            UnknownNameError: If it is none.
        """
        if name not in self.lines:
            raise UnknownNameError(self.kind, str(name), self.lines)

    def find(self, name: str) -> Kind:
        """Return the thing of a name.

        Raises:
            UnknownNameError: If there is none.
        """
        self.check(name)
        return self[name]
