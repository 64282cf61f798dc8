"""Where a program waits for a device: told by CUDA itself, or on a CPU by the operations that would wait."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import passband
from passband import environment

HOME = Path(passband.__file__).parent
TOLD = "called a synchronizing CUDA operation"

# What has to read a tensor's values to know what to do next, or how large its result is.
READING = {
    f"aten::{name}"
    for name in (
        *(
            "_local_scalar_dense",
            "item",
            "is_nonzero",
            "equal",
            "nonzero",
            "masked_select",
            "repeat_interleave",
        ),
        *("unique_dim", "unique_consecutive", "_unique", "_unique2", "bincount", "histc"),
    )
}
INDEXING = {"aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_"}
LEAVING = {Tensor.cpu, Tensor.tolist, Tensor.numpy, Tensor.item}
# Optimizers count steps in memory wherever the rest is, and mixup draws its weight there. `to_device` knows how to move.
KNOWN_FILES, KNOWN_FUNCTIONS = ("torch/optim", "passband/train/mixup.py"), ("to_device",)
# Classes are looked at before they become targets, but on a CPU only.
ON_A_CPU_ONLY = {torch.nn.functional.one_hot}


@contextmanager
def waits(device: torch.device) -> Generator[Counter[str]]:
    """Count, while it is entered, what waits for a device, by the line of passband that it comes from.

    On a CPU the package does as if it were a device that is not prompt.
    """
    found: Counter[str] = Counter()
    if device.type != "cuda":
        prompt = set(environment.PROMPT)
        environment.PROMPT.clear()
        try:
            with _Calls(found) as calls, _Operations(found, calls):
                yield found
        finally:
            environment.PROMPT.update(prompt)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        usual = warnings.showwarning
        warnings.filterwarnings("always", message=f".*{TOLD}.*")
        warnings.showwarning = lambda message, *_, **__: found.update([f"{_line()}: {message}"])
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
            warnings.showwarning = usual


def growth(device: torch.device, work: Callable[[int], object], less: int = 2, more: int = 5) -> Counter[str]:
    """Return what waits more often where there is more to do: in each step, and not once."""
    for count in (less, more):
        work(count)  # what is waited for once, before the first step, is behind it
    counts = []
    for count in (less, more):
        with waits(device) as found:
            work(count)
        counts.append(Counter(found))
    return counts[1] - counts[0]


class _Calls(TorchFunctionMode):
    """Sees what moves tensors, which on a CPU does nothing."""

    def __init__(self, found: Counter[str]) -> None:
        super().__init__()
        self.found, self.running = found, []

    def __torch_function__(self, function, types, arguments=(), settings=None):
        settings = settings or {}
        blocks = function is Tensor.to and _blocks(arguments, settings)
        if (function in LEAVING or blocks) and not _is_known():
            self.found[f"{_line()}: {function.__name__}"] += 1
        self.running.append(function)
        try:
            return function(*arguments, **settings)
        finally:
            self.running.pop()


class _Operations(TorchDispatchMode):
    """Sees what reads a tensor's values."""

    def __init__(self, found: Counter[str], calls: _Calls) -> None:
        super().__init__()
        self.found, self.calls = found, calls

    def __torch_dispatch__(self, function, types, arguments=(), settings=None):
        name = function._schema.name
        masks = name in INDEXING and any(
            each is not None and each.dtype in (torch.bool, torch.uint8) for each in arguments[1]
        )
        known = not ON_A_CPU_ONLY.isdisjoint(self.calls.running) or _is_known()
        if (name in READING or masks) and not known:
            self.found[f"{_line()}: {name}"] += 1
        return function(*arguments, **(settings or {}))


def _blocks(arguments: tuple, settings: dict) -> bool:
    """Return whether `.to` names a device and does not say that it need not be waited for."""
    named = any(isinstance(each, torch.device | str) for each in arguments[1:2]) or "device" in settings
    return named and not (settings.get("non_blocking") or True in arguments[2:])


def _line() -> str:
    """Return the innermost line of passband that is running; of somebody else's code, if there is none."""
    frame = sys._getframe(1)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(HOME):
            return f"{path.relative_to(HOME)}:{frame.f_lineno}"
        frame = frame.f_back
    return "elsewhere"


def _is_known() -> bool:
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_name in KNOWN_FUNCTIONS or any(part in code.co_filename for part in KNOWN_FILES):
            return True
        frame = frame.f_back
    return False
