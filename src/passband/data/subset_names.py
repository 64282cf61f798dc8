"""What people call the subsets of a data set, in files, folders, arrays and splits."""

from __future__ import annotations

import re
from typing import Literal

from passband.types import Subset

Kind = Literal["train", "test", "val", "dev", "eval"]

WORDS: dict[Kind, tuple[str, ...]] = {
    "train": ("train", "training", "trainval"),
    "test": ("test", "testing"),
    "val": ("val", "validation", "valid", "validate"),
    "dev": ("dev", "devel", "development"),
    "eval": ("eval", "evaluation"),
}
"""The words for each kind of subset in lower case, in the order tried."""

SERVING: dict[Subset, tuple[Kind, ...]] = {"train": ("train",), "test": ("test", "val", "dev", "eval")}
"""What serves as a subset, in the order in which it is taken."""

SUBSET_NAMES: dict[Subset, tuple[str, ...]] = {
    subset: tuple(word for kind in kinds for word in WORDS[kind]) for subset, kinds in SERVING.items()
}
"""The words that serve for each subset, in the order tried."""

UNJUDGED = WORDS["test"]
"""Names of subsets whose labels may be kept secret, in which case another of `SUBSET_NAMES` serves for them."""

_FILLER = r"(?:images?|imgs?|pics?|pictures?|photos?|sets?|data|dataset|split|folder|full)"
_KINDS = "|".join(f"(?P<{kind}>{'|'.join(words)})" for kind, words in WORDS.items())
_NAME = re.compile(rf"{_FILLER}*(?:{_KINDS})(?:{_FILLER}|\d+)*")


def subset_kind(name: str) -> Kind | None:
    """Return which subset a name stands for, such as `Training`, `test_set`, `train2017` or `images-val`; None if for none.

    Example:
        >>> [subset_kind(name) for name in ("Training", "images-val", "test_set", "trains", "steam train")]
        ['train', 'val', 'test', None, None]
    """
    matched = _NAME.fullmatch(re.sub(r"[\W_]+", "", name.casefold()))
    return matched.lastgroup if matched else None  # ty: ignore[invalid-explicit-return]
