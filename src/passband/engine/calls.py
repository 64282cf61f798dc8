"""A call on its way to another process, and the answer on its way back."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from passband.engine.events import Tell
from passband.user_modules import import_again, imported_code, said


@dataclass(frozen=True)
class Call:
    """What is to be called. It may hold objects of the user's code, which is imported there before the rest is read.

    Attributes:
        code: The user's files and modules, with the hashes of their source.
        content: Function, arguments and settings, pickled.
    """

    code: Mapping[str, str]
    content: bytes

    @classmethod
    def of(
        cls, function: Callable[..., object], arguments: tuple[object, ...], settings: Mapping[str, object]
    ) -> Call:
        """Return a call of a module's function."""
        return cls(imported_code(), pickle.dumps((function, arguments, settings)))

    def answer(self, tell: Tell | None) -> Answer:
        """Call it, here, and return what it came to.

        Args:
            tell: What the function takes as its `tell`; None is for one that takes none.
        """
        try:
            import_again(self.code)
            function, arguments, settings = pickle.loads(self.content)
            told = {} if tell is None else {"tell": tell}
            return Answer(True, pickle.dumps(function(*arguments, **settings, **told)))
        except Exception as error:
            try:
                content = pickle.dumps(error)
            except Exception:  # an error may hold anything
                content = b""
            return Answer(False, content, said(error))
        except SystemExit as error:  # it ends one run, not all of them
            return Answer(False, b"", said(error))


@dataclass(frozen=True)
class Answer:
    """What a call came to.

    Attributes:
        returned: Whether it returned; else it raised.
        content: What it returned or raised, pickled; empty where that cannot be.
        message: What it raised, in words.
    """

    returned: bool
    content: bytes
    message: str = ""

    def read(self) -> Any:
        """Return what was returned there, or raise what was raised.

        Raises:
            RuntimeError: If that cannot be made again here.
        """
        try:
            found = pickle.loads(self.content)
        except Exception as error:
            raise RuntimeError(self.message) from error
        if not self.returned:
            raise found
        return found
