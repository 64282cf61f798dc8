"""What to say when a source of models is none: by what the user may have meant, how it is written."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from passband.errors import InputError, UnknownNameError

AS_CODE = "python:FILE.py:FUNCTION, with a function of your own that returns the network"

FILES = {
    (".onnx",): "an ONNX model is written onnx:{path}",
    (".pt2",): "an exported program is written export:{path}",
    (".py",): "a model in Python code is written python:{path}:FUNCTION, with the function that returns it",
    (".safetensors",): (
        "a file of weights holds no network. Name the network too: NAME --weights {path}, such as timm:resnet50 --weights "
        f"{{path}}, or {AS_CODE} and loads them"
    ),
    (".pt", ".pth", ".pth.tar", ".ckpt", ".bin"): (
        "a PyTorch file does not say which network it is of. If it holds weights, name the network too: NAME --weights "
        "{path}, such as timm:resnet50 --weights {path}. If it holds a whole model (torch.save, TorchScript), write "
        f"{AS_CODE} and loads the file. An exported program (torch.export) is written export:{{path}}"
    ),
    (".h5", ".keras", ".pb", ".tflite", ".engine", ".trt", ".mlmodel"): (
        "passband reads models of PyTorch and ONNX. Export this one as ONNX, and write onnx:FILE.onnx"
    ),
}
"""By how a file's name ends, how it is loaded."""


def no_such_model(source: str, own: Iterable[str], forms: Iterable[str]) -> InputError:
    """Return the error for a text that is no source of models.

    Args:
        source: The text.
        own: The names of passband's networks.
        forms: How sources are written.
    """
    path = Path(source)
    missing = "" if path.exists() else f"there is no file {source}; "
    for endings, advice in FILES.items():
        if source.lower().endswith(endings):
            return InputError(f"{missing}{advice.format(path=source)}. Got {source!r}.")
    if path.is_file():
        return InputError(
            f"{source} is a file of which the network is not known. Write NAME --weights {source}, or export:{source}"
        )
    own = list(own)
    if path.name != source:
        return InputError(f"no folder {source}. A model is the folder of a run, or one of: {', '.join(own)}")
    elsewhere = in_zoos(source)
    if not elsewhere and not get_close_matches(source, own, n=1):
        elsewhere = in_zoos(source, close=True)
    if elsewhere:
        return InputError(f"no model named {source!r}. Did you mean {' or '.join(elsewhere)}?")
    return UnknownNameError("model", source, [*own, *forms])


def in_zoos(name: str, *, close: bool = False) -> list[str]:
    """Return the sources of timm's and torchvision's networks of a name, or of those with a name like it."""
    found = []
    for zoo, module in (("timm", "timm"), ("torchvision", "torchvision.models")):
        with suppress(ImportError):  # timm need not be installed
            known = importlib.import_module(module).list_models()
            wanted = name.lower()
            if wanted in known:
                found.append(f"{zoo}:{wanted}")
            elif close:
                found += [f"{zoo}:{one}" for one in get_close_matches(wanted, known, n=1, cutoff=0.75)]
    return found
