"""Models that the user's own Python code makes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from passband.errors import InputError
from passband.models.maite_protocol import ABOUT, MaiteModel, follows_protocol, names_of
from passband.models.networks import PYTHON
from passband.models.pixels import PixelModel
from passband.models.sources import Found, Options
from passband.models.weights import load_state
from passband.user_modules import (
    code_hash,
    import_code,
    importable,
    is_file,
    is_there,
    said,
    split_place,
    whole_name,
)


def from_python(place: str, options: Options) -> Found:
    """Load `python:package.module:function` or `python:path/to/file.py:function`. It runs that code.

    The function is called without arguments and returns an `nn.Module`, whose weights it has loaded itself or which
    get those of `--weights`; a `PixelModel`, which says for itself what it expects; or a model of the MAITE protocol.

    Raises:
        InputError: If the code cannot be imported, has no such function, or the function fails or returns something
            else.
    """
    options.refuse("num_classes", because="the function decides how many classes its model has")
    module_name, function_name = split_place(place, kind="a Python model", prefix=PYTHON)
    model = _call(_find(module_name, function_name, place), module_name, place)
    if follows_protocol(model):
        options.refuse(
            "weights", because=f"{place} returns a model of the MAITE protocol, which holds its weights"
        )
        return Found(
            MaiteModel(model, place),
            name_of(place),
            normalization="unknown",
            channels=options.in_channels,
            names=names_of(model, place),
            notices=(ABOUT,),
        )
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{place} must return a torch.nn.Module, a passband PixelModel or a model of the MAITE protocol (with "
            f"metadata), got {_kind(model)}"
        )
    notices = () if options.weights is None else load_state(model, options.read_weights(), options.match)
    model = model.cpu()
    if isinstance(model, PixelModel):  # kept whole: it may be a subclass
        return Found(
            model,
            model.name,
            normalization="inside",
            size=model.size,
            channels=model.channels,
            names=model.names,
            preparation=model.preparation,
            notices=(*model.notices, *notices),
        )
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    channels = options.in_channels or (None if first is None else first.in_channels)
    return Found(model, name_of(place), normalization="unknown", channels=channels, notices=notices)


def build_from_code(
    source: str, *, num_classes: int, in_channels: int, seed: int | None = None, code: str | None = None
) -> nn.Module:
    """Call `python:package.module:function` or `python:path/to/file.py:function` for an untrained network.

    Args:
        source: Where the function is. It is called with `num_classes` and `in_channels` by name, if it takes them.
        num_classes: How many logits the network must return.
        in_channels: Channels of its images.
        seed: Torch's random numbers are drawn by it while the function runs; None leaves them as they are.
        code: The hash that the source must have; None takes any.

    Raises:
        InputError: If the code cannot be imported, is other code, has no such function, or the function fails or returns
            something else than a network.
    """
    place = source.removeprefix(PYTHON)
    module_name, function_name = split_place(place, kind="a Python model", prefix=PYTHON)
    if code is not None:
        _check_unchanged(module_name, code, source)
    function = _find(module_name, function_name, place)
    offered = {"num_classes": num_classes, "in_channels": in_channels}
    taken = inspect.signature(function).parameters
    if not any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken.values()):
        offered = {name: value for name, value in offered.items() if name in taken}
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        model = _call(function, module_name, place, **offered)
    if not isinstance(model, nn.Module):
        raise InputError(f"{place} must return a torch.nn.Module, got {_kind(model)}")
    if any(isinstance(weight, UninitializedParameter) for weight in model.parameters()):
        raise InputError(f"the network of {place} must know its shapes when it is made: it has lazy layers")
    return model


def name_of(place: str) -> str:
    """Return what a network is called that a function makes.

    Example:
        >>> name_of("path/to/net.py:make")
        'net:make'
    """
    module, _, function = place.rpartition(":")
    return f"{Path(module).stem if is_file(module) else module}:{function}"


def find_code(source: str) -> str:
    """Import what makes a `python:` network, as it is now, and return the hash of its source.

    Raises:
        InputError: If it cannot be imported, has no such function, or has no source.
    """
    place = source.removeprefix(PYTHON)
    module, name = split_place(place, kind="a Python model", prefix=PYTHON)
    _find(module, name, place)
    return code_hash(module)


def describe_code(source: str) -> dict[str, str]:
    """Return by which `name` and of which `code` a `python:` network can be built again, from any folder.

    The code is that which this process has imported, though its file may have changed since.

    Raises:
        InputError: If the code cannot be imported, or has no source.
    """
    module, name = split_place(source.removeprefix(PYTHON), kind="a Python model", prefix=PYTHON)
    return {"name": f"{PYTHON}{whole_name(module)}:{name}", "code": code_hash(module)}


def _check_unchanged(module: str, code: str, source: str) -> None:
    advice = (
        f"If its layers are the same, {source} with --weights and the run's weights.safetensors loads it."
    )
    if is_file(module) and not is_there(module):
        raise InputError(
            f"the network was made by {source}, and there is no file {module} any more. {advice}"
        )
    import_code(module)
    if code_hash(module) != code:
        raise InputError(
            f"the network was made by {source}, and {module} has changed since (its hash was {code}, and is "
            f"{code_hash(module)}). {advice}"
        )


def _find(module_name: str, function_name: str, place: str) -> Callable[..., object]:
    """Import the module and return the function."""
    function = getattr(import_code(module_name), function_name, None)
    if function is None:
        raise InputError(f"{module_name} has no function {function_name!r}")
    if isinstance(function, nn.Module) or not callable(function):
        raise InputError(
            f"{place} must be a function that returns a model when called without arguments, "
            f"got a {type(function).__name__}"
        )
    return function


def _call(function: Callable[..., object], module_name: str, place: str, **arguments: int) -> object:
    """Call the function and return its model."""
    with importable(module_name):
        try:
            return function(**arguments)
        except (Exception, SystemExit) as error:
            given = f"with {', '.join(arguments)}" if arguments else "without arguments"
            raise InputError(f"calling {place} {given} failed ({said(error)})") from error


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
