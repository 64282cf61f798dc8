"""What the folders and files of a subset are called."""

from __future__ import annotations

import re
from typing import Literal

from passband.types import Subset

Kind = Literal["train", "test", "val", "dev", "eval"]

SERVING: dict[Subset, tuple[Kind, ...]] = {"train": ("train",), "test": ("test", "val", "dev", "eval")}
"""What serves as a subset, in the order in which it is taken."""

_FILLER = r"(?:images?|imgs?|pics?|pictures?|photos?|sets?|data|dataset|split|folder|full)"
_NAME = re.compile(
    rf"{_FILLER}*(?:(?P<train>train(?:ing|val)?)|(?P<test>test(?:ing)?)|(?P<val>val(?:id(?:ation|ate)?)?)"
    rf"|(?P<dev>dev(?:el(?:opment)?)?)|(?P<eval>eval(?:uation)?))(?:{_FILLER}|\d+)*"
)


def subset_kind(name: str) -> Kind | None:
    """Return which subset a name stands for, such as `Training`, `test_set`, `train2017` or `images-val`; None if for none.

    Example:
        >>> [subset_kind(name) for name in ("Training", "images-val", "test_set", "trains", "steam train")]
        ['train', 'val', 'test', None, None]
    """
    matched = _NAME.fullmatch(re.sub(r"[\W_]+", "", name.casefold()))
    return matched.lastgroup if matched else None  # ty: ignore[invalid-explicit-return]
