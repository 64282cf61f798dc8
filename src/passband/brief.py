"""Dataclasses that hold tensors and tables, written in a line or two: their shapes, and not a screen of numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

LONGEST = 60
"""Letters of one field; what takes more is cut, or counted."""

FEW = 3
"""Entries of a collection that are written out."""


class Brief:
    """Gives a dataclass, and those derived from it, `brief` as its `repr`; one of its own stays."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Set it before `dataclass` looks whether there is one."""
        super().__init_subclass__(**kwargs)
        if "__repr__" not in cls.__dict__:
            cls.__repr__ = brief


def brief(value: Any) -> str:
    """Return a dataclass with its fields in short.

    Example:
        >>> import torch
        >>> from dataclasses import dataclass
        >>> @dataclass
        ... class Measured(Brief):
        ...     name: str
        ...     values: torch.Tensor
        >>> Measured("loss", torch.zeros(2000, 10))
        Measured(name='loss', values=<float32 2000x10>)
    """
    shown = (f"{each.name}={short(getattr(value, each.name))}" for each in fields(value) if each.repr)
    return f"{type(value).__name__}({', '.join(shown)})"


def short(value: Any) -> str:
    """Return a value in at most about `LONGEST` letters: of tensors and tables their shapes, of long collections how many."""
    shape = getattr(value, "shape", None)
    if shape is not None and hasattr(value, "dtype"):
        return f"<{str(value.dtype).removeprefix('torch.')} {'x'.join(map(str, shape)) or 'number'}>"
    if shape is not None and hasattr(value, "columns"):
        return f"<{shape[0]:,} rows>"
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        if len(value) > FEW:
            return f"<{len(value):,} {type(next(iter(value))).__name__}>"
        if isinstance(value, Mapping):
            return "{" + ", ".join(f"{key!r}: {short(each)}" for key, each in value.items()) + "}"
        return "(" + ", ".join(map(short, value)) + ")"
    if callable(value) or hasattr(value, "state_dict"):
        return f"<{getattr(value, '__name__', type(value).__name__)}>"
    text = repr(value)
    return text if len(text) <= LONGEST else f"<{type(value).__name__}>"
