"""Where planned work is done: on this computer, or on a cluster."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from passband.engine.events import Tell
from passband.errors import PassbandError

Result = TypeVar("Result")


class Crashed(PassbandError):
    """A process ended without an answer: it was killed, or ran out of memory, or its computer is gone."""


class Engine(ABC):
    """Calls functions elsewhere, several at a time; as a context it ends, when it is left, whatever still runs.

    Attributes:
        at_once: How many calls it takes at a time.
    """

    at_once: int

    @abstractmethod
    def call(
        self,
        function: Callable[..., Result],
        *arguments: object,
        tell: Tell | None = None,
        **settings: object,
    ) -> Result:
        """Call a function elsewhere and return what it returns, or raise what it raises.

        Args:
            function: Of a module, so that others can import it.
            *arguments: Are pickled.
            tell: Is called here, by the thread that called this, with every event that the function tells there, which takes a
                `tell` of its own then. None is for functions that have nothing to tell.
            **settings: Are pickled.

        Raises:
            Crashed: If there was no answer.
        """

    @abstractmethod
    def end(self) -> None:
        """End what runs and start nothing else; another thread than those that call may do so."""

    def check(self, store: Path) -> None:  # noqa: B027 - one computer sees its own folders
        """Refuse places that are not fit for our work, before any of it is given to them.

        Args:
            store: Where results will be.

        Raises:
            InputError: If one would compute with something else than this computer, or does not see what is written here.
        """

    def devices(self, device: str) -> Sequence[str]:
        """Return the devices that calls which are made at the same time take by turns, where `device` was asked for.

        Raises:
            InputError: If there is none.
        """
        return (device,)

    def __enter__(self) -> Engine:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End what still runs."""
        self.end()
