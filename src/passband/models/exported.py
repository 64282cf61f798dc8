"""Models saved with torch.export."""

from __future__ import annotations

import logging
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from passband.errors import InputError
from passband.models.pieces import in_pieces
from passband.models.sources import Found, Options

TRAINING_FLAG = {torch.ops.aten.dropout.default: 2, torch.ops.aten.batch_norm.default: 5}
"""The argument by which an operation in a program says that it was exported in training mode."""


class ExportedModel(nn.Module):
    """An exported program as a module, for batches of any size.

    Args:
        program: Takes one batch of images and returns logits.
        least: The smallest batch that it takes; smaller ones are filled up with copies of their last image.
        most: The largest batch that it takes; larger ones are cut into pieces.
    """

    def __init__(self, program: ExportedProgram, least: int, most: int) -> None:
        super().__init__()
        self.program = program.module()
        self.least = least
        self.most = most

    def train(self, mode: bool = True) -> ExportedModel:
        """Change nothing: a program keeps the mode it was exported in, and torch refuses to change it."""
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Return what the program returns for `images`, in one piece."""
        return in_pieces(self.program, images, self.least, self.most)


def from_export(file: str, options: Options) -> Found:
    """Load `export:FILE.pt2`; size and channels are those of the program's input.

    Raises:
        InputError: If there is no such file, it holds no exported program, or the program does not take one batch of
            float32 images in evaluation mode.
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
    batch, channels, height, width = _input_shape(program, path)
    size = (height, width) if isinstance(height, int) and isinstance(width, int) else None
    return Found(
        ExportedModel(program, *_limits(program, batch)),
        path.stem,
        size=size,
        fixed_size=size is not None,
        channels=channels if isinstance(channels, int) else None,
    )


def _read(path: Path) -> ExportedProgram:
    if not path.is_file():
        raise InputError(f"no exported program {path}")
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


def _input_shape(program: ExportedProgram, path: Path) -> torch.Size:
    """Return batch size, channels, height and width that the program takes; symbols for those that may vary."""
    inputs = set(program.graph_signature.user_inputs)
    values: list[Any] = [
        node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in inputs
    ]
    if len(values) != 1 or not isinstance(values[0], Tensor):
        raise InputError(f"{path} must take one batch of images, it takes {len(values)} inputs")
    if values[0].ndim != 4 or values[0].dtype != torch.float32:
        raise InputError(
            f"{path} must take float32 images (batch, channels, height, width), it takes {values[0].dtype} of shape "
            f"({', '.join(map(str, values[0].shape))})"
        )
    return values[0].shape


def _limits(program: ExportedProgram, batch: int | torch.SymInt) -> tuple[int, int]:
    """Return the smallest and the largest batch that the program takes."""
    if isinstance(batch, int):
        return batch, batch
    bounds = program.range_constraints.get(batch.node.expr)
    if bounds is None:
        return 1, sys.maxsize
    return max(1, int(bounds.lower)), int(min(bounds.upper, sys.maxsize))
