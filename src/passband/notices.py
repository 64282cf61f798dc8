"""What whoever reads a number must know of how it came about, in a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Notice:
    """Something about a model, its data, or how the two fit, that is no number and that numbers depend on.

    It is made where it is noticed, travels with the model or the data set, and stands in the terminal, the card and the page.

    Attributes:
        about: What it is about; `"order"` is that of the data's classes, which is settled where a model's outputs have their
            names.
        message: One or two sentences: what was found, and what was or can be done about it.
        warning: Whether numbers may be wrong for it; else it only says how an input was read.

    Example:
        >>> print(Notice("data", "80 pictures, 12 files left out", warning=False))
        Note: 80 pictures, 12 files left out
    """

    about: Literal["model", "data", "order", "fit"]
    message: str
    warning: bool = True

    def __str__(self) -> str:
        """Return it as a line of text."""
        return f"{'Warning' if self.warning else 'Note'}: {self.message}"
