"""`load_model`: any classifier, by one line of text, as a function of [0, 1] pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import torch

from passband.checks import check_at_least_one
from passband.errors import InputError, UnknownNameError
from passband.models.builtin import from_file, from_run
from passband.models.class_indices import choose_outputs
from passband.models.exported import from_export
from passband.models.hugging_face import from_hf
from passband.models.matching import Match
from passband.models.networks import list_models
from passband.models.onnx import from_onnx
from passband.models.pixels import PixelModel
from passband.models.provenance import Origin
from passband.models.smoothed import from_smoothed, is_smoothed
from passband.models.sources import Found, Options, normalized_by
from passband.models.suggestions import in_zoos, no_such_model
from passband.models.trial import try_out
from passband.models.user_code import from_python
from passband.models.zoo import from_timm, from_torchvision
from passband.preparation import AS_STORED, Preparation

SOURCES: dict[str, Callable[[str, Options], Found]] = {
    "timm": from_timm,
    "torchvision": from_torchvision,
    "hf": from_hf,
    "python": from_python,
    "export": from_export,
    "onnx": from_onnx,
}
"""What stands before the colon of a source, and who reads what stands behind it."""

SEVERAL_OUTPUTS = ("export", "onnx")
"""Those whose models may have several outputs, of which the user can choose one."""

FORMS = (
    "timm:NAME",
    "torchvision:NAME",
    "hf:FOLDER_OR_NAME",
    "python:MODULE:FUNCTION",
    "export:FILE.pt2",
    "onnx:FILE.onnx",
    "the folder of a run or of a smoothed model",
)


def load_model(
    source: str | Path,
    *,
    weights: Path | str | None = None,
    num_classes: int | None = None,
    in_channels: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    size: int | tuple[int, int] | None = None,
    class_indices: str | Sequence[int | str] | None = None,
    match_weights: Match = "name",
    weights_key: str | None = None,
    output_name: str | None = None,
) -> PixelModel:
    """Load a trained classifier; what is not given is taken from its source, and nothing is ever random.

    Args:
        source: The folder of a run of passband, or of a model that `passband smooth` wrote; the name of one of
            `list_models()`, with `weights`; `timm:NAME`; `torchvision:NAME`; `hf:FOLDER_OR_NAME`, an image classifier of
            transformers; `python:package.module:function` or `python:file.py:function`, which runs that code;
            `export:FILE.pt2`, a program saved by torch.export; or `onnx:FILE.onnx`, which has no gradient.
        weights: A file of weights: `.safetensors`, or what `torch.save` wrote, a state dict or a checkpoint that holds one.
            Without it, `timm:` and `torchvision:` get their published weights.
        num_classes: Number of classes in the file of weights, where it cannot be told from the file.
        in_channels: Channels of the network's images, where they cannot be told.
        mean: Mean that the network expects to be subtracted from [0, 1] pixels, per channel.
        std: Standard deviation that it expects them to be divided by, per channel.
        size: What images must be resized to, in pixels: one number, or (height, width).
        class_indices: Which outputs stand for the classes of the data set, in their order: indices or names, in a
            sequence or a text with commas. ImageNet models of timm know WordNet ids such as n01440764 as well. Of a
            smoothed model, the outputs that it was smoothed with.
        match_weights: `"order"` pairs the tensors of `weights` with the network's by position where names differ.
        weights_key: Which weights of a checkpoint: their key, `outer.inner`, or what their names begin with.
        output_name: Which of several outputs of an ONNX file or an exported program holds the logits.

    Returns:
        The model in evaluation mode, on the CPU. It has been tried on random pictures: see
        `passband.models.trial`.

    Raises:
        InputError: If anything does not fit; the message says what, and what to do.
        UnknownNameError: If there is no such source.
        MissingDependencyError: If timm or onnxruntime is needed and not installed.
        DownloadError: If published weights could not be downloaded.
    """
    for what, value in (("num_classes", num_classes), ("in_channels", in_channels)):
        check_at_least_one(what, value)
    if match_weights not in get_args(Match):
        raise UnknownNameError("way to match weights", match_weights, get_args(Match))
    if weights_key is not None and weights is None:
        raise InputError(f"--weights-key {weights_key} names weights in a file: give that with --weights")
    options = Options(
        None if weights is None else Path(weights),
        num_classes,
        in_channels,
        match_weights,
        weights_key,
        output_name,
    )
    # Building a network draws weights, which those of the source replace.
    with torch.random.fork_rng(devices=[]):
        found = _find(str(source), options)
    if found.normalization == "inside" and (mean is not None or std is not None):
        raise InputError(
            f"{found.name} takes pixels and normalizes them itself: it has no use for mean and std"
        )
    found_size = _choose_size(found, size)
    model = PixelModel(
        found.body.eval(),
        name=found.name,
        mean=found.mean if mean is None else mean,
        std=found.std if std is None else std,
        size=found_size,
        channels=found.channels,
    )
    model.notices = found.notices
    count = try_out(model).outputs
    if found.outputs is not None and not all(0 <= index < count for index in found.outputs):
        raise InputError(f"{found.name} has {count} outputs, and is to keep those numbered {found.outputs}")
    kept = list(range(count) if found.outputs is None else found.outputs)
    if found.names is not None and len(found.names) != len(kept):
        raise InputError(f"{found.name} has {len(kept)} outputs but {len(found.names)} names of classes")
    chosen = range(len(kept))
    if class_indices is not None:
        chosen = choose_outputs(class_indices, count=len(kept), names=found.names, model=found.name)
    if found.outputs is not None or class_indices is not None:
        model.outputs = torch.tensor([kept[i] for i in chosen])
    if found.names is not None:
        model.names = tuple(tuple(found.names[i]) for i in chosen)
        model.classes = tuple(names[0] for names in model.names)
    model.source = str(source)
    model.origin = found.origin or Origin(model.source, options.to_dict(), found.network)
    model.smoothing = found.smoothing
    model.preparation = _choose_preparation(found, size)
    if found.normalization == "unknown":
        model.notices = (*model.notices, normalized_by(mean, std))
    model.chosen_by_user = class_indices is not None
    return model.eval()


def _find(source: str, options: Options) -> Found:
    prefix, colon, rest = source.partition(":")
    if prefix not in SEVERAL_OUTPUTS:
        options.refuse(
            "output_name", because="only an ONNX file or an exported program has outputs with names"
        )
    if colon and prefix in SOURCES:
        return SOURCES[prefix](rest, options)
    if source in list_models() and options.weights is not None:
        return from_file(source, options)
    folder = Path(source)
    if folder.is_dir():
        return from_smoothed(folder, options, _find) if is_smoothed(folder) else from_run(folder, options)
    if source in list_models():
        raise InputError(
            f"{source} has no weights of its own. Give a file with --weights, or the folder of a run that "
            f"`passband train` wrote.{_also(source)}"
        )
    if colon and not folder.is_file():
        raise UnknownNameError("source of models", prefix, SOURCES)
    raise no_such_model(source, list_models(), FORMS)


def _also(name: str) -> str:
    others = " or ".join(in_zoos(name))
    return f" Other networks of that name have published weights: {others}." if others else ""


def _choose_size(found: Found, size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return found.size
    chosen = (size, size) if isinstance(size, int) else size
    for side in chosen:
        check_at_least_one("size", side)
    if found.fixed_size and chosen != found.size:
        raise InputError(
            f"{found.name} takes images of {found.size} pixels (height, width) only, got size {chosen}"
        )
    return chosen


def _choose_preparation(found: Found, size: int | tuple[int, int] | None) -> Preparation | None:
    """Return how pictures become the model's input; where its source names a square alone, it is a center square."""
    said = found.preparation
    if said is None and found.size is not None:
        height, width = found.size
        said = AS_STORED.changed(size=height if height == width else found.size)
    if size is None or said is None:
        return said if size is None else AS_STORED.changed(size=size)
    return said if size == said.size else said.changed(size=size)
