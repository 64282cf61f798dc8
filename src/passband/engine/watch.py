"""Looking on while planned work is done: a display, a log, a tracker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from passband.engine.events import Event
from passband.engine.execute import Ended
from passband.engine.planned import Planned


class Watch:
    """Sees what becomes of planned work, in the process that planned it, and by one thread at a time.

    A subclass overrides what it wants to see.
    """

    def begin(self, planned: Sequence[Planned], names: Mapping[str, str]) -> None:
        """See all that is to be done or found, in the order in which it was asked for, before any of it is.

        Args:
            planned: Each once.
            names: What people call each of them, by its id.
        """

    def event(self, planned: Planned, event: Event) -> None:
        """See how far one of them is."""

    def ended(self, ended: Ended) -> None:
        """See what became of one of them."""

    def finish(self) -> None:
        """See that nothing more will come, however it ended."""


class Watches(Watch):
    """Several that look on together."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = tuple(watches)

    def begin(self, planned: Sequence[Planned], names: Mapping[str, str]) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.begin(planned, names)

    def event(self, planned: Planned, event: Event) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.event(planned, event)

    def ended(self, ended: Ended) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.ended(ended)

    def finish(self) -> None:
        """Pass it on."""
        for watch in self._watches:
            watch.finish()
