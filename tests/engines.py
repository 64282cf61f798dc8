"""An engine that needs no other process: a new one takes seconds to start."""

from __future__ import annotations

from passband.engine.engine import Engine


class Here(Engine):
    """Calls functions in this process."""

    def __init__(self, at_once: int = 1) -> None:
        self.at_once = at_once

    def call(self, function, *arguments, tell=None, **settings):
        """Call it."""
        return function(*arguments, **settings, **({} if tell is None else {"tell": tell}))

    def end(self) -> None:
        """Nothing runs elsewhere."""
