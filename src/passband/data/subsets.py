"""What people call the subsets of a data set, in files, folders and splits."""

from __future__ import annotations

from passband.types import Subset

SUBSET_NAMES: dict[Subset, tuple[str, ...]] = {
    "train": ("train", "training"),
    "test": ("test", "testing", "val", "validation", "valid", "dev", "eval", "evaluation"),
}
"""The names of each subset in lower case, in the order tried."""

UNJUDGED = ("test", "testing")
"""Names of subsets whose labels may be kept secret, in which case another of `SUBSET_NAMES` serves for them."""
