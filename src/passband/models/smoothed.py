"""Folders of smoothed models: written once, then loaded like any other model.

The folder of one of passband's own networks stands alone. That of another network holds the weights of the smoothed
layers, and how the rest is loaded: from where, with which options, and the hash that it must have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from passband.environment import versions
from passband.errors import InputError
from passband.files import read_json, write_json, written_whole
from passband.models.catalog import build_model
from passband.models.convolutions import find_convolution, replace_weight
from passband.models.fingerprint import weights_hash
from passband.models.pixels import PixelModel, network_of
from passband.models.provenance import Origin, Smoothing
from passband.models.sources import Found, Options, read_preparation
from passband.models.weights import Weights, load_state, read_weights, save_weights
from passband.serial import to_plain

KIND = "smoothed"
CONFIG, WEIGHTS = "config.json", "weights.safetensors"


def save_smoothed(model: PixelModel, folder: Path) -> None:
    """Write a smoothed model, whole or not at all; `load_model(folder)` reads it.

    Args:
        model: What `smoothed` made of a model that `load_model` loaded.
        folder: Takes the place of what was there.

    Raises:
        InputError: If the model is not smoothed, or it is not known how its network was loaded.
    """
    if not model.smoothing:
        raise InputError(f"{model.name} is not smoothed: passband.smoothed returns a copy that is")
    if model.origin is None:
        raise InputError(
            f"{model.name} cannot be written, since nothing says how its network is built. Load that with load_model "
            f"before smoothing it; python:FILE.py:FUNCTION loads any network."
        )
    network = network_of(model)
    description: dict[str, Any] = {
        "kind": KIND,
        "name": model.name,
        "base": _findable(asdict(model.origin)),
        "smoothing": [asdict(step) for step in model.smoothing],
        "weights_hash": weights_hash(network),
        "mean": model.mean.flatten().tolist(),
        "std": model.std.flatten().tolist(),
        "size": None if model.size is None else list(model.size),
        "channels": model.channels,
        "outputs": None if model.outputs is None else model.outputs.tolist(),
        "classes": None if model.classes is None else list(model.classes),
        "preparation": to_plain(model.preparation),
        "versions": versions(),
    }
    with written_whole(folder) as aside:
        write_json(aside / CONFIG, description)
        if model.origin.network is not None:
            save_weights(network, aside / WEIGHTS, {"model": dict(model.origin.network)})
        else:
            layers = {step.layer: find_convolution(network, step.layer)[1].weight for step in model.smoothing}
            save_file({name: w.detach().cpu().contiguous() for name, w in layers.items()}, aside / WEIGHTS)


def is_smoothed(folder: Path) -> bool:
    """Tell whether a folder says that it holds a smoothed model."""
    description = read_json(folder / CONFIG) if (folder / CONFIG).is_file() else None
    return isinstance(description, dict) and description.get("kind") == KIND


def from_smoothed(folder: Path, options: Options, find: Callable[[str, Options], Found]) -> Found:
    """Load a folder that `save_smoothed` wrote.

    What was smoothed is read from the folder. Other layers of a network that is not one of passband's own are loaded
    as they were when it was smoothed; for a `python:` model this runs its code again.

    Args:
        folder: The folder.
        options: None of them can be heeded.
        find: Loads the network that was smoothed.

    Raises:
        InputError: If the folder is damaged, or that network is gone or has changed since.
    """
    options.refuse("weights", "num_classes", "in_channels", because=f"{folder} says how its model is loaded")
    description, weights = read_json(folder / CONFIG), read_weights(folder / WEIGHTS)
    try:
        origin = Origin(**description["base"])
        arguments = Options.from_dict(origin.arguments)
        about = _about(description)
        own = None if origin.network is None else build_model(**origin.network)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{folder / CONFIG} is damaged ({type(error).__name__}: {error})") from error
    if own is not None:
        load_state(own, weights)
        found = Found(own, about["name"], network=origin.network)
    else:
        found = _load_base(folder, origin, arguments, find)
        _put_layers(found.body, about["smoothing"], weights)
        if found.names is not None:  # with their synonyms
            about["names"] = [found.names[i] for i in about["outputs"] or range(len(found.names))]
    if "preparation" in description:
        about["preparation"] = read_preparation(description["preparation"], folder / CONFIG)
    if weights_hash(found.body) != description.get("weights_hash"):
        raise InputError(f"{folder} is damaged: its weights are not those that its {CONFIG} is about")
    return replace(found, **about, origin=origin)


def _about(description: dict[str, Any]) -> dict[str, Any]:
    """Return what a description says of its model, as `Found` holds it; what is not as written raises."""
    size, outputs, classes = description["size"], description["outputs"], description["classes"]
    return {
        "name": str(description["name"]),
        "mean": [float(value) for value in description["mean"]],
        "std": [float(value) for value in description["std"]],
        "size": None if size is None else (int(size[0]), int(size[1])),
        "channels": None if description["channels"] is None else int(description["channels"]),
        "outputs": None if outputs is None else [int(index) for index in outputs],
        "names": None if classes is None else [(str(name),) for name in classes],
        "smoothing": tuple(Smoothing(**step) for step in description["smoothing"]),
    }


def _load_base(
    folder: Path, origin: Origin, arguments: Options, find: Callable[[str, Options], Found]
) -> Found:
    try:
        found = find(origin.source, arguments)
    except InputError as error:
        raise InputError(f"{folder} needs the model that was smoothed, {origin.source}: {error}") from error
    hashed = weights_hash(found.body)
    if hashed != origin.weights_hash:
        is_code = origin.source.startswith("python:")
        raise InputError(
            f"{origin.source} has other weights than when {folder} was made from it (hash {hashed}, then "
            f"{origin.weights_hash}). Smooth it again."
            f"{' If its code draws them at random, keep them in a file and add --weights.' if is_code else ''}"
        )
    return found


def _put_layers(body: nn.Module, steps: tuple[Smoothing, ...], weights: Weights) -> None:
    layers = {step.layer for step in steps}
    convolutions = {name: m for name, m in network_of(body).named_modules() if isinstance(m, nn.Conv2d)}
    if weights.state.keys() != layers or not layers <= convolutions.keys():
        raise InputError(
            f"{weights.path} is damaged: it must hold the weights of {', '.join(sorted(layers))}"
        )
    for name, weight in weights.state.items():
        replace_weight(convolutions[name], weight, name)


def _findable(base: dict[str, Any]) -> dict[str, Any]:
    """Make relative paths absolute, since the folder will be loaded from elsewhere."""
    arguments = dict(base["arguments"])
    if arguments["weights"] is not None:
        arguments["weights"] = str(Path(arguments["weights"]).absolute())
    source = base["source"]
    module, _, function = source.removeprefix("python:").rpartition(":")
    if source.startswith("python:") and module.endswith(".py"):
        source = f"python:{Path(module).absolute()}:{function}"
    for prefix in ("hf:", "timm:local-dir:"):
        place = Path(source.removeprefix(prefix))
        if source.startswith(prefix) and place.is_dir():
            source = f"{prefix}{place.absolute()}"
    return {**base, "source": source, "arguments": arguments}
