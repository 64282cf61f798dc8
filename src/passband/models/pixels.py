"""`PixelModel`: every classifier, seen as a function of [0, 1] pixels."""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from passband.errors import InputError, PassbandError
from passband.models.provenance import Origin, Smoothing
from passband.models.reading import Reading
from passband.notices import Notice
from passband.prediction import predict
from passband.preparation import Preparation
from passband.types import Batch, Logits


class PixelModel(nn.Module):
    """A classifier that takes [0, 1] pixels, whatever its body was trained on.

    Normalization lives inside, so a radius and an epsilon mean the same for every model.

    Args:
        body: The network. It takes normalized images (batch, channels, height, width) and returns logits.
        name: What the model is called in tables and reports.
        mean: Mean that the body expects to be subtracted, per channel, on the [0, 1] scale; default 0.
        std: Standard deviation that it expects to be divided by, on the same scale; default 1. A body that expects pixels from
            0 to 255 has the std 1 / 255.
        size: Height and width that images must be resized to, in pixels; None if any size will do.
        channels: Channels that the body takes (1 gray, 3 colour); None if unknown.
        classes: Names of the outputs, where known.
        outputs: Indices of the body's outputs to keep, in the order of the data set's classes; None keeps all.

    Attributes:
        names: All names of each output, where known: `classes` are the first of each.
        chosen_by_user: Whether the user said which output answers for which class.
        preparation: How pictures become its input, where its source says so.
        notices: What whoever reads numbers of it must know.
        trial: What came of trying it, once it was: see `passband.models.trial`.
        origin: How the body was loaded; None if `load_model` did not load it.
        smoothing: What was done to its kernels since, in order.

    Raises:
        InputError: If mean or std cannot be those of [0, 1] pixels.
    """

    mean: Tensor
    std: Tensor
    outputs: Tensor | None

    def __init__(
        self,
        body: nn.Module,
        *,
        name: str,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        size: tuple[int, int] | None = None,
        channels: int | None = None,
        classes: Sequence[str] | None = None,
        outputs: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        # It would spread a batch over devices of its own choice, from the first of which its weights must not be moved.
        self.body: nn.Module = body.module if isinstance(body, nn.DataParallel) else body
        self.name = name
        self.source = name
        self.origin: Origin | None = None
        self.smoothing: tuple[Smoothing, ...] = ()
        self.size = size
        self.channels = channels
        self.classes = None if classes is None else tuple(classes)
        self.names: tuple[tuple[str, ...], ...] | None = (
            None if classes is None else tuple((c,) for c in classes)
        )
        self.chosen_by_user = False
        self.preparation: Preparation | None = None
        self.notices: tuple[Notice, ...] = ()
        self.trial: Trial | None = None
        check_normalization(mean, std)
        self.register_buffer("mean", _per_channel("mean", mean, 0.0, channels), persistent=False)
        self.register_buffer("std", _per_channel("std", std, 1.0, channels), persistent=False)
        kept = None if outputs is None else torch.tensor(list(outputs), dtype=torch.int64)
        self.register_buffer("outputs", kept, persistent=False)

    def forward(self, images: Batch) -> Logits:
        """Return the logits of [0, 1] images, one column a class, in float32, or in float64 for such images.

        Raises:
            InputError: If the body fails, or returns no logits; the message says what the body said.
        """
        reading = Reading() if self.trial is None else self.trial.reading
        try:
            logits = reading.ask(self.body, self.normalized(images), self.name)
        except (PassbandError, torch.OutOfMemoryError, MemoryError):
            raise
        except (Exception, SystemExit) as error:  # whatever somebody's code raises
            raise InputError(failed(self.name, images, error)) from error
        logits = logits.to(torch.promote_types(images.dtype, torch.float32))
        return logits if self.outputs is None else logits[:, self.outputs]

    def normalized(self, images: Batch) -> Batch:
        """Return what the body is given for [0, 1] images: another tensor, which it may change."""
        pixels = (images - self.mean) / self.std
        if pixels.device.type == "cpu":  # convolutions run 1.5 times as fast there (benchmarks/probe.py)
            pixels = pixels.contiguous(memory_format=torch.channels_last)
        return pixels

    def noting(self, notice: Notice) -> PixelModel:
        """Return the same model, of which one thing more is to be known."""
        noted = copy(self)  # shares its body
        noted.notices = (*self.notices, notice)
        return noted

    def with_outputs(self, chosen: Sequence[int], notice: Notice) -> PixelModel:
        """Return the same network, of whose outputs only some are kept.

        Args:
            chosen: Indices of those of this model's outputs that are kept, in their order.
            notice: Why.
        """
        kept = list(chosen) if self.outputs is None else self.outputs[list(chosen)].tolist()
        model = self.noting(notice)
        model._buffers = dict(self._buffers)  # not shared, as a shallow copy's would be
        model.outputs = torch.tensor(kept, dtype=torch.int64, device=self.mean.device)
        if self.names is not None:
            model.names = tuple(self.names[i] for i in chosen)
            model.classes = tuple(group[0] for group in model.names)
        return model


def failed(who: str, images: Tensor, error: BaseException) -> str:
    """Return what is said of a network that raised an error: on what, and its own words."""
    said = f"{type(error).__name__}: {str(error).strip()}".strip(": ").split("\n")[0]
    device = "" if images.device.type == "cpu" else f" on {images.device}; --device cpu may help"
    return f"{who} failed on {len(images)} images shaped {tuple(images.shape[1:])} ({said}){device}"


@dataclass(frozen=True)
class Trial:
    """What came of trying a network: see `passband.models.trial`.

    Attributes:
        reading: How it is asked.
        outputs: How many logits it then gives an image.
        notices: What must be known of all of its numbers.
        doubts: Sentences on why attacks may look weaker than they are.
        dependent: How its answer to an image changes with those beside it; None if it does not.
        dtype: Of its weights when it was tried.
    """

    reading: Reading
    outputs: int
    notices: tuple[Notice, ...] = ()
    doubts: tuple[str, ...] = ()
    dependent: str | None = None
    dtype: torch.dtype | None = None


def check_normalization(mean: Sequence[float] | None, std: Sequence[float] | None) -> None:
    """Refuse a mean and a standard deviation that [0, 1] pixels cannot have; the message has them on that scale.

    Raises:
        InputError: If a mean is not in [0, 1], a std is not above 0 and at most 1, or there are more or fewer than one, or one
            a channel.

    Example:
        >>> check_normalization([123.675, 116.28, 103.53], [58.395, 57.12, 57.375])
        Traceback (most recent call last):
            ...
        passband.errors.InputError: mean and std are those of pixels in [0, 1], got mean 123.675 116.28 103.53 and std 58.395 57.12 57.375, which are of pixels from 0 to 255. Divide by 255: --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225
    """
    for what, values in (("mean", mean), ("std", std)):
        if values is not None and len(values) not in (1, 3):
            raise InputError(f"{what} must have 1 or 3 values, one a channel, got {len(values)}")
        if values is not None and not all(math.isfinite(value) for value in values):
            raise InputError(f"{what} must be finite, got {_numbers(values)}")
    if std is not None and min(std) <= 0:
        raise InputError(f"std must be positive in every channel, got {_numbers(std)}")
    if mean is not None and min(mean) < 0:
        raise InputError(
            f"mean must not be negative, since it is one of pixels in [0, 1]; got {_numbers(mean)}"
        )
    if max(*(mean or ()), *(std or ()), 0, 0) <= 1:
        return
    given = " and ".join(
        f"{what} {_numbers(v)}" for what, v in (("mean", mean), ("std", std)) if v is not None
    )
    if mean is not None and max(mean) <= 1 and max(mean) > 0:
        raise InputError(
            f"mean and std are those of pixels in [0, 1], got {given}: the std is of pixels from 0 to 255, the mean is not. "
            f"Divide by 255: --std {_divided(std or (1,))}"
        )
    if std is not None and max(std) < 1:
        raise InputError(
            f"mean and std are those of pixels in [0, 1], got {given}: the mean is of pixels from 0 to 255, the std is not. "
            f"Divide by 255: --mean {_divided(mean or (0,))}"
        )
    raise InputError(
        f"mean and std are those of pixels in [0, 1], got {given}, which are of pixels from 0 to 255. "
        f"Divide by 255: --mean {_divided(mean or (0,))} --std {_divided(std or (1,))}"
    )


def _numbers(values: Sequence[float]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _divided(values: Sequence[float]) -> str:
    return " ".join(f"{value / 255:.6g}" for value in values)


def _per_channel(what: str, values: Sequence[float] | None, default: float, channels: int | None) -> Tensor:
    if values is None:
        return torch.full((1, 1, 1), default)
    if channels is not None and len(values) not in (1, channels):
        raise InputError(f"{what} must have 1 or {channels} values, one a channel, got {len(values)}")
    return torch.tensor([float(v) for v in values]).reshape(-1, 1, 1)


@contextmanager
def evaluating(model: nn.Module) -> Generator[None]:
    """Put every module of a model into evaluation mode, without gradients, and leave each as it was."""
    training = [module for module in model.modules() if module.training]
    try:
        for module in training:
            module.training = False  # not .eval(), which exported programs refuse
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def network_of(model: nn.Module) -> nn.Module:
    """Return the network inside a `PixelModel`; another model is its own."""
    while isinstance(model, PixelModel):
        model = model.body
    return model


def as_pixel_model(model: nn.Module) -> PixelModel:
    """Return `model` itself if it takes pixels already, else wrapped, without normalization."""
    return model if isinstance(model, PixelModel) else PixelModel(model, name=type(model).__name__)


@runtime_checkable
class ImageSet(Protocol):
    """What a data set says of its images; models do not know data sets."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def classes(self) -> tuple[str, ...]:
        """What its classes are called."""
        ...

    def describe_classes(self) -> str:
        """Return what its classes are called, with the number of images of each."""
        ...

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        ...

    @property
    def channels(self) -> int:
        """1 or 3."""
        ...


def check_fits(model: PixelModel, dataset: ImageSet) -> None:
    """Refuse a data set whose images the model does not take.

    Raises:
        InputError: If size or channels differ.
    """
    if model.size is not None and model.size != dataset.size:
        raise InputError(
            f"{model.name} takes images of {_by(model.size)} pixels, {dataset.name} has {_by(dataset.size)}. "
            f"Load the data with size={model.size}."
        )
    if model.channels is not None and model.channels != dataset.channels:
        raise InputError(
            f"{model.name} takes {model.channels} channels, {dataset.name} has {dataset.channels}. "
            f"Load the data with channels={model.channels}."
        )


def answers(model: PixelModel, images: Batch, classes: int, shown: str = "images") -> Logits:
    """Show a model images and return its logits, once it is certain that they answer the data set's question.

    Whoever reads what a model says of data reads it here; what an attack shows a model passes `passband.prediction.predict`.

    Args:
        model: In the mode that is meant: see `evaluating`.
        images: Pixels in [0, 1], or what else it is to be shown.
        classes: The data set's number of classes.
        shown: What the images are, for the error.

    Raises:
        InputError: If the number of outputs is not that of the classes, or one is not finite.
    """
    logits = unread_answers(model, images, classes)
    predict(logits, model.name, shown)
    return logits


def unread_answers(model: PixelModel, images: Batch, classes: int) -> Logits:
    """Return the same before anybody has looked whether they are finite, as `passband.prediction.BrokenAnswers` does of many.

    Raises:
        InputError: If the number of outputs is not that of the classes.
    """
    logits = model(images)
    if logits.shape[1] != classes:
        raise InputError(
            f"{model.name} has {logits.shape[1]} outputs and the data set {classes} classes. "
            "Choose the outputs of its classes, in their order, with --class-indices (class_indices=...)."
        )
    return logits


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
