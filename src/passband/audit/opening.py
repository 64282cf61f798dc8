"""What audits and attacks begin with: who is looked at, at which images, and the shelf on which what is seen is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from passband.audit.kept import Ahead, Shelf, kept_beside
from passband.data.dataset import ImageDataset, to_pixels
from passband.environment import choose_device
from passband.errors import InputError
from passband.instruments.instrument import Subject
from passband.instruments.spectrum import DataSpectrum, Spectrum
from passband.models.fingerprint import weights_hash
from passband.models.independence import check_independent
from passband.models.pixels import as_pixel_model
from passband.models.trial import tried
from passband.types import Progress


def open_subject(
    model: nn.Module,
    dataset: ImageDataset,
    *,
    seed: int,
    batch_size: int | None,
    device: str,
    progress: Progress | None,
) -> Subject:
    """Return a model with images, which it has been tried on; instruments look at it shard by shard, and nothing is kept yet.

    Args:
        model: A classifier of [0, 1] pixels.
        dataset: Labelled images of the size that it takes.
        seed: As of `Subject`.
        batch_size: Likewise.
        device: Likewise.
        progress: Likewise.

    Raises:
        InputError: If the model cannot take the images.
    """
    pixels = as_pixel_model(model)
    run = weights_hash(pixels)
    return Subject(
        tried(pixels, dataset, choose_device(device)),
        dataset,
        run,
        seed=seed,
        batch_size=batch_size,
        device=device,
        progress=progress,
        keep=Shelf(),
    )


def check_ahead(ahead: Ahead | None, result_folder: Path | None) -> None:
    """Refuse to look ahead where there is no place for what is seen.

    Raises:
        InputError: If `ahead` is given without a folder.
    """
    if ahead is not None and result_folder is None:
        raise InputError("what is looked at ahead is kept beside the result: give result_folder too")


def open_shelf(subject: Subject, result_folder: Path | None) -> tuple[Subject, Shelf, DataSpectrum]:
    """Return the subject with the shelf beside its result, that shelf, and the spectrum of the data.

    The spectrum comes first, since it takes a pass over all images, with which the fingerprint comes that names the shelf.

    Args:
        subject: From `open_subject`.
        result_folder: Where the result will be; None keeps nothing.

    Raises:
        InputError: If the model's answer to an image depends on the images beside it.
    """
    place = choose_device(subject.device)
    check_independent(subject.model, to_pixels(subject.dataset.images[:1], place))
    spectrum = subject.read(Spectrum()).spectrum
    shelf = Shelf(None if result_folder is None else kept_beside(result_folder, subject))
    return replace(subject, keep=shelf), shelf, spectrum
