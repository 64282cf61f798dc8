"""What a network does inside while it is asked: what each of its modules returns, and which operations on maps it runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

COMPILED = "_orig_mod"
"""What torch.compile calls the module in a module that it returns."""


class Output(NamedTuple):
    """What a module returned.

    Attributes:
        name: The module's, followed by `#2` and so on where it is called again for the same images.
        module: Its name among the network's modules.
        images: How many images the network was given.
        value: What it returned, as it is.
    """

    name: str
    module: str
    images: int
    value: Any


class Operation(NamedTuple):
    """A function of torch that a module called.

    Attributes:
        name: The module's where it has none inside it, else that and the function's; `#2` and so on as for an `Output`.
        kind: The function's name.
        images: How many images the network was given.
        arguments: What it was given: those without a name, and those with one.
        value: What it returned.
    """

    name: str
    kind: str
    images: int
    arguments: tuple[tuple[Any, ...], dict[str, Any]]
    value: Any


@contextmanager
def watching(
    network: nn.Module,
    *,
    output: Callable[[Output], None],
    operation: Callable[[Operation], None] = lambda _: None,
    kinds: Collection[str] = (),
) -> Generator[None]:
    """Tell what goes on in a network while it is asked, the moment that it happens; the network is left as it was.

    Compiled modules run uncompiled meanwhile, and their names are those that they had before. What a TorchScript module does
    inside cannot be seen.

    Args:
        network: The module that is called with a batch of images; each call is a piece of its own.
        output: Called with what a module returns.
        operation: Called with each operation of the `kinds`.
        kinds: Names of functions of torch and torch.nn.functional.
    """
    watch = _Watch(_as_written(network), output, operation, kinds)
    with ExitStack() as stack:
        stack.enter_context(_uncompiled(network))
        for module in watch.names:
            handles = (
                module.register_forward_pre_hook(watch.begin),
                module.register_forward_hook(watch.end, always_call=True),  # of one that fails too
            )
            for handle in handles:
                stack.callback(handle.remove)
        stack.enter_context(watch)
        yield


def first_tensor(value: Any) -> Tensor | None:
    """Return what a module returned, or the first tensor of a tuple, a list or a mapping; None if there is none."""
    if isinstance(value, Tensor):
        return value
    values = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    )
    return next((each for each in values if isinstance(each, Tensor)), None)


def plain_name(name: str) -> str:
    """Return a module's name as it was before the network, or a part of it, was compiled.

    Example:
        >>> plain_name("_orig_mod.blocks.0._orig_mod.mlp")
        'blocks.0.mlp'
    """
    return ".".join(part for part in name.split(".") if part != COMPILED)


class _Watch(TorchFunctionMode):
    """Keeps which modules are running, and tells what they do."""

    def __init__(
        self,
        network: nn.Module,
        output: Callable[[Output], None],
        operation: Callable[[Operation], None],
        kinds: Collection[str],
    ) -> None:
        super().__init__()
        self.names = {
            module: plain_name(name)
            for name, module in network.named_modules()
            if not isinstance(module, torch.jit.ScriptModule)
            and COMPILED not in module._modules  # the first take no hooks
        }
        self._network, self._output, self._operation, self._kinds = network, output, operation, kinds
        self._running: list[nn.Module] = []
        self._images = 0
        self._calls: Counter[str] = Counter()
        self._operations: Counter[str] = Counter()

    def begin(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        """Note that a module runs; the network itself begins anew."""
        if module is self._network:
            self._running.clear()
            self._calls.clear()
            self._operations.clear()
            self._images = len(inputs[0])
        self._running.append(module)

    def end(self, module: nn.Module, inputs: tuple[Any, ...], value: Any) -> None:
        """Note that a module is over, and tell what it returned, if anything."""
        while self._running.pop() is not module:  # it may have been left in the middle
            pass
        if value is None:
            return
        name = self.names[module]
        self._output(Output(_numbered(name, self._calls), name, self._images, value))

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run a function, and tell of it if it is one of those asked for."""
        value = func(*args, **(kwargs or {}))
        kind = getattr(func, "__name__", "")
        if kind in self._kinds and self._running:
            module = self._running[-1]
            name, leaf = self.names[module], not any(module.children())
            called = name if leaf and name else f"{name}.{kind.removesuffix('_with_indices')}".lstrip(".")
            numbered = _numbered(called, self._operations)
            self._operation(Operation(numbered, kind, self._images, (args, kwargs or {}), value))
        return value


def _numbered(name: str, seen: Counter[str]) -> str:
    seen[name] += 1
    return name if seen[name] == 1 else f"{name}#{seen[name]}"


def _as_written(network: nn.Module) -> nn.Module:
    """Return the network that torch.compile was given; another one is its own."""
    while COMPILED in network._modules:
        network = network.get_submodule(COMPILED)
    return network


def _uncompiled(network: nn.Module) -> Any:
    """Return a context in which what torch.compile made runs as it was written: compiled code does not call hooks."""
    compiled = (
        COMPILED in module._modules or getattr(module, "_compiled_call_impl", None) is not None
        for module in network.modules()
    )
    return torch.compiler.set_stance("force_eager") if any(compiled) else nullcontext()
