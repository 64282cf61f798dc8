"""What identifies a network's weights, of whatever kind they are, and how many there are."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from passband.errors import InputError
from passband.files import digest
from passband.models.pixels import network_of

Part = bytes | memoryview

PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.Size, torch.device)
"""Kinds of values that are told apart by how they are written."""

SETTINGS = ("scale", "zero_point")
"""How names end in a quantized network's state that say how its numbers are to be read, and are no weights."""


def weights_hash(model: nn.Module) -> str:
    """Return 16 hexadecimal digits that identify a network's weights.

    They depend on names, types, shapes and values, not on device or memory layout. A `PixelModel` has the hash of its
    body. Quantized, sparse and complex tensors count with all that they consist of, and so does what a network keeps
    among its weights that is no tensor.

    Raises:
        InputError: If weights have no values yet (lazy layers, the device `meta`), or are of a kind that cannot be read.
    """
    parts: list[Part] = []
    for name, value in sorted(network_of(model).state_dict().items()):
        parts += _parts(name, value)
    return digest(*parts)


def count_parameters(model: nn.Module) -> int:
    """Return how many weights a network has; those that quantization has hidden from `parameters()` count too.

    Example:
        >>> count_parameters(nn.Linear(3, 2))
        8
    """
    known = {name for name, _ in (*model.named_parameters(), *model.named_buffers())}
    hidden = {name: value for name, value in model.state_dict().items() if name not in known}
    leaves = (
        leaf for name, value in hidden.items() if not name.endswith(SETTINGS) for leaf in _tensors(value)
    )
    return sum(p.numel() for p in model.parameters()) + sum(leaf.numel() for leaf in leaves)


def _tensors(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in a value of a state."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from (leaf for each in value.values() for leaf in _tensors(each))
    elif isinstance(value, list | tuple) and not isinstance(value, torch.Size):
        yield from (leaf for each in value for leaf in _tensors(each))


def _parts(name: str, value: Any) -> Iterator[Part]:
    """Yield what tells a value of a state apart: its name and kind, then its content."""
    if isinstance(value, Tensor):
        yield from _tensor_parts(name, value)
    elif isinstance(value, PLAIN):
        yield f"{name} {type(value).__name__} {value!r}".encode()
    elif isinstance(value, Mapping):
        yield f"{name} mapping of {len(value)}".encode()
        for key, each in sorted(value.items(), key=lambda item: repr(item[0])):
            yield from _parts(f"{name}.{key!r}", each)
    elif isinstance(value, Sequence):
        yield f"{name} sequence of {len(value)}".encode()
        for index, each in enumerate(value):
            yield from _parts(f"{name}.{index}", each)
    elif isinstance(value, set | frozenset):
        yield from _parts(name, sorted(map(repr, value)))
    elif isinstance(value, torch.ScriptObject):  # what quantized layers pack their weights into
        yield from _parts(name, value.__getstate__())
    else:
        yield f"{name} {type(value).__qualname__}".encode()
        try:
            yield pickle.dumps(value, protocol=4)
        except Exception as error:  # whatever its class raises
            raise InputError(
                f"the weights of the model cannot be told from others: {name} is a {type(value).__name__}, which cannot "
                f"be written down ({type(error).__name__}: {error}). Keep it out of the model's state_dict()."
            ) from error


def _tensor_parts(name: str, value: Tensor) -> Iterator[Part]:
    if is_lazy(value) or value.is_meta:
        raise InputError(
            f"{name} has no values yet: lazy layers must have seen an image, and weights must be loaded from the device "
            f"'meta', before a model is used"
        )
    value = value.detach()
    about = f"{name} {value.dtype} {tuple(value.shape)}"
    if value.is_quantized:
        yield f"{about} {value.qscheme()}".encode()
        yield from _tensor_parts(f"{name}.integers", value.int_repr())
        if value.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
            yield from _parts(f"{name}.scale", (value.q_scale(), value.q_zero_point()))
        else:
            yield from _parts(f"{name}.axis", value.q_per_channel_axis())
            yield from _tensor_parts(f"{name}.scales", value.q_per_channel_scales())
            yield from _tensor_parts(f"{name}.zero_points", value.q_per_channel_zero_points())
    elif value.layout != torch.strided:
        yield f"{about} {value.layout}".encode()
        for what, part in _sparse(value):
            yield from _tensor_parts(f"{name}.{what}", part)
    elif (
        flatten := getattr(value, "__tensor_flatten__", None)
    ) is not None:  # a subclass made of other tensors
        names, context = flatten()
        yield f"{about} {type(value).__name__}".encode()
        yield from _parts(f"{name}.context", context)
        for each in names:
            yield from _parts(f"{name}.{each}", getattr(value, each))
    else:
        yield about.encode()
        plain = value.cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
        yield memoryview(
            (torch.view_as_real(plain) if plain.is_complex() else plain).view(torch.uint8).numpy().reshape(-1)
        )


def _sparse(value: Tensor) -> Iterator[tuple[str, Tensor]]:
    if value.layout == torch.sparse_coo:
        whole = value.coalesce()
        yield from (("indices", whole.indices()), ("values", whole.values()))
    elif value.layout in (torch.sparse_csr, torch.sparse_bsr):
        yield from (
            ("rows", value.crow_indices()),
            ("columns", value.col_indices()),
            ("values", value.values()),
        )
    else:
        yield from (
            ("columns", value.ccol_indices()),
            ("rows", value.row_indices()),
            ("values", value.values()),
        )
