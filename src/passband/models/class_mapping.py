"""Which output of a model answers for which class of a data set, where both have names.

Two lists of the same classes in another order give a model at chance that is not; so names decide, not positions.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import nn

from passband.errors import InputError
from passband.models.class_indices import Names
from passband.models.imagenet import torchvision_names
from passband.models.pixels import ImageSet, PixelModel, as_pixel_model
from passband.notices import Notice

SHOWN = 5  # pairs that a message names
IMAGENET_CLASSES = 1000

Candidates = list[set[int]]
"""For each class the outputs that it may have."""

Spell = Callable[..., set[str]]
Index = dict[str, list[int]]
"""By a spelling, the outputs that go by it."""


@dataclass(frozen=True)
class Matched:
    """What names say of a model's outputs and a data set's classes.

    Attributes:
        outputs: For each class the output of its name; None where there is none, or more than one.
        by_order: Positions of classes that share their names with others, as ImageNet's two cranes do, and were told apart
            by their order alone.
    """

    outputs: tuple[int | None, ...]
    by_order: tuple[int, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every class has its output."""
        return None not in self.outputs


def match_classes(names: Names, classes: Sequence[str]) -> Matched:
    """Find the output of each class by name.

    Names are compared without regard to case, hyphens, underscores and slashes; `"tench, Tinca tinca"` is a name and its
    synonyms. A name that several outputs go by is settled by elimination: an output that another class needs is not free.

    Args:
        names: For each output, all its names.
        classes: The data set's classes.

    Example:
        >>> match_classes([("tench", "n01440764"), ("crane",), ("crane",)], ["Crane", "crane_2", "n01440764"])
        Matched(outputs=(1, 2, 0), by_order=(0, 1))
    """
    tiers = [
        (spell, _index([spell(group[:1]) for group in names]), _index([spell(group) for group in names]))
        for spell in (_spellings, _folded)
    ]
    free = [_find(name, tiers) for name in classes]
    _eliminate(free)
    by_order = _settle_by_order(free)
    outputs = tuple(next(iter(each)) if len(each) == 1 else None for each in free)
    taken = [output for output in outputs if output is not None]
    return Matched(tuple(None if o is None or taken.count(o) > 1 else o for o in outputs), by_order)


def fitted(model: nn.Module, dataset: ImageSet) -> PixelModel:
    """Return a model as a function of [0, 1] pixels whose outputs are in the order of a data set's classes, by their names.

    Whoever shows a model a data set gets it here. It is the model itself where names are not known, were chosen with
    `class_indices`, or are in order already; else a notice says what was done, or that nothing could be.

    Args:
        model: A classifier.
        dataset: What it is to be shown.

    Raises:
        InputError: If only some classes are found by name, and they are in another order: it says what to give.
    """
    model, classes, data = as_pixel_model(model), dataset.classes, dataset.name
    if model.names is None or tuple(classes) == tuple(group[0] for group in model.names):
        return model
    found = match_classes(model.names, classes)
    in_place = [output in (None, position) for position, output in enumerate(found.outputs)]
    known = sum(output is not None for output in found.outputs)
    same_number = len(classes) == len(model.names)
    if model.chosen_by_user or (same_number and all(in_place)):
        return _warned(model, found, classes, data)
    if found.whole:
        return model.with_outputs(
            [output for output in found.outputs if output is not None], _mapped(model, found, classes, data)
        )
    if not known:
        return model  # of another number of classes, which `mismatch` describes
    missing = [name for name, output in zip(classes, found.outputs, strict=True) if output is None]
    indices = ",".join("?" if output is None else str(output) for output in found.outputs)
    raise InputError(
        f"{model.name} and {data} name their classes otherwise, and {len(missing)} of the {len(classes)} classes of the data "
        f"have no output of their name: {_listed(missing)}. The outputs are called {_listed(model.classes or ())}. Give the "
        f"output of each class, in place of each question mark: --class-indices {indices}"
    )


def mismatch(model: PixelModel, outputs: int, dataset: ImageSet) -> str:
    """Return what is said of a model that has more or fewer outputs than a data set has classes."""
    called = f" ({_listed(model.classes)})" if model.classes else ""
    choose = "Choose the outputs of its classes, in their order, with --class-indices (class_indices=...)."
    if model.names is None and outputs == IMAGENET_CLASSES:
        found = match_classes(torchvision_names(), dataset.classes)
        if found.whole:
            choose = (
                "The data's names are ImageNet's: if the outputs are in ImageNet's order, give --class-indices "
                f"{','.join(map(str, found.outputs))}."
            )
    return (
        f"{model.name} has {outputs} outputs{called} and {dataset.name} {len(dataset.classes)} classes: "
        f"{dataset.describe_classes()}. {choose}"
    )


def _mapped(model: PixelModel, found: Matched, classes: Sequence[str], data: str) -> Notice:
    assert model.names is not None
    pairs = [f"{name} is output {output}" for name, output in zip(classes, found.outputs, strict=True)]
    part = "" if len(classes) == len(model.names) else f", {len(classes)} of {len(model.names)},"
    order = ""
    if found.by_order:
        order = f" Told apart by their order alone: {_listed([classes[i] for i in found.by_order])}."
    return Notice(
        "fit",
        f"The outputs of {model.name}{part} are matched with the classes of {data} by name: {_listed(pairs, '; ')}.{order}",
        warning=bool(found.by_order),
    )


def _warned(model: PixelModel, found: Matched, classes: Sequence[str], data: str) -> PixelModel:
    """Return the model, its outputs in the order that they have, with a warning where names speak against it."""
    assert model.names is not None
    if len(model.names) != len(classes):
        return model
    strange = [i for i, output in enumerate(found.outputs) if output != i]
    if not strange:
        return model
    pairs = [f"{classes[i]!r} is answered by {model.names[i][0]!r}" for i in strange]
    which = "by position"
    if model.chosen_by_user:
        which = "as --class-indices says"
    none = all(output is None for output in found.outputs)
    doubt = f" Is {data} what {model.name} was trained for?" if none else ""
    return model.noting(
        Notice(
            "fit",
            f"{model.name} and {data} name their classes otherwise; they are taken {which}: {_listed(pairs, '; ')}.{doubt}",
        )
    )


def _index(spelled: Sequence[set[str]]) -> Index:
    found: Index = defaultdict(list)
    for output, spellings in enumerate(spelled):
        for spelling in spellings:
            found[spelling].append(output)
    return found


def _find(name: str, tiers: Sequence[tuple[Spell, Index, Index]]) -> set[int]:
    """Return the outputs of that name: as it is written or else without regard to case, the first names before the others.

    ImageNet has a Cardigan, which is a dog, and a cardigan. Of several outputs those are meant that share most names.
    """
    for spell, first, every in tiers:
        for own, known in ((spell([name], parts=False), first), (spell([name]), every)):
            shared = Counter(output for spelling in own for output in known.get(spelling, ()))
            if shared:
                most = max(shared.values())
                return {output for output, count in shared.items() if count == most}
    match = re.fullmatch(
        r"(.*\D)\W+\d+\W?", _plain(name)
    )  # told from others of its name by a number, as crane_2 is
    return set(tiers[-1][2].get(match[1].strip(" (").casefold(), ())) if match else set()


def _eliminate(free: Candidates) -> None:
    """Take from each class the outputs that another class needs, until nothing changes."""
    several = [each for each in free if len(each) > 1]
    needed = {output for each in free if len(each) == 1 for output in each}
    while needed:
        for each in several:
            each -= needed
        needed = {output for each in several if len(each) == 1 for output in each}
        several = [each for each in several if len(each) > 1]


def _settle_by_order(free: Candidates) -> tuple[int, ...]:
    """Give classes that share the same outputs one each, in order, where they are as many."""
    groups: dict[frozenset[int], list[int]] = {}
    for position, each in enumerate(free):
        if len(each) > 1:
            groups.setdefault(frozenset(each), []).append(position)
    settled: list[int] = []
    for outputs, positions in groups.items():
        if len(outputs) == len(positions):
            settled += positions
            for position, output in zip(positions, sorted(outputs), strict=True):
                free[position] = {output}
    return tuple(sorted(settled))


def _spellings(names: Sequence[str], *, parts: bool = True) -> set[str]:
    """Return names as they are compared, and their parts, which commas part: a noun and its synonyms."""
    return {_plain(part) for name in names for part in (name, *(name.split(", ") if parts else ()))}


def _folded(names: Sequence[str], *, parts: bool = True) -> set[str]:
    return {spelling.casefold() for spelling in _spellings(names, parts=parts)}


def _plain(name: str) -> str:
    return re.sub(r"[\s_/-]+", " ", name.strip())


def _listed(texts: Sequence[str], separator: str = ", ") -> str:
    more = f"{separator}and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return separator.join(texts[:SHOWN]) + more
