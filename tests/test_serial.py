from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from passband.errors import InputError
from passband.serial import from_plain, named, read_tensors, to_plain, write_tensors


@dataclass(frozen=True)
class Inner:
    name: str
    numbers: tuple[float, ...] = ()
    added: int | None = None


@dataclass(frozen=True)
class Outer:
    parts: tuple[Inner, ...]
    pair: tuple[int, str]
    kind: Literal["a", "b"]
    by_name: Mapping[str, float | None]
    renamed: bool = field(metadata=named("old name"))
    missing: float | None


@dataclass(frozen=True, eq=False)
class Held:
    image: Float[Tensor, "height width"]
    labels: Int64[Tensor, " samples"] | None
    more: tuple[Float[Tensor, " n"], ...]


OUTER = Outer((Inner("x", (1.5, 2.0)), Inner("y", (), 3)), (7, "p"), "b", {"k": 0.5, "l": None}, True, None)


def test_a_dataclass_is_read_back_equal_through_json():
    plain = json.loads(json.dumps(to_plain(OUTER)))
    assert plain["old name"] is True
    assert plain["missing"] is None  # it has no default
    assert "added" not in plain["parts"][0]  # its default is None
    assert from_plain(Outer, plain, "x") == OUTER


def test_a_field_with_a_default_may_be_missing():
    assert from_plain(Inner, {"name": "x"}, "f.json") == Inner("x")
    with pytest.raises(InputError, match=r"^f.json: the key name is missing$"):
        from_plain(Inner, {}, "f.json")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pair", [1], "f.json: pair must be a list of 2"),
        ("parts", [[]], r"f.json: parts\[0\] must be an object, got \[\]"),
        ("kind", "c", "f.json: kind must be one of 'a', 'b', got 'c'"),
        ("old name", 1, "f.json: old name must be true or false, got 1"),
        (
            "renamed",
            True,
            "f.json: unknown key renamed; known are parts, pair, kind, by_name, old name, missing",
        ),
    ],
)
def test_what_is_not_as_it_should_be_is_named(key, value, message):
    with pytest.raises(InputError, match=message):
        from_plain(Outer, to_plain(OUTER) | {key: value}, "f.json")


def test_a_tensor_has_no_place_in_json():
    with pytest.raises(TypeError, match="a tensor has no place"):
        to_plain(Held(torch.zeros(1, 1), None, ()))


def test_tensors_are_read_back_equal_also_views_of_one_memory(tmp_path):
    base = torch.rand(3, 4)
    held = Held(base.T, torch.tensor([2, 1]), (base[0], base[:, 1], torch.zeros(0)))
    write_tensors(tmp_path / "held.safetensors", held)
    found = read_tensors(tmp_path / "held.safetensors", Held)
    assert torch.equal(found.image, held.image)
    assert torch.equal(found.labels, held.labels)
    assert all(torch.equal(one, two) for one, two in zip(found.more, held.more, strict=True))
    assert read_none(tmp_path) is None


def read_none(folder):
    write_tensors(folder / "none.safetensors", Held(torch.zeros(1, 1), None, ()))
    return read_tensors(folder / "none.safetensors", Held).labels


def test_a_file_that_is_missing_damaged_or_of_something_else_is_named(tmp_path):
    path = tmp_path / "held.safetensors"
    with pytest.raises(InputError, match=f"no file {path}"):
        read_tensors(path, Held)
    write_tensors(path, Held(torch.rand(2, 2), None, ()))
    whole = path.read_bytes()
    for damaged in (b"", whole[:20], whole[:-3]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=f"{path} cannot be read as safetensors"):
            read_tensors(path, Held)
    write_tensors(path, Inner("x"))
    with pytest.raises(InputError, match=f"{path}: unknown key name; known are image"):
        read_tensors(path, Held)
    write_tensors(path, Held(torch.rand(2), None, ()))
    with pytest.raises(InputError, match=r"image must be a tensor Float.*got 'torch.float32 \(2,\)'"):
        read_tensors(path, Held)


def test_what_cannot_be_written_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match="nowhere/held.safetensors cannot be written: .*No such file"):
        write_tensors(tmp_path / "nowhere" / "held.safetensors", Held(torch.rand(2, 2), None, ()))
