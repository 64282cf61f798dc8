"""Detectors in the user's own Python code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from passband.detection.answers import Watch, label_names_of, read_answers
from passband.detection.detector import Detector, DetectorEntry, Image
from passband.detection.objects import Detections
from passband.detection.torchvision import TorchDetector
from passband.errors import InputError
from passband.models.networks import PYTHON
from passband.models.user_code import name_of
from passband.models.weights import load_state, read_weights
from passband.user_modules import code_hash, import_code, importable, said, split_place


class CodeDetector(Detector):
    """A function that takes a list of [0, 1] images and returns a list of dicts with boxes, scores and labels.

    Images are copies, on the CPU: a function may write into them.

    Args:
        function: What is called.
        entry: Which detector it is.
        module: Its `package.module` or `path/to/file.py`, so that it finds what lies beside that; empty if it has none.
    """

    def __init__(self, function: Callable[..., Any], entry: DetectorEntry, *, module: str = "") -> None:
        self.entry = entry
        self.label_names = label_names_of(function, entry.name)
        self._function, self._module, self._watch = function, module, Watch(entry.name)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Return what is found in each image: see `Detector`."""
        shown = [image.detach().cpu().clone() for image in images]
        with importable(self._module), torch.no_grad():
            try:
                answers = self._function(shown)
            except InputError:
                raise
            except (Exception, SystemExit) as error:
                raise InputError(
                    f"{self.entry.source} fails on {len(shown)} images ({said(error)}). It gets a list of images (3, height, "
                    f"width) in [0, 1], and returns a list of one dict an image."
                ) from error
        found = read_answers(answers, len(images), name=self.entry.name)
        self._watch.see([(image.shape[-2], image.shape[-1]) for image in images], found)
        self.notices = self._watch.notices
        return found


def from_python(
    place: str, *, weights: Path | None, weights_key: str | None, device: torch.device
) -> Detector:
    """Load `python:package.module:NAME` or `python:path/to/file.py:NAME`. It runs that code.

    What NAME names is called with a list of images; if it takes no arguments (a class, a function that makes a detector), it is
    called once, and what it returns is. A module of PyTorch goes to `device`, in evaluation mode.

    Raises:
        InputError: If the code cannot be imported, has no such name, or that is no detector.
    """
    module, name = split_place(place, kind="a detector in Python", prefix=PYTHON)
    found: Any = getattr(import_code(module), name, None)
    if found is None:
        raise InputError(f"{module} has no {name!r}")
    if not isinstance(found, nn.Module | Detector) and callable(found) and _takes_nothing(found):
        with importable(module):
            try:
                found = found()
            except (Exception, SystemExit) as error:
                raise InputError(f"calling {place} without arguments failed ({said(error)})") from error
    if isinstance(found, nn.Module):
        notices = () if weights is None else load_state(found, read_weights(weights, weights_key))
        return TorchDetector(
            found.eval().to(device),
            name=name_of(place),
            source=f"{PYTHON}{place}",
            label_names=label_names_of(found, place),
            notices=notices,
        )
    if weights is not None:
        raise InputError(f"--weights cannot be used here: {place} is no module of PyTorch, and has its own")
    if isinstance(found, Detector):
        return found
    if not callable(found):
        raise InputError(
            f"{place} must be a function that takes a list of images, a class or function without arguments that makes one, or "
            f"a torch.nn.Module; got a {type(found).__name__}"
        )
    return CodeDetector(
        found, DetectorEntry(name_of(place), f"{PYTHON}{place}", code_hash(module)), module=module
    )


def _takes_nothing(function: Callable[..., Any]) -> bool:
    """Return whether something is called without arguments, and makes a detector."""
    try:
        taken = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # some functions written in C do not say
        return False
    needed = [
        each
        for each in taken
        if each.default is each.empty and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    ]
    return not needed if inspect.isclass(function) else not list(taken)
