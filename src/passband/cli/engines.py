"""Where the work of a command is done, and how much of it at a time: options that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from passband.checks import check_at_least_one, check_workers

if TYPE_CHECKING:
    import passband.engine.engine


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Where work is done.

    Attributes:
        workers: Processes at a time.
        threads: Threads of each; they decide how sums are rounded.
    """

    workers: int = 2
    threads: int = 1

    def check(self) -> None:
        """Refuse impossible numbers, before anything heavy is imported.

        Raises:
            InputError: If there is no worker, or no thread.
        """
        check_workers(self.workers)
        check_at_least_one("threads", self.threads)

    def open(self) -> passband.engine.engine.Engine:
        """Return the engine, which is to be closed."""
        from passband.engine.local import Local

        return Local(self.workers)


ENGINE_DEFAULTS = EngineOptions()
EngineFlags = Annotated[EngineOptions, Parameter(name="*")]
