"""The weights in a file that `torch.save` wrote, whatever training code put beside them.

Nothing in such a file is executed: what is neither tensor nor plain data (settings, NumPy's scalars, whole objects) is read
as an inert object that only knows what it is called.
"""

from __future__ import annotations

import pickletools
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from passband.errors import InputError
from passband.models.matching import counted, unwrapped
from passband.notices import Notice

KNOWN = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "params", "module")
"""Keys under which training code keeps the weights of its network, the first of them first where a file has several."""

EMA = re.compile(r"(^|_)ema(_|$)")
"""In a key: that the weights under it are an exponential moving average, kept beside the last ones."""

TRAINING = re.compile(r"optim|sched|scaler|rng", re.IGNORECASE)
"""In a key: what is under it belongs to the training, though it may hold tensors."""

PICKLES_BEFORE_TENSORS = 4  # in a file of torch before 1.6: magic number, protocol, system, content
LFS = b"version https://git-lfs"


@dataclass(frozen=True, eq=False)
class Chosen:
    """The weights that were taken from a file.

    Attributes:
        state: The tensors by name, in the file's order.
        others: Keys of other weights in the file.
        notices: Which were taken, where the file leaves a choice.
    """

    state: dict[str, Tensor]
    others: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()


def read_checkpoint(path: Path) -> object:
    """Read what `torch.save` wrote: tensors and plain data as they are, all else as inert objects.

    Raises:
        InputError: If the file cannot be read so.
    """
    try:
        inert: list[Callable[..., object] | tuple[Callable[..., object], str]] = [
            (_inert(name), name) for name in _globals(path)
        ]
        with warnings.catch_warnings(), torch.serialization.safe_globals(inert):
            warnings.simplefilter("ignore")  # of files that other versions of torch wrote
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its unpickler, zip reader or tensors raise
        raise InputError(
            f"{path} cannot be read as weights. {_what_else(path)} ({type(error).__name__})"
        ) from error


def choose_state(content: object, path: Path, key: str | None = None) -> Chosen:
    """Find the weights in what a file holds.

    An average (`ema`) is preferred to the last weights, as by timm: training that keeps one is judged by it.

    Args:
        content: What `read_checkpoint` returned, or the tensors of another file by name.
        path: The file, for messages.
        key: Where they are: a key, `outer.inner` for one within another, or what the names of the tensors begin with.

    Raises:
        InputError: If there are none, or several without a known key.
    """
    if key is not None:
        return Chosen(_under(content, path, key))
    found = dict(_states(content))
    if "" in found:
        return Chosen(found[""])
    averages = {name: state for name, state in found.items() if any(map(EMA.search, name.split(".")))}
    plain = {name: state for name, state in found.items() if name not in averages}
    if not found:
        tensors = _tensors(content)
        if tensors:  # and something else among them
            return Chosen(tensors)
        raise InputError(
            f"{path} holds no state dict (names and tensors), but {_kind(content)}. {_advice(content)}"
        )
    last = _best(plain)
    taken = _best(averages) or last
    if taken is None:
        raise InputError(
            f"{path} holds several sets of weights: {', '.join(found)}. Choose one with --weights-key (weights_key=...)."
        )
    others = tuple(name for name in found if name != taken)
    message = f"of {path.name} the weights under '{taken}' were taken"
    if taken in averages and last is not None and not _equal(found[taken], found[last]):
        notice = Notice(
            "model",
            f"{message}, an average (EMA) of those under '{last}', which differ. --weights-key {last} takes those.",
        )
    else:
        beside = f"; it also holds {', '.join(others)}" if others else ""
        notice = Notice("model", f"{message}{beside}", warning=False)
    return Chosen(found[taken], others, (notice,))


class _TakenForDict(type):
    """Lets torch's reader put items into objects of a class: it does so only where their type equals `dict`."""

    def __eq__(cls, other: object) -> bool:
        return other is dict or cls is other

    def __hash__(cls) -> int:
        return type.__hash__(cls)


class _Inert(dict[Any, Any], metaclass=_TakenForDict):
    """Stands for an object of a class that is not loaded, which may have been a mapping."""

    __hash__ = object.__hash__  # type: ignore[assignment] - it may have been a key

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: object) -> None:
        if isinstance(state, dict):
            self.__dict__.update(state)


def _inert(name: str) -> Callable[..., object]:
    module, _, last = name.rpartition(".")
    return _TakenForDict(last, (_Inert,), {"__module__": module})


def _globals(path: Path) -> list[str]:
    """Return the full names of the classes and functions that a file refers to, without reading more of it."""
    if zipfile.is_zipfile(path):
        return torch.serialization.get_unsafe_globals_in_checkpoint(path)
    with path.open("rb") as file:
        return [
            str(argument).replace(" ", ".")
            for _ in range(PICKLES_BEFORE_TENSORS)
            for operation, argument, _ in pickletools.genops(file)
            if operation.name == "GLOBAL"
        ]


def _what_else(path: Path) -> str:
    """Say what a file is that is no checkpoint, and what to do."""
    with path.open("rb") as file:
        start = file.read(len(LFS))
    if start == LFS:
        return "It is a pointer of Git LFS, in place of the file: fetch that with git lfs pull."
    if is_script(path):
        return (
            "It is a TorchScript program: load it in a function (torch.jit.load) with python:FILE.py:FUNCTION, "
            "without --weights."
        )
    return "It must be a .safetensors file or one that torch.save(model.state_dict(), ...) wrote, and whole."


def is_script(path: Path) -> bool:
    """Return whether a file is a TorchScript program."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _states(content: object, at: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield every state dict in nested dicts with its place, outer ones first."""
    if not isinstance(content, dict) or not content or not all(isinstance(name, str) for name in content):
        return
    values = list(content.values())
    if all(isinstance(value, Tensor) for value in values):
        if any(value.is_floating_point() for value in values):
            yield at, dict(content)
        return
    for name, value in content.items():
        if not TRAINING.search(name):
            yield from _states(value, f"{at}.{name}" if at else name)


def _best(states: Mapping[str, object]) -> str | None:
    """Return the key that stands for the network, if it is plain which."""

    def rank(name: str) -> tuple[int, ...]:
        parts = name.split(".")
        return len(parts), *(KNOWN.index(part) if part in KNOWN else len(KNOWN) for part in parts)

    best = sorted(states, key=rank)[:2]
    if not best or (len(best) == 2 and rank(best[0]) == rank(best[1])):
        return None
    return best[0]


def _under(content: object, path: Path, key: str) -> dict[str, Tensor]:
    """Return the tensors under a key."""
    rest = key
    while isinstance(content, dict) and rest:
        inner = next((n for n in content if isinstance(n, str) and f"{rest}.".startswith(f"{n}.")), None)
        if inner is None:
            start = rest.removesuffix(".") + "."
            content = {n.removeprefix(start): v for n, v in content.items() if str(n).startswith(start)}
            break
        content, rest = content[inner], rest[len(inner) + 1 :]
    tensors = _tensors(content)
    if not tensors:
        raise InputError(f"{path} holds no weights under {key!r}. {_advice(content)}")
    return tensors


def _tensors(content: object) -> dict[str, Tensor]:
    """Return the tensors among the values of a dict."""
    if not isinstance(content, dict):
        return {}
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _equal(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> bool:
    mine, theirs = unwrapped(counted(one)), unwrapped(counted(two))
    return mine.keys() == theirs.keys() and all(torch.equal(one[mine[n]], two[theirs[n]]) for n in mine)


def _kind(content: object) -> str:
    if isinstance(content, dict) and not isinstance(content, _Inert):
        return f"a dict of {', '.join(map(str, list(content)[:10])) or 'nothing'}"
    return f"a {type(content).__name__}"


def _advice(content: object) -> str:
    inside = [content, *content.values()] if isinstance(content, dict) else [content]
    networks = [
        type(value).__name__ for value in inside if isinstance(value, _Inert) and hasattr(value, "_modules")
    ]
    if networks:
        return (
            f"A whole network was saved ({networks[0]}), which only its code can read: load it in a function "
            f"(torch.load(..., weights_only=False)) with python:FILE.py:FUNCTION, if you trust the file; or save "
            f"its state_dict()."
        )
    return "Write one with torch.save(model.state_dict(), ...), or name the key of it with --weights-key."
