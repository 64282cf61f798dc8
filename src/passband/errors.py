"""Errors that a user can mend: each says what was expected, what came, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

LISTED = 20  # names that a message lists at most


def few(texts: Sequence[str], most: int, separator: str = ", ") -> str:
    """Return the first texts of a list as a message names them, and how many more there are.

    Example:
        >>> few(["ant", "bee", "cat"], 2)
        'ant, bee and 1 more'
    """
    more = len(texts) - most
    return separator.join(texts[:most]) + (f" and {more:,} more" if more > 0 else "")


class PassbandError(Exception):
    """Base of every error that passband raises on purpose. The command line prints it and exits with 2."""


class InputError(PassbandError, ValueError):
    """An argument, option, file, data set or model cannot be used as given."""


class UnknownNameError(InputError):
    """A name is not one of those that exist.

    Example:
        >>> raise UnknownNameError("model", "resnet19", ["resnet18", "vgg11"])
        Traceback (most recent call last):
            ...
        passband.errors.UnknownNameError: no model named 'resnet19'. Did you mean 'resnet18'? Known: resnet18, vgg11
    """

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        self.made_of = kind, name, tuple(known)
        close = get_close_matches(name, known, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        super().__init__(f"no {kind} named {name!r}.{hint} Known: {few(known, LISTED)}")

    def __reduce__(self) -> tuple:
        """Return how a copy is made, such as in the process that waits for the one where it was raised."""
        return type(self), self.made_of


class DamagedError(InputError):
    """A file that passband wrote is missing, cut or changed; the message names it."""


class MissingDependencyError(PassbandError, ImportError):
    """An optional dependency is not installed; the message holds the command that installs it."""


class DownloadError(PassbandError):
    """Data or weights that are not on this machine could not be downloaded."""
