"""Networks with their published weights, from timm and torchvision."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import torchvision
from torch import nn

from passband.errors import InputError
from passband.models.hub import ask_server, cached, download
from passband.models.imagenet import imagenet_names
from passband.models.sources import Found, Options
from passband.models.weights import count_classes, load_state
from passband.notices import Notice
from passband.optional import require
from passband.preparation import Preparation, Resize

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""What a file of weights is called in a repository of timm's hub."""

SCHEMES = ("hf-hub:", "hf_hub:", "local-dir:")
"""What stands before a model that timm does not know by its name."""

PILLOW: dict[str, Resize] = {
    "bilinear": "pillow-bilinear",
    "bicubic": "pillow-bicubic",
    "lanczos": "pillow-lanczos",
    "box": "pillow-box",
    "hamming": "pillow-hamming",
    "nearest": "pillow-nearest",
    "random": "pillow-bilinear",
}
"""The filters of timm and torchvision, which resize Pillow's images."""


def from_timm(name: str, options: Options) -> Found:
    """Load `timm:NAME`; normalization, size, preparation and channels are those of its pretrained configuration.

    `timm:hf-hub:ORGANIZATION/NAME` is a model of the hub, `timm:local-dir:FOLDER` one in a folder as `timm` writes it.

    Raises:
        MissingDependencyError: If timm is not installed.
        InputError: If timm has no such model, or its weights do not fit the options.
        DownloadError: If no weights are given and the published ones cannot be had.
    """
    timm = require("timm", extra="models", purpose="loading a timm model")
    config = _timm_config(timm, name)
    channels = config.input_size[0]
    if options.weights is None:
        _refuse_new_head(options, config.num_classes)
        if options.in_channels not in (None, channels):
            raise InputError(
                f"the published weights of {name} take {channels} channels, not {options.in_channels}"
            )
        body = download(name, lambda: timm.create_model(name, pretrained=True, **_timm_weights(name, config)))
        count, notices = config.num_classes, ()
    else:
        channels = options.in_channels or channels
        body, count, notices = _with_file(
            options, config.num_classes, lambda n: timm.create_model(name, num_classes=n, in_chans=channels)
        )
    data = timm.data.resolve_model_data_config(body)
    short = name.rstrip("/").rpartition("/")[2] if name.startswith(SCHEMES) else name
    preparation, prepared = _timm_preparation(timm, data, body, short)
    return Found(
        body,
        short,
        mean=data["mean"] if len(data["mean"]) in (1, channels) else None,
        std=data["std"] if len(data["std"]) in (1, channels) else None,
        normalization="known" if len(data["mean"]) in (1, channels) else "unknown",
        size=preparation.size,
        channels=channels,
        names=_timm_names(timm, config, count),
        preparation=preparation,
        notices=(*notices, *prepared),
    )


def _timm_config(timm: Any, name: str) -> Any:
    """Return the pretrained configuration of a model."""
    if name.startswith("local-dir:"):
        try:
            return timm.models.PretrainedCfg(**timm.create_model(name).pretrained_cfg)
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            place = name.partition(":")[2]
            raise InputError(
                f"{place} is not a folder of a timm model ({type(error).__name__}: {error}). timm's save_for_hf writes one, "
                f"with config.json and weights."
            ) from error
    if name.startswith(SCHEMES):
        repository = name.partition(":")[2].partition("@")[0]

        def get() -> Any:
            if cached(repository, ("config.json",), extra="models") is None:
                ask_server(extra="models")
            return timm.create_model(name).pretrained_cfg

        return timm.models.PretrainedCfg(**download(name, get))
    if not timm.is_model(name):
        raise InputError(f"timm has no model named {name!r}.{_nearest(name, timm.list_models())}")
    try:
        return timm.get_pretrained_cfg(name)
    except RuntimeError as error:  # an unknown tag after the dot
        tagged = timm.list_models(f"{name.split('.')[0]}.*", pretrained=True)
        raise InputError(f"timm has no weights {name!r}. It has: {', '.join(tagged) or 'none'}.") from error


def _timm_weights(name: str, config: Any) -> dict[str, Any]:
    """Return what makes `timm.create_model` load published weights from the hub's cache, where they are there."""
    if name.startswith("local-dir:") or not config.hf_hub_id:
        return {}
    file = cached(config.hf_hub_id.partition("@")[0], HUB_FILES, extra="models")
    if file is None:
        ask_server(extra="models")
        return {}
    return {} if name.startswith(SCHEMES) else {"pretrained_cfg_overlay": {"file": file}}


def _timm_preparation(
    timm: Any, data: dict[str, Any], body: nn.Module, name: str
) -> tuple[Preparation, tuple[Notice, ...]]:
    """Return how timm prepares pictures for a model in evaluation, and what of it cannot be done or is a choice."""
    (_, height, width), share, mode = data["input_size"], data["crop_pct"], data["crop_mode"]
    notices = []
    if mode == "border" or (mode == "squash" and share != 1):
        does = (
            "pads pictures"
            if mode == "border"
            else f"squashes pictures and takes the middle {100 * share:g}%"
        )
        doing = "crops" if mode == "border" else "squashes all of them"
        notices.append(Notice("model", f"timm {does} for {name}, which passband cannot: it {doing}"))
    test = timm.data.resolve_model_data_config(body, use_test_size=True)
    if test["input_size"] != data["input_size"]:
        notices.append(
            Notice(
                "model",
                f"{name} takes images of {height}x{width}, as it was trained; results that timm publishes are of "
                f"{test['input_size'][1]}x{test['input_size'][2]} with crop fraction {test['crop_pct']:g} (see --size)",
                warning=False,
            )
        )
    preparation = Preparation(
        (height, width),
        "squash" if mode == "squash" else "crop",
        PILLOW[data["interpolation"]],
        # the same share as timm's whole number of pixels, so that rounding gives that back
        min(1, height / math.floor(height / share)) if mode == "center" else 1,
    )
    return preparation, tuple(notices)


def _timm_names(timm: Any, config: Any, count: int) -> Sequence[Sequence[str]] | None:
    labels = config.label_names
    if labels is not None and len(labels) == count:
        described = config.label_descriptions or {}
        return [
            _both(str(label), described.get(label) if isinstance(described, dict) else None)
            for label in labels
        ]
    return imagenet_names(timm, count)


def _both(label: str, description: str | None) -> tuple[str, ...]:
    return (label,) if description is None else (*description.split(", "), label)


def from_torchvision(name: str, options: Options) -> Found:
    """Load `torchvision:NAME`; normalization, size, preparation and class names are those of its default weights.

    Raises:
        InputError: If torchvision has no such classifier, or its weights do not fit the options.
        DownloadError: If no weights are given and the published ones cannot be had.
    """
    options.refuse("in_channels", because="torchvision's networks take 3 channels")
    models = torchvision.models
    known = models.list_models(module=models)
    if name not in known:
        raise InputError(f"torchvision has no classifier named {name!r}.{_nearest(name, known)}")
    published: Any = models.get_model_weights(name)["DEFAULT"]
    preset = published.transforms()
    categories = published.meta["categories"]
    if options.weights is None:
        _refuse_new_head(options, len(categories))
        state = download(name, lambda: published.get_state_dict(progress=False, check_hash=True))
        body = models.get_model(name, weights=None, **_without_slow_start(name))
        body.load_state_dict(state)
        count, notices = len(categories), ()
    else:
        body, count, notices = _with_file(
            options,
            len(categories),
            lambda n: models.get_model(name, weights=None, num_classes=n, **_without_slow_start(name)),
        )
    (crop,), (resized,) = preset.crop_size, preset.resize_size
    return Found(
        body,
        name,
        mean=preset.mean,
        std=preset.std,
        size=(crop, crop),
        channels=3,
        names=[(category,) for category in categories] if count == len(categories) else None,
        preparation=Preparation(
            (crop, crop), "crop", PILLOW[preset.interpolation.value], min(1, crop / resized)
        ),
        notices=notices,
    )


def _with_file(
    options: Options, default: int, build: Callable[[int], nn.Module]
) -> tuple[nn.Module, int, tuple[Notice, ...]]:
    """Build a network with as many classes as asked for, or as its file of weights has, and load that file."""
    weights = options.read_weights()
    count = options.num_classes or default
    body = build(count)
    if options.num_classes is None:
        in_file = count_classes(body, weights, options.match)
        if in_file is not None:
            count, body = in_file, build(in_file)
    return body, count, load_state(body, weights, options.match)


def _refuse_new_head(options: Options, published: int) -> None:
    if options.num_classes not in (None, published):
        raise InputError(
            f"the published weights have {published} classes, not {options.num_classes}: the last layer would be random. "
            f"Give your own with --weights, or pick outputs with --class-indices."
        )


def _without_slow_start(name: str) -> dict[str, bool]:
    """Return arguments that spare two networks a slow random start, and torchvision's warning about it."""
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=3)
    return f" Did you mean {' or '.join(close)}?" if close else ""
