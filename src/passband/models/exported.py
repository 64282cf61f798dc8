"""Models saved with torch.export."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.utils._pytree import keystr, tree_leaves, tree_leaves_with_path, tree_unflatten

from passband.errors import InputError
from passband.models.checkpoints import is_script
from passband.models.outputs import Output, choose_output
from passband.models.pieces import in_pieces
from passband.models.sources import Found, Options

TRAINING_FLAG = {torch.ops.aten.dropout.default: 2, torch.ops.aten.batch_norm.default: 5}
"""The argument by which an operation in a program says that it was exported in training mode."""


class ExportedModel(nn.Module):
    """An exported program as a module, for batches of any size; what it returns is float32.

    Args:
        program: Takes one batch of images and returns logits, alone or among other things.
        dtype: The type of its images.
        output: The number of the logits among all tensors that it returns.
        least: The smallest batch that it takes; smaller ones are filled up with copies of their last image.
        most: The largest batch that it takes; larger ones are cut into pieces.
    """

    def __init__(
        self, program: ExportedProgram, dtype: torch.dtype, output: int, least: int, most: int
    ) -> None:
        super().__init__()
        self.program = program.module()
        self.dtype = dtype
        self.output = output
        self.least = least
        self.most = most

    def train(self, mode: bool = True) -> ExportedModel:
        """Change nothing: a program keeps the mode it was exported in, and torch refuses to change it."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return what the program returns for `images`, in one piece."""

        def run(piece: Tensor) -> Tensor:
            return tree_leaves(self.program(piece))[self.output].float()

        return in_pieces(run, images.to(self.dtype), self.least, self.most)


def from_export(file: str, options: Options) -> Found:
    """Load `export:FILE.pt2`; size and channels are those of the program's input.

    Raises:
        InputError: If there is no such file, it holds no exported program, or the program does not take one batch of
            images in evaluation mode and return logits.
    """
    options.refuse(
        "weights",
        "num_classes",
        "in_channels",
        because="an exported program holds its weights and its shapes",
    )
    path = Path(file)
    program = _read(path)
    _refuse_training_mode(program, path)
    images = _input(program, path)
    batch, channels, height, width = images.shape
    output, notices = choose_output(_outputs(program), options.output_name, path.name)
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return Found(
        ExportedModel(program, images.dtype, output, *_limits(program, batch)),
        path.stem,
        size=size,
        fixed_size=size is not None,
        normalization="unknown",
        channels=channels if isinstance(channels, int) else None,
        notices=notices,
    )


def _read(path: Path) -> ExportedProgram:
    if not path.is_file():
        raise InputError(f"no exported program {path}")
    if is_script(path):
        raise InputError(
            f"{path} is a TorchScript program, not one of torch.export. Load it in a function that returns "
            f"torch.jit.load({path.name!r}), with python:FILE.py:FUNCTION."
        )
    try:
        with _quiet("torch.export"):
            return torch.export.load(path)
    except Exception as error:  # whatever its zip reader, JSON or deserializer raise
        raise InputError(
            f"{path} is not an exported program ({type(error).__name__}). Write one with "
            f"torch.export.save(torch.export.export(model.eval(), (images,)), 'FILE.pt2')."
        ) from error


@contextmanager
def _quiet(logger: str) -> Generator[None]:
    """Keep a logger from printing a traceback of an error that is raised as well."""
    log = logging.getLogger(logger)
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before


def _refuse_training_mode(program: ExportedProgram, path: Path) -> None:
    for node in program.graph.nodes:
        flag = TRAINING_FLAG.get(node.target)
        if flag is not None and len(node.args) > flag and node.args[flag] is True:
            raise InputError(
                f"{path} was exported in training mode: dropout or BatchNorm would act as in training. "
                f"Call model.eval() before torch.export.export."
            )


def _input(program: ExportedProgram, path: Path) -> Tensor:
    """Return the images that the program takes, without values; sizes that may vary are symbols."""
    inputs = set(program.graph_signature.user_inputs)
    values: list[Any] = [
        node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs
    ]
    if len(values) != 1 or not isinstance(values[0], Tensor):
        raise InputError(f"{path} must take one batch of images, it takes {len(values)} inputs")
    if values[0].ndim != 4 or not values[0].is_floating_point():
        raise InputError(
            f"{path} must take images (batch, channels, height, width) of floating-point numbers, it takes "
            f"{values[0].dtype} of shape ({', '.join(map(str, values[0].shape))})"
        )
    return values[0]


def _outputs(program: ExportedProgram) -> list[Output]:
    """Return what the program returns: the keys of a dict are names, of what has none the position is it."""
    spec = program.call_spec.out_spec
    assert spec is not None
    shown = tree_unflatten(range(spec.num_leaves), spec)
    names = {
        leaf: re.sub(r"[\[\].'\"]+", ".", keystr(place)).strip(".") or "0"  # of ['head'][0]
        for place, leaf in tree_leaves_with_path(shown)
    }
    values = [_value(program, name) for name in program.graph_signature.user_outputs]
    return [
        Output(
            names[number],
            str(value.dtype) if isinstance(value, Tensor) else type(value).__name__,
            isinstance(value, Tensor) and value.is_floating_point(),
            tuple(value.shape) if isinstance(value, Tensor) else (),
        )
        for number, value in enumerate(values)
    ]


def _value(program: ExportedProgram, name: object) -> object:
    return next((node.meta.get("val") for node in program.graph.nodes if node.name == name), name)


def _limits(program: ExportedProgram, batch: int | torch.SymInt) -> tuple[int, int]:
    """Return the smallest and the largest batch that the program takes."""
    if isinstance(batch, int):
        return batch, batch
    bounds = program.range_constraints.get(batch.node.expr)
    if bounds is None:
        return 1, sys.maxsize
    return max(1, int(bounds.lower)), int(min(bounds.upper, sys.maxsize))
