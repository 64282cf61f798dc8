"""The order of classes, which is what ties them to a model's outputs, where their names are numbered."""

from __future__ import annotations

import re
from collections.abc import Collection

from passband.notices import Notice

PASTED = 64
"""Up to so many classes, a permutation is printed; of more, the command that prints it."""

_NUMBERED = re.compile(r"([^0-9]*)([0-9]+)(.*)")


def order_classes(names: Collection[str]) -> tuple[list[str], tuple[Notice, ...]]:
    """Return the names of classes in the order of their labels, and a warning where another order is as likely.

    Names are sorted as text, as torchvision's ImageFolder does; whole numbers by value. Where names begin with a number, or a
    word and a number, and the two orders differ (10 before 2), the warning says what stands where in either, and how to have the other.

    Example:
        >>> order_classes([str(i) for i in range(12)])[0][:4]
        ['0', '1', '2', '3']
    """
    as_text = sorted(names)
    parts = {name: found for name in as_text if (found := _NUMBERED.fullmatch(name))}
    numbers = {name: int(found[2]) for name, found in parts.items()}
    if len(parts) < len(as_text) or len({found[1] for found in parts.values()}) > 1:
        return as_text, ()
    by_value = sorted(as_text, key=lambda name: (numbers[name], name))
    if by_value == as_text or len(set(numbers.values())) < len(numbers):
        return as_text, ()
    whole = all(name == found[2] for name, found in parts.items())
    taken, other = (by_value, as_text) if whole else (as_text, by_value)
    return taken, (_warn(taken, other, numeric=whole),)


def _warn(taken: list[str], other: list[str], *, numeric: bool) -> Notice:
    where = next(i for i, (one, two) in enumerate(zip(taken, other, strict=True)) if one != two)
    order, alternative = ("number", "text") if numeric else ("text", "number")
    trained = (
        "a network trained with torchvision's ImageFolder has its outputs in the order of text"
        if numeric
        else "that is torchvision's ImageFolder's order, too; a network whose outputs follow the numbers has the other"
    )
    return Notice(
        "order",
        f"classes are numbered and sorted by {order}: output {where} stands for {taken[where]!r}, and sorted by {alternative} "
        f"for {other[where]!r}. If the model's outputs are sorted by {alternative} ({trained}), give "
        f"--class-indices {_permutation(taken, other)}",
    )


def _permutation(taken: list[str], other: list[str]) -> str:
    if len(taken) > PASTED and taken[0].isdecimal():
        first = int(taken[0])
        if taken == [str(number) for number in range(first, first + len(taken))]:
            span = f"range({first}, {first + len(taken)})"
            return f'"$(python -c "r = {span}; print(*map(sorted(r, key=str).index, r), sep=\',\')")"'
    places = {name: place for place, name in enumerate(other)}
    return ",".join(str(places[name]) for name in taken)
