"""Files of weights: writing them, reading them, and fitting them to a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from passband.errors import InputError

Match = Literal["name", "order"]
"""How weights in a file find their place in a network: by their names, or by their position."""

METADATA_KEY = "passband"
WRAPPERS = ("state_dict", "model_state_dict", "model")
PICKLED = (".pth", ".pt", ".bin")


@dataclass(frozen=True, eq=False)
class Weights:
    """What a file of weights holds.

    Attributes:
        path: The file.
        state: The tensors by name, in the file's order.
        metadata: What `save_weights` was given; empty for a file from elsewhere.
    """

    path: Path
    state: dict[str, Tensor]
    metadata: dict[str, Any]


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


def read_weights(path: Path) -> Weights:
    """Read a `.safetensors` file, or a `.pth`, `.pt` or `.bin` file that holds nothing but tensors.

    A pickled state dict may lie under the key `state_dict`, `model_state_dict` or `model` of a checkpoint. Nothing in
    the file is executed.

    Raises:
        InputError: If there is no such file, or it is of another kind, damaged, or holds more than tensors.
    """
    if not path.is_file():
        raise InputError(f"no file of weights {path}")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix in PICKLED:
        return Weights(path, _read_pickled(path), {})
    raise InputError(
        f"weights must be a .safetensors file or a state dict in {', '.join(PICKLED)}; got {path}"
    )


def _read_safetensors(path: Path) -> Weights:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            text = (file.metadata() or {}).get(METADATA_KEY, "{}")
        metadata = json.loads(text)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"{path} is not a whole safetensors file: {error}") from error
    return Weights(path, state, metadata if isinstance(metadata, dict) else {})


def _read_pickled(path: Path) -> dict[str, Tensor]:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler, zip reader or tensors raise
        raise InputError(
            f"{path} cannot be read as a state dict; it is damaged, or holds more than tensors. Write it again with "
            f"torch.save(model.state_dict(), ...). ({type(error).__name__})"
        ) from error
    if isinstance(content, dict):
        content = next((content[key] for key in WRAPPERS if isinstance(content.get(key), dict)), content)
    if (
        not isinstance(content, dict)
        or not content
        or not all(isinstance(v, Tensor) for v in content.values())
    ):
        raise InputError(
            f"{path} holds no state dict (names and tensors). Write it with torch.save(model.state_dict(), ...)."
        )
    return dict(content)


def load_state(model: nn.Module, weights: Weights, match: Match = "name") -> None:
    """Copy weights from a file into a network.

    BatchNorm's counter of batches is left out where the file has none: only training uses it.

    Args:
        model: The network, changed in place.
        weights: What `read_weights` returned.
        match: `"name"` wants the same names; `"order"` pairs tensors by position, whatever their names.

    Raises:
        InputError: If tensors are missing, left over or have another shape.
    """
    own = _counted(model.state_dict())
    given = _counted(weights.state)
    if match == "order":
        if weights.path.suffix == ".safetensors":
            raise InputError(
                f"{weights.path} cannot be matched by order: safetensors files sort their tensors. "
                f"Use a state dict ({', '.join(PICKLED)}) of the original network."
            )
        if _shapes(own) != _shapes(given):
            raise InputError(
                f"{weights.path} cannot be matched by order: {_first_difference(own, given)}. "
                f"Is this the file of another network?"
            )
        given = dict(zip(own, given.values(), strict=True))
    problems = [
        _some("missing", [name for name in own if name not in given]),
        _some("unexpected", [name for name in given if name not in own]),
        _some(
            "of another shape",
            [
                f"{name} (file {tuple(given[name].shape)}, model {tuple(own[name].shape)})"
                for name in own
                if name in given and own[name].shape != given[name].shape
            ],
        ),
    ]
    if any(problems):
        message = f"{weights.path} does not fit the network: {'; '.join(filter(None, problems))}."
        if weights.path.suffix != ".safetensors" and _shapes(own) == _shapes(given):
            message += (
                " The same shapes come in the same order: match them by position with --match-weights order."
            )
        raise InputError(message)
    model.load_state_dict(given, strict=False)


def count_classes(model: nn.Module, weights: Weights, match: Match) -> int | None:
    """Return how many classes a file is for, if that is all in which it differs from a network.

    Args:
        model: The network, with some number of classes.
        weights: The file.
        match: As for `load_state`.

    Returns:
        The number of classes in the file; None if it is the network's, or the file differs in more than that.
    """
    own, given = _counted(model.state_dict()), _counted(weights.state)
    if match == "order" and len(own) == len(given):
        given = dict(zip(own, given.values(), strict=True))
    if own.keys() != given.keys():
        return None
    changed = [(own[name].shape, given[name].shape) for name in own if own[name].shape != given[name].shape]
    counts = {(mine[:1], theirs[:1]) for mine, theirs in changed}
    if len(counts) != 1 or any(mine[1:] != theirs[1:] for mine, theirs in changed):
        return None
    return changed[0][1][0]


def _counted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


def _shapes(state: Mapping[str, Tensor]) -> list[torch.Size]:
    return [value.shape for value in state.values()]


def _some(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {', '.join(names[:3])}{more}"


def _first_difference(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> str:
    for (mine, a), (theirs, b) in zip(own.items(), given.items(), strict=False):
        if a.shape != b.shape:
            return f"{theirs} has shape {tuple(b.shape)} where the network's {mine} has {tuple(a.shape)}"
    return f"it holds {len(given)} tensors and the network {len(own)}"
