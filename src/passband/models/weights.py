"""Files of weights: writing them, reading them, and fitting them to a network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from passband.errors import InputError, few
from passband.models.checkpoints import Chosen, choose_state, read_checkpoint
from passband.models.matching import Match, Pairing, counted, pair_by_name, pair_by_order, same_shapes
from passband.notices import Notice

METADATA_KEY = "passband"


@dataclass(frozen=True, eq=False)
class Weights:
    """What a file of weights holds.

    Attributes:
        path: The file.
        state: The tensors by name, in the file's order.
        metadata: What `save_weights` was given; empty for a file from elsewhere.
        others: Keys of other weights in the file.
        notices: Which weights of the file these are.
    """

    path: Path
    state: dict[str, Tensor]
    metadata: dict[str, Any]
    others: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


def save_weights(model: nn.Module, path: Path, metadata: Mapping[str, Any]) -> None:
    """Write a network's weights as safetensors, with what is needed to use them again.

    Args:
        model: The network. It may be on any device and in any memory layout.
        path: The file, ending in `.safetensors`.
        metadata: Written as JSON. `load_model` reads these keys, all optional: `"model"`, the arguments of
            `build_model`; `"classes"`, the names of the outputs; `"size"`, height and width in pixels.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(tensors, path, metadata={METADATA_KEY: json.dumps(metadata)})


def read_weights(path: Path, key: str | None = None) -> Weights:
    """Read a `.safetensors` file, or one that `torch.save` wrote, whatever its suffix. Nothing in it is executed.

    Args:
        path: The file.
        key: Where the weights are in a checkpoint; see `passband.models.checkpoints.choose_state`.

    Raises:
        InputError: If there is no such file, or it is of another kind, damaged, or holds no weights.
    """
    if not path.is_file():
        raise InputError(f"no file of weights {path}")
    if path.suffix == ".safetensors":
        state, metadata = _read_safetensors(path)
        chosen = Chosen(state) if key is None else choose_state(state, path, key)
    else:
        chosen, metadata = choose_state(read_checkpoint(path), path, key), {}
    return Weights(path, chosen.state, metadata, chosen.others, chosen.notices)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            text = (file.metadata() or {}).get(METADATA_KEY, "{}")
        metadata = json.loads(text)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a whole safetensors file: {error}") from error
    return state, metadata if isinstance(metadata, dict) else {}


def load_state(model: nn.Module, weights: Weights, match: Match = "name") -> tuple[Notice, ...]:
    """Copy weights from a file into a network, whose types they take.

    Counters of batches and of profilers are left out: no answer depends on them.

    Args:
        model: The network, changed in place.
        weights: What `read_weights` returned.
        match: `"name"` wants the same names, but for those of wrappers (see `pair_by_name`); `"order"` pairs tensors by
            position where the names do not tell.

    Returns:
        What whoever uses the weights must know.

    Raises:
        InputError: If tensors are missing, left over, or have another shape or kind.
    """
    own, given = counted(model.state_dict()), counted(weights.state)
    pairing = _pair(own, given, weights, match)
    if pairing is None:
        problems = [
            _some("missing", [name for name in own if name not in given]),
            _some("unexpected", [name for name in given if name not in own]),
        ]
        raise InputError(_misfit(weights, problems, _hint(own, given, weights)))
    state = pairing.state
    problems = [
        _some(
            "of another shape",
            [
                f"{name} (file {tuple(value.shape)}, model {tuple(own[name].shape)})"
                for name, value in state.items()
                if own[name].shape != value.shape
            ],
        ),
        _some(
            "of another kind",
            [
                f"{name} (file {value.dtype}, model {own[name].dtype})"
                for name, value in state.items()
                if _kind(own[name]) != _kind(value)
            ],
        ),
    ]
    if any(problems):
        raise InputError(_misfit(weights, problems))
    model.load_state_dict(state, strict=False)
    return (*weights.notices, *_noticed(pairing, weights.path))


def count_classes(model: nn.Module, weights: Weights, match: Match) -> int | None:
    """Return how many classes a file is for, if that is all in which it differs from a network.

    Args:
        model: The network, with some number of classes.
        weights: The file.
        match: As for `load_state`.

    Returns:
        The number of classes in the file; None if it is the network's, or the file differs in more than that.
    """
    own, given = counted(model.state_dict()), counted(weights.state)
    pairing = _pair(own, given, weights, match)
    return None if pairing is None else _classes(own, pairing)


def _pair(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], weights: Weights, match: Match
) -> Pairing | None:
    """Pair the tensors of a network with those of a file; None if their names differ and position is not to count."""
    try:
        by_name = pair_by_name(own, given)
    except InputError as error:
        raise InputError(f"{weights.path}: {error}") from error
    if by_name is not None or match == "name":
        return by_name
    found = "safetensors files are sorted by name" if _is_sorted(weights) else pair_by_order(own, given)
    if isinstance(found, Pairing):
        unlike = next((n for n, v in found.state.items() if v.shape != own[n].shape), None)
        if unlike is None or _classes(own, found) is not None:
            return found
        theirs = tuple(found.state[unlike].shape)
        found = f"a tensor has shape {theirs} where the network's {unlike} has {tuple(own[unlike].shape)}"
    raise InputError(
        f"{weights.path} cannot be matched by order: {found}. It must be the file of this network, as "
        f"torch.save(model.state_dict(), ...) wrote it where the network was built; one that was made of a safetensors file "
        f"keeps the order of that. Else rename its tensors to the network's names."
    )


def _hint(own: Mapping[str, Tensor], given: Mapping[str, Tensor], weights: Weights) -> str:
    if _is_sorted(weights):
        return ""
    found = pair_by_order(own, given)
    if isinstance(found, str) or not (same_shapes(own, found) or _classes(own, found) is not None):
        return ""
    return " The same shapes come in the same order: match them by position with --match-weights order."


def _is_sorted(weights: Weights) -> bool:
    return weights.path.suffix == ".safetensors"


def _classes(own: Mapping[str, Tensor], pairing: Pairing) -> int | None:
    """Return the file's number of classes, if the first axis of some tensors is all in which it differs."""
    changed = [
        (own[n].shape, value.shape) for n, value in pairing.state.items() if own[n].shape != value.shape
    ]
    counts = {(mine[:1], theirs[:1]) for mine, theirs in changed}
    if len(counts) != 1 or any(mine[1:] != theirs[1:] for mine, theirs in changed):
        return None
    return changed[0][1][0]


def _misfit(weights: Weights, problems: list[str], hint: str = "") -> str:
    others = f" It also holds {', '.join(weights.others)}: see --weights-key." if weights.others else ""
    return f"{weights.path} does not fit the network: {'; '.join(filter(None, problems))}.{hint}{others}"


def _noticed(pairing: Pairing, path: Path) -> Iterator[Notice]:
    if pairing.start:
        left_out = f"; {_some('left out', list(pairing.left_out))}" if pairing.left_out else ""
        message = f"of {path.name} the tensors were taken whose names begin with '{pairing.start}'{left_out}"
        yield Notice("model", message, warning=bool(pairing.left_out))
    real = [value.float() for value in pairing.state.values() if value.is_floating_point()]
    kernels = [value for value in real if value.ndim > 1]
    if not all(bool(value.isfinite().all()) for value in real):
        yield Notice(
            "model", f"{path.name} holds weights that are NaN or infinite: its training may have failed"
        )
    if kernels and not any(bool(value.any()) for value in kernels):
        yield Notice("model", f"every weight in {path.name} is 0: no training has filled it")


def _kind(value: Tensor) -> str:
    return "complex" if value.is_complex() else "real" if value.is_floating_point() else "whole"


def _some(what: str, names: list[str]) -> str:
    if not names:
        return ""
    return f"{what} {few(names, 3)}"
