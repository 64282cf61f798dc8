"""Models that the user's own Python code makes."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from passband.errors import InputError
from passband.models.pixels import PixelModel
from passband.models.sources import Found, Options
from passband.models.weights import load_state, read_weights


def from_python(place: str, options: Options) -> Found:
    """Load `python:package.module:function` or `python:path/to/file.py:function`. It runs that code.

    The function is called without arguments and returns an `nn.Module`, whose weights it has loaded itself or which
    get those of `--weights`; or a `PixelModel`, which says for itself what it expects.

    Raises:
        InputError: If the code cannot be imported, has no such function, or the function fails or returns something
            else.
    """
    options.refuse("num_classes", because="the function decides how many classes its model has")
    module_name, _, function_name = place.rpartition(":")
    if not module_name or not function_name:
        raise InputError(
            f"a Python model is written python:package.module:function or python:path/to/file.py:function, "
            f"got 'python:{place}'"
        )
    model = _call(module_name, function_name, place)
    if options.weights is not None:
        load_state(model, read_weights(options.weights), options.match)
    model = model.cpu()
    name = f"{Path(module_name).stem if module_name.endswith('.py') else module_name}:{function_name}"
    if isinstance(model, PixelModel):  # kept whole: it may be a subclass
        names = None if model.classes is None else [(c,) for c in model.classes]
        return Found(model, model.name, size=model.size, channels=model.channels, names=names)
    first = next((m for m in model.modules() if isinstance(m, nn.Conv2d)), None)
    channels = options.in_channels or (None if first is None else first.in_channels)
    return Found(model, name, channels=channels)


def _call(module_name: str, function_name: str, place: str) -> nn.Module:
    """Import the module, call the function, and return its model."""
    is_file = module_name.endswith(".py")
    with _importable(Path(module_name).resolve().parent if is_file else None):
        try:
            module = _import_file(Path(module_name)) if is_file else importlib.import_module(module_name)
        except (Exception, SystemExit) as error:
            hint = ""
            if isinstance(error, ModuleNotFoundError) and not is_file:
                hint = " A file that is not installed is written python:path/to/file.py:function."
            raise InputError(f"cannot import {module_name!r} ({_said(error)}).{hint}") from error
        function = getattr(module, function_name, None)
        if function is None:
            raise InputError(f"{module_name} has no function {function_name!r}")
        if isinstance(function, nn.Module) or not callable(function):
            raise InputError(
                f"{place} must be a function that returns a model when called without arguments, "
                f"got a {type(function).__name__}"
            )
        try:
            model = function()
        except (Exception, SystemExit) as error:
            raise InputError(f"calling {place} without arguments failed ({_said(error)})") from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{place} must return a torch.nn.Module or a passband PixelModel, got {_kind(model)}"
        )
    return model


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise FileNotFoundError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(f"passband_user_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickle look their module up
    spec.loader.exec_module(module)
    return module


@contextmanager
def _importable(folder: Path | None) -> Generator[None]:
    """Let code in `folder` import what lies beside it, as it could if it were run as a script."""
    before = list(sys.path)
    if folder is not None:
        sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".strip(": ")


def _kind(value: Any) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
