"""Dataclasses as JSON, tensors and tables, and back; what is read is checked key by key.

A field is written under its name, or the key that `named` gives it in its metadata. One that has a default may be missing, since earlier
versions did not have it; where that default is None, None is not written. A class with a `from_dict` of its own is written
and read by that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import polars as pl
import torch
from jaxtyping import AbstractArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from passband.errors import InputError

Value = TypeVar("Value")
Tensors = dict[str, Tensor]
"""Tensors by the names that the JSON beside them has for them."""

METADATA_KEY = "passband"
TENSOR, TABLE = "tensor", "table"  # the only key of what stands in JSON for either
SIMPLE = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def named(key: str) -> dict[str, str]:
    """Return the metadata of a dataclass field that is written under another name than its own."""
    return {"key": key}


def to_plain(value: Any, tensors: Tensors | None = None) -> Any:
    """Return a value as JSON holds it.

    Args:
        value: Dataclasses, mappings, sequences, numbers, texts and None, in each other.
        tensors: Takes the tensors and tables in it; without, there may be none.
    """
    if isinstance(value, Tensor):
        if tensors is None:
            raise TypeError("a tensor has no place in JSON")
        alone = value.detach().cpu().contiguous().clone()  # a file holds no two tensors that share memory
        return {TENSOR: _put(tensors, alone)}
    if isinstance(value, pl.DataFrame):
        if tensors is None:
            raise TypeError("a table has no place in JSON")
        value.write_parquet(buffer := BytesIO())
        return {TABLE: _put(tensors, torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8))}
    if is_dataclass(value):
        return value.to_dict() if hasattr(value, "from_dict") else fields_to_plain(value, tensors)
    if isinstance(value, Mapping):
        return {key: to_plain(each, tensors) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [to_plain(each, tensors) for each in value]
    return value


def fields_to_plain(value: Any, tensors: Tensors | None = None) -> dict[str, Any]:
    """Return a dataclass's fields as JSON holds them, by their keys."""
    return {
        _key(each): to_plain(content, tensors)
        for each in fields(value)
        if (content := getattr(value, each.name)) is not None or each.default is not None
    }


def from_plain(
    kind: type[Value], plain: Any, where: str, tensors: Mapping[str, Tensor] | None = None
) -> Value:
    """Return the value that `to_plain` made plain.

    Args:
        kind: Its type.
        plain: What JSON holds.
        where: The file, for messages.
        tensors: The tensors that were taken out of it.

    Raises:
        InputError: If a key is missing or unknown, or a value is not what it should be; it names the key and the file.
    """
    return _Reader(where, tensors or {}).read(kind, plain, "")


def fields_from_plain(kind: type[Value], plain: Any, where: str) -> Value:
    """Return the dataclass that `fields_to_plain` made plain: `from_plain`, for use in a `from_dict`."""
    return _Reader(where, {}).fields(kind, plain, "")


def write_tensors(path: Path, value: Any) -> None:
    """Write a value that holds tensors as one safetensors file, with all else as JSON in its header.

    Raises:
        OSError: If it cannot be written, as on a full disk.
    """
    tensors: Tensors = {}
    plain = to_plain(value, tensors)
    try:
        save_file(tensors, path, metadata={METADATA_KEY: json.dumps(plain, allow_nan=False)})
    except SafetensorError as error:
        raise OSError(f"{path} cannot be written: {error}") from error


def read_tensors(path: Path, kind: type[Value]) -> Value:
    """Read what `write_tensors` wrote; nothing in the file is executed.

    Raises:
        InputError: If the file is missing or damaged, or holds something else.
    """
    if not path.is_file():
        raise InputError(f"no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            plain = json.loads((file.metadata() or {}).get(METADATA_KEY, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, json.JSONDecodeError, OSError) as error:
        raise InputError(f"{path} cannot be read as safetensors: {error}") from error
    return from_plain(kind, plain, str(path), tensors)


@dataclass(frozen=True)
class _Reader:
    """Reads one file: `where` it is, and its tensors."""

    where: str
    tensors: Mapping[str, Tensor]

    def refuse(self, path: str, expected: str, got: Any) -> InputError:
        text = repr(got)
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        return InputError(f"{self.where}: {path or 'the whole'} must be {expected}, got {shown}")

    def read(self, kind: Any, plain: Any, path: str) -> Any:
        origin, arguments = get_origin(kind), get_args(kind)
        if kind is Any:
            return plain
        if origin in (Union, UnionType):
            inner = [each for each in arguments if each is not NoneType]
            if plain is None and NoneType in arguments:
                return None
            return self.read(inner[0] if len(inner) == 1 else self.choose(inner, plain, path), plain, path)
        if origin is Literal:
            if plain not in arguments:
                raise self.refuse(path, f"one of {', '.join(map(repr, arguments))}", plain)
            return plain
        if origin is tuple:
            return self.sequence(arguments, plain, path)
        if origin in (dict, Mapping):
            if not isinstance(plain, dict):
                raise self.refuse(path, "an object", plain)
            return {key: self.read(arguments[1], each, f"{path}.{key}") for key, each in plain.items()}
        if isinstance(kind, type) and issubclass(kind, AbstractArray):
            return self.tensor(kind, plain, path)
        if kind is pl.DataFrame:
            return self.table(plain, path)
        if hasattr(kind, "from_dict"):
            return self.own(kind, plain, path)
        if is_dataclass(kind):
            return self.fields(kind, plain, path)
        return self.simple(kind, plain, path)

    def sequence(self, arguments: tuple[Any, ...], plain: Any, path: str) -> tuple[Any, ...]:
        if not isinstance(plain, list):
            raise self.refuse(path, "a list", plain)
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(plain)
        if len(plain) != len(arguments):
            raise self.refuse(path, f"a list of {len(arguments)}", plain)
        parts = zip(arguments, plain, strict=True)
        return tuple(self.read(kind, each, f"{path}[{index}]") for index, (kind, each) in enumerate(parts))

    def tensor(self, kind: Any, plain: Any, path: str) -> Tensor:
        name = plain.get(TENSOR) if isinstance(plain, dict) else None
        found = self.tensors.get(name) if isinstance(name, str) else None
        if found is None:
            raise self.refuse(path, "a tensor in the same file", plain)
        if not isinstance(found, kind):
            raise self.refuse(path, f"a tensor {kind.__name__}", f"{found.dtype} {tuple(found.shape)}")
        return found

    def table(self, plain: Any, path: str) -> pl.DataFrame:
        name = plain.get(TABLE) if isinstance(plain, dict) else None
        found = self.tensors.get(name) if isinstance(name, str) else None
        if found is None:
            raise self.refuse(path, "a table in the same file", plain)
        try:
            return pl.read_parquet(BytesIO(found.numpy().tobytes()))
        except pl.exceptions.PolarsError as error:
            raise InputError(f"{self.where}: {path} cannot be read as Parquet: {error}") from error

    def choose(self, kinds: Sequence[Any], plain: Any, path: str) -> Any:
        """Return the one of several dataclasses that has these keys."""
        for kind in kinds:
            keys = {_key(each) for each in fields(kind)}
            if isinstance(plain, dict) and plain.keys() <= keys and keys - plain.keys() <= _optional(kind):
                return kind
        raise self.refuse(path, f"one of {', '.join(kind.__name__ for kind in kinds)}", plain)

    def own(self, kind: Any, plain: Any, path: str) -> Any:
        if not isinstance(plain, dict):
            raise self.refuse(path, "an object", plain)
        try:
            return kind.from_dict(plain)
        except InputError as error:
            raise InputError(f"{self.where}: {path}: {error}") from error

    def fields(self, kind: Any, plain: Any, path: str) -> Any:
        if not isinstance(plain, dict):
            raise self.refuse(path, "an object", plain)
        hints, known = _hints(kind), {_key(each): each for each in fields(kind)}
        inside = f"{path}." if path else ""
        if unknown := [key for key in plain if key not in known]:
            raise InputError(f"{self.where}: unknown key {inside}{unknown[0]}; known are {', '.join(known)}")
        values = {}
        for key, each in known.items():
            if key in plain:
                values[each.name] = self.read(hints[each.name], plain[key], inside + key)
            elif key not in _optional(kind):
                raise InputError(f"{self.where}: the key {inside}{key} is missing")
        try:
            return kind(**values)
        except InputError as error:
            raise InputError(f"{self.where}: {path}: {error}") from error

    def simple(self, kind: Any, plain: Any, path: str) -> Any:
        numeric = isinstance(plain, int | float) and not isinstance(plain, bool)
        if kind is float and numeric and abs(plain) <= sys.float_info.max:  # neither NaN nor infinite
            return float(plain)
        if kind is not float and type(plain) is kind and kind in SIMPLE:
            return plain
        raise self.refuse(path, SIMPLE.get(kind, str(kind)), plain)


def _put(tensors: Tensors, tensor: Tensor) -> str:
    """Put a tensor beside the JSON and return its name."""
    name = f"{len(tensors):03}"
    tensors[name] = tensor
    return name


def _optional(kind: Any) -> set[str]:
    """Return the keys that may be missing."""
    return {
        _key(each)
        for each in fields(kind)
        if each.default is not MISSING or each.default_factory is not MISSING
    }


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def _key(each: Field[Any]) -> str:
    return each.metadata.get("key", each.name)
