"""Which tensor of a file belongs to which of a network: by name, whatever wrappers added to it, or by position."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from passband.errors import InputError

Match = Literal["name", "order"]
"""How weights in a file find their place in a network: by their names, or by their position."""

WRAPPERS = {"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What DataParallel and DistributedDataParallel, torch.compile, FSDP and activation checkpointing add to names."""

COUNTERS = ("num_batches_tracked", "n_averaged", "total_ops", "total_params")
"""Ends of names of tensors that no answer depends on: counters of BatchNorm, of averaged models, of profilers."""


@dataclass(frozen=True, eq=False)
class Pairing:
    """The tensors of a file, by the names that a network has for them.

    Attributes:
        state: The tensors.
        start: What the names in the file begin with and the network's do not, beside what wrappers add.
        left_out: Names of tensors in the file that begin otherwise.
    """

    state: dict[str, Tensor]
    start: str = ""
    left_out: tuple[str, ...] = ()


def counted(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the tensors of a state dict that answers depend on."""
    return {
        name: value
        for name, value in state.items()
        if isinstance(value, Tensor) and not name.endswith(COUNTERS)
    }


def pair_by_name(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Pairing | None:
    """Give every tensor of a network the one of its name in a file; None if that cannot be done.

    Names are the same whether a network was wrapped or not, on either side. All names of the file may begin with
    something that the network's lack (`model.`, where a training class held it), or the other way round; tensors of
    the file that begin otherwise are left out then.

    Args:
        own: The network's tensors.
        given: The file's.

    Raises:
        InputError: If the file holds several sets of such names.
    """
    if own.keys() == given.keys():
        return Pairing({name: given[name] for name in own})
    mine, theirs = unwrapped(own), unwrapped(given)
    if not mine or not theirs or len(mine) < len(own) or len(theirs) < len(given):
        return None
    if mine.keys() == theirs.keys():
        return Pairing({name: given[theirs[plain]] for plain, name in mine.items()})
    starts = [
        start
        for start in _starts(mine, theirs)
        if {start + name for name in mine} == {name for name in theirs if name.startswith(start)}
    ]
    if len(starts) > 1:
        raise InputError(
            f"the file holds the weights of several such networks, whose names begin with {', '.join(sorted(starts))}: "
            f"choose with --weights-key, as --weights-key {sorted(starts)[0].removesuffix('.')}"
        )
    for start in starts:
        return Pairing(
            {name: given[theirs[start + plain]] for plain, name in mine.items()},
            start,
            tuple(name for plain, name in theirs.items() if not plain.startswith(start)),
        )
    for start in _starts(theirs, mine):
        if {start + name for name in theirs} == mine.keys():
            return Pairing({mine[start + plain]: given[name] for plain, name in theirs.items()})
    return None


def pair_by_order(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Pairing | str:
    """Pair tensors by position, or return why that would be guessing; shapes are not compared.

    Paired names must end alike (weight, bias, running_mean ...). Names sorted by the alphabet are no order of a network, and
    where two tensors could change places unseen, they are refused.
    """
    if len(own) != len(given):
        return f"it holds {len(given)} tensors and the network {len(own)}"
    for (mine, a), (theirs, b) in zip(own.items(), given.items(), strict=True):
        if _end(mine) != _end(theirs):
            return f"{theirs} would become {mine}, which is another thing. Its names are in another order than the network's"
        if a.ndim != b.ndim:
            return f"{theirs} has shape {tuple(b.shape)} where the network's {mine} has {tuple(a.shape)}"
    kinds = [(_end(name), value.shape) for name, value in given.items()]
    if list(given) == sorted(given) and len(set(kinds)) < len(kinds):
        return "its names are sorted by the alphabet, which need not be the order of the layers"
    return Pairing(dict(zip(own, given.values(), strict=True)))


def unwrapped(names: Iterable[str]) -> dict[str, str]:
    """Return names by what they are without what wrappers add."""
    return {".".join(part for part in name.split(".") if part not in WRAPPERS): name for name in names}


def same_shapes(own: Mapping[str, Tensor], pairing: Pairing) -> bool:
    """Return whether all paired tensors have one shape."""
    return all(value.shape == own[name].shape for name, value in pairing.state.items())


def _starts(short: Iterable[str], long: Iterable[str]) -> list[str]:
    """Return what stands before the first of the short names in those long ones that end so."""
    first = next(iter(short))
    return [name.removesuffix(first) for name in long if name.endswith(f".{first}")]


def _end(name: str) -> str:
    """Return the last word of a tensor's name, such as `weight` of `layer1.0_weight`."""
    return re.split(r"[._/]", name)[-1]
