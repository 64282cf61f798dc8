"""What the explorer was started with: a model, perhaps a second one beside it, and perhaps a data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from passband.attacks.attack import PGD
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError, PassbandError
from passband.models.convolutions import find_convolution
from passband.models.independence import check_independent
from passband.models.pixels import ImageSet, PixelModel, as_pixel_model, evaluating
from passband.models.trial import tried, try_out
from passband.notices import Notice
from passband.preparation import AS_STORED, Preparation
from passband.robustness.smoothing import smoothed
from passband.types import Batch

KEPT = 8
"""Smoothed copies of a model that are kept."""


class Picture(NamedTuple):
    """An image that is looked at.

    Attributes:
        pixels: 0 to 255.
        label: Its true class; None where nobody knows.
        name: What it is called.
        notices: What must be known of how it became these pixels.
    """

    pixels: UInt8[Tensor, "channels height width"]
    label: int | None
    name: str
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class PicturesToCome:
    """What is known of the images of a model that is explored without a data set."""

    name: str
    classes: tuple[str, ...]
    size: tuple[int, int]
    channels: int

    def describe_classes(self) -> str:
        """Return what its classes are called; nobody knows how many images they will have."""
        return ", ".join(self.classes)


@dataclass(frozen=True, eq=False)
class Scene:
    """What is explored; `of` makes it.

    Attributes:
        models: One, or two side by side.
        images: What is said of the images.
        dataset: The images to choose from; None where all are uploaded.
        preparation: How an uploaded picture becomes an image like these.
        device: Where the models are.
    """

    models: tuple[PixelModel, ...]
    images: ImageSet
    dataset: ImageDataset | None
    preparation: Preparation
    device: torch.device
    _smoothed: dict[tuple[float, bool], PixelModel] = field(default_factory=dict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)

    def names(self, models: Sequence[PixelModel] | None = None) -> list[str]:
        """Return what the models are called, or those that stand in for them; two of one name are told apart by their sources."""
        names = [model.name for model in models or self.models]
        if len(set(names)) == len(names):
            return names
        sources = [Path(model.source).name for model in self.models]
        if len(set(sources)) < len(sources):
            sources = [f"model {place}" for place, _ in enumerate(sources, 1)]
        return [f"{name} ({source})" for name, source in zip(names, sources, strict=True)]

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What must be known of models and data."""
        said = [notice for model in self.models for notice in model.notices]
        shown = self.preparation if self.dataset is None else self.dataset.preparation or AS_STORED
        for model in self.models[1:]:
            own = model.preparation
            left = own is None or (shown == AS_STORED and own.leaves(self.images.size))
            if not left and own != shown:
                said.append(
                    Notice(
                        "fit",
                        f"{model.name} is shown the same images as {self.models[0].name}, {shown}; by its own source pictures are "
                        f"{own}. Alone, it would answer some of them otherwise",
                    )
                )
        return (*said, *(() if self.dataset is None else self.dataset.notices))

    @classmethod
    def of(
        cls, models: Sequence[nn.Module], dataset: ImageDataset | None = None, *, device: str = "auto"
    ) -> Scene:
        """Return the scene of these models and data, once it is certain that they go together.

        Raises:
            InputError: If they do not, if a model's answer to an image depends on the images beside it, or if there are no data
                and the model does not say how large its images are.
        """
        place = choose_device(device)
        images = _to_come(as_pixel_model(models[0])) if dataset is None else dataset
        fitting = tuple(tried(model, images, place) for model in models)
        for model in fitting:
            check_independent(model, torch.full((1, images.channels, *images.size), 0.5, device=place))
        prepared = dataset.preparation if dataset is not None else as_pixel_model(models[0]).preparation
        if prepared is None or prepared.size is None:
            height, width = images.size
            prepared = AS_STORED.changed(size=height if height == width else images.size)
        return cls(fitting, images, dataset, prepared, place)

    def picture(self, index: int) -> Picture:
        """Return an image of the data set.

        Raises:
            InputError: If there is no such image.
        """
        dataset = self.having([index])
        return Picture(dataset.images[index], int(dataset.labels[index]), f"image {index}")

    def having(self, indices: Sequence[int]) -> ImageDataset:
        """Return the data set, once it is certain that it has these images.

        Raises:
            InputError: If it has not.
        """
        count = 0 if self.dataset is None else len(self.dataset)
        for index in indices:
            if not 0 <= index < count:
                raise InputError(
                    f"there is no image {index}: {count} images were loaded, the first of which is number 0"
                )
        assert self.dataset is not None
        return self.dataset

    def models_at(self, rho: float, normalize: bool) -> tuple[PixelModel, ...]:
        """Return the models, of which the first has smoothed kernels where `rho` is above 0.

        Raises:
            InputError: If its kernels cannot be smoothed.
        """
        if rho == 0:
            return self.models
        with self._lock:
            key = rho, normalize
            if key not in self._smoothed:
                while len(self._smoothed) >= KEPT:
                    del self._smoothed[next(iter(self._smoothed))]
                self._smoothed[key] = smoothed(self.models[0], rho, normalize=normalize)
            return (self._smoothed[key], *self.models[1:])

    def attacked(
        self, model: PixelModel, image: Batch, label: int | None, epsilon: float, steps: int
    ) -> Batch:
        """Return an image that PGD (linf, from a random start) has moved away from its class, or from the model's answer.

        Args:
            model: Whose loss is climbed.
            image: Pixels in [0, 1], a batch of one.
            label: The true class; None takes what the model says of the image.
            epsilon: The largest change of a pixel, on the [0, 1] scale.
            steps: Their number.

        Raises:
            InputError: If the model has no gradient.
        """
        if label is None:
            with evaluating(model):
                label = int(model(image).argmax())
        with self._lock:  # one at a time: an attack changes for a while which parameters have gradients
            return PGD(steps=steps).run(model, image, torch.tensor([label], device=image.device), epsilon)

    def why_not_smooth(self) -> str | None:
        """Return why the first model's kernels cannot be smoothed; None where they can."""
        return _refusal(lambda: find_convolution(self.models[0]))

    def why_not_attack(self) -> str | None:
        """Return why the first model cannot be attacked; None where it can."""
        image = torch.full((1, self.images.channels, *self.images.size), 0.5, device=self.device)
        return _refusal(
            lambda: PGD(steps=1).check(self.models[0], image, torch.tensor([0], device=self.device))
        )

    def to_pixels(self, picture: Picture) -> Batch:
        """Return an image as a batch of one, where the models are."""
        return to_pixels(picture.pixels[None], self.device)


def _to_come(model: PixelModel) -> PicturesToCome:
    if model.size is None:
        raise InputError(
            f"{model.name} does not say how large its images are, and there are no data. Give DATA too, or --size."
        )
    outputs = try_out(model).outputs if model.outputs is None else len(model.outputs)
    classes = model.classes or tuple(f"class {index}" for index in range(outputs))
    return PicturesToCome("pictures to come", classes, model.size, model.channels or 3)


def _refusal(attempt: Callable[[], object]) -> str | None:
    try:
        attempt()
    except PassbandError as error:
        return str(error)
    return None
