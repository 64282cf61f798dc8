"""Which outputs of a network answer for the classes of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from passband.errors import InputError

Names = Sequence[Sequence[str]]
"""For each output all names it goes by, such as `("tench", "Tinca tinca", "n01440764")`; the first is shown."""


def choose_outputs(
    chosen: str | Sequence[int | str], *, count: int, names: Names | None, model: str
) -> list[int]:
    """Return the indices of the chosen outputs, in the order given.

    Args:
        chosen: Indices or names, as a sequence or as one text with commas. Digits are an index, never a name; names
            are compared without regard to case.
        count: How many outputs the model has.
        names: What its outputs are called, where known.
        model: The model's name, for messages.

    Raises:
        InputError: If an index is out of range, a name is unknown or belongs to several outputs, an output is
            chosen twice, or fewer than two are chosen.

    Example:
        >>> choose_outputs("cat, 0", count=3, names=[("dog",), ("fox",), ("cat", "Felis catus")], model="pets")
        [2, 0]
    """
    entries = chosen.split(",") if isinstance(chosen, str) else chosen
    outputs = [_find(str(entry).strip(), count, names, model) for entry in entries]
    if len(outputs) < 2:
        raise InputError(f"class indices must pick at least two outputs of {model}, got {len(outputs)}")
    for index in outputs:
        if outputs.count(index) > 1:
            raise InputError(f"class indices pick output {index} of {model} twice; name each class once")
    return outputs


def _find(entry: str, count: int, names: Names | None, model: str) -> int:
    if entry.removeprefix("-").isdecimal():
        index = int(entry)
        if not 0 <= index < count:
            raise InputError(f"class indices must lie between 0 and {count - 1} for {model}, got {index}")
        return index
    if names is None:
        raise InputError(
            f"the names of the outputs of {model} are not known, so {entry!r} cannot be found; give indices"
        )
    found = [i for i, known in enumerate(names) if entry.casefold() in (name.casefold() for name in known)]
    if len(found) > 1:
        which = "; ".join(f"{i}: {', '.join(names[i])}" for i in found)
        raise InputError(
            f"{entry!r} is the name of several outputs of {model}; give the index of one ({which})"
        )
    if not found:
        known = {name.casefold(): name for group in names for name in group}
        close = [known[name] for name in get_close_matches(entry.casefold(), known, n=3)]
        hint = f" Nearest: {', '.join(close)}." if close else ""
        raise InputError(
            f"no output of {model} is called {entry!r}.{hint} An index from 0 to {count - 1} works too."
        )
    return found[0]
