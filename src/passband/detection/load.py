"""`load_detector`: any detector, by one line of text, as a function of [0, 1] images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
import torchvision
from torch import nn

from passband.detection.answers import label_names_of
from passband.detection.detector import Detector, DetectorEntry
from passband.detection.onnx import from_onnx
from passband.detection.runs import load_trained_detector, read_detector
from passband.detection.torchvision import TorchDetector, from_torchvision
from passband.detection.user_code import CodeDetector, from_python
from passband.environment import choose_device
from passband.errors import InputError, UnknownNameError
from passband.models.sources import Said


@dataclass(frozen=True)
class Options(Said):
    """What the user says about a detector, beside naming it; None where nothing was said."""

    weights: Path | None
    weights_key: str | None
    decoder: str | None
    size: tuple[int, int] | None
    device: torch.device


def _torchvision(name: str, options: Options) -> Detector:
    options.refuse("decoder", "size", because="only an ONNX file leaves them open")
    return from_torchvision(
        name, weights=options.weights, weights_key=options.weights_key, device=options.device
    )


def _python(place: str, options: Options) -> Detector:
    options.refuse("decoder", "size", because="only an ONNX file leaves them open")
    return from_python(place, weights=options.weights, weights_key=options.weights_key, device=options.device)


def _onnx(file: str, options: Options) -> Detector:
    options.refuse("weights", because="an ONNX file holds its weights")
    return from_onnx(file, decoder=options.decoder, size=options.size, device=options.device)


def _trained(folder: Path, options: Options) -> Detector:
    """Return the detector that `passband study run detection` has trained, or the published one that it has measured."""
    description = read_detector(folder)
    if (published := description.get("published")) is not None:
        return load_detector(published, device=str(options.device))
    module, _ = load_trained_detector(folder)
    names = dict(enumerate(description["classes"], start=1))  # phantoms number their categories from 1 on
    return TorchDetector(
        module.to(options.device),
        name=f"RetinaNet {description['run']}",
        source=str(folder),
        label_names=names,
    )


SOURCES: dict[str, Callable[[str, Options], Detector]] = {
    "torchvision": _torchvision,
    "python": _python,
    "onnx": _onnx,
}
"""What stands before the colon of a source, and who reads what stands behind it."""

FILES = {
    (".onnx",): "a detector in an ONNX file is written onnx:{path} --decoder NAME",
    (".py",): "a detector in Python code is written python:{path}:NAME, with the function that finds objects",
    (".pt", ".pth", ".ckpt", ".bin", ".safetensors"): (
        "a file of weights does not say which network it is of. Name that too: torchvision:NAME --weights {path}, or "
        "python:FILE.py:NAME, with a function of your own that loads it and finds objects"
    ),
    (".json",): "results that are there already are given with --results",
}
"""By how a file's name ends, how a detector in it is loaded."""

FORMS = ("FOLDER", "torchvision:NAME", "python:FILE.py:NAME", "onnx:FILE.onnx --decoder NAME")


def load_detector(
    source: str | Path | nn.Module | Callable[..., Any] | Detector,
    *,
    weights: Path | str | None = None,
    weights_key: str | None = None,
    decoder: str | None = None,
    size: tuple[int, int] | None = None,
    device: str = "auto",
) -> Detector:
    """Load a detector; what is not given is taken from its source, and nothing is ever random.

    Args:
        source: A folder of a trained detector; `torchvision:NAME`, one of torchvision's detectors; `python:package.module:NAME` or `python:file.py:NAME`,
            which runs that code; `onnx:FILE.onnx`, with `decoder`; or, in Python, what takes a list of images (3, height,
            width) in [0, 1] and returns a list of dicts with boxes, scores and labels: a module, which stays where it is, or
            a function.
        weights: A file of weights: `.safetensors`, or what `torch.save` wrote. Without it, `torchvision:` gets its published
            weights.
        weights_key: Which weights of a checkpoint: their key, `outer.inner`, or what their names begin with.
        decoder: What the outputs of an ONNX file mean: one of `passband.detection.decoders.DECODERS`.
        size: Height and width in pixels of the input of an ONNX file that takes any.
        device: Where it computes: `"auto"`, `"cpu"`, `"cuda"`, `"cuda:N"` or `"mps"`.

    Raises:
        InputError: If anything does not fit; the message says what, and what to do.
        UnknownNameError: If there is no such source.
        MissingDependencyError: If onnxruntime is needed and not installed.
        DownloadError: If published weights could not be had; the message says which file to put where.
    """
    if weights_key is not None and weights is None:
        raise InputError(f"--weights-key {weights_key} names weights in a file: give that with --weights")
    options = Options(
        None if weights is None else Path(weights), weights_key, decoder, size, choose_device(device)
    )
    if not isinstance(source, str | Path):
        options.refuse(
            "weights", "decoder", "size", because="the detector is in memory, and has what it needs"
        )
        return _wrapped(source)
    prefix, colon, rest = str(source).partition(":")
    if colon and prefix in SOURCES:
        # Building a network draws weights, which those of the source replace.
        with torch.random.fork_rng(devices=[]):
            return SOURCES[prefix](rest, options)
    if Path(source).is_dir():
        because = "the folder of a trained detector has all that it needs"
        options.refuse("weights", "decoder", "size", because=because)
        return _trained(Path(source), options)
    if colon and not Path(source).exists():
        raise UnknownNameError("source of detectors", prefix, SOURCES)
    raise _no_such_detector(str(source))


def _wrapped(source: nn.Module | Callable[..., Any] | Detector) -> Detector:
    if isinstance(source, Detector):
        return source
    name = getattr(source, "__name__", type(source).__name__)
    if isinstance(source, nn.Module):
        return TorchDetector(source, name=name, label_names=label_names_of(source, name))
    if not callable(source):
        raise InputError(f"a detector is a module, a function or one of {', '.join(FORMS)}; got {source!r}")
    # Nobody can tell what a function does that is in memory: it is another detector each time, and nothing goes on from it.
    return CodeDetector(source, DetectorEntry(name, "a function in memory", uuid4().hex[:16]))


def _no_such_detector(source: str) -> InputError:
    """Return the error for a text that is no source of detectors: by what the user may have meant, how it is written."""
    missing = "" if Path(source).exists() else f"there is no file {source}; "
    for endings, form in FILES.items():
        if source.lower().endswith(endings):
            return InputError(f"{missing}{form.format(path=source)}. Got {source!r}.")
    known = torchvision.models.list_models(module=torchvision.models.detection)
    close = get_close_matches(source.lower(), known, n=1)
    hint = f" Did you mean torchvision:{close[0]}?" if close else ""
    return InputError(f"no detector {source!r}.{hint} Detectors are {', '.join(FORMS)}.")
