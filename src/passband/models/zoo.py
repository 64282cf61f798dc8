"""Networks with their published weights, from timm and torchvision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

import torchvision
from torch import nn

from passband.errors import DownloadError, InputError
from passband.models.imagenet import imagenet_names
from passband.models.sources import Found, Options
from passband.models.weights import count_classes, load_state, read_weights
from passband.optional import require

HUB_FILES = ("model.safetensors", "pytorch_model.bin")
"""What a file of weights is called in a repository of timm's hub."""


def from_timm(name: str, options: Options) -> Found:
    """Load `timm:NAME`; normalization, size and channels are those of its pretrained configuration.

    Raises:
        MissingDependencyError: If timm is not installed.
        InputError: If timm has no such model, or its weights do not fit the options.
        DownloadError: If no weights are given and the published ones cannot be had.
    """
    timm = require("timm", extra="models", purpose="loading a timm model")
    if not timm.is_model(name):
        raise InputError(f"timm has no model named {name!r}.{_nearest(name, timm.list_models())}")
    try:
        config = timm.get_pretrained_cfg(name)
    except RuntimeError as error:  # an unknown tag after the dot
        tagged = timm.list_models(f"{name.split('.')[0]}.*", pretrained=True)
        raise InputError(f"timm has no weights {name!r}. It has: {', '.join(tagged) or 'none'}.") from error
    channels, height, width = config.input_size
    if options.weights is None:
        _refuse_new_head(options, config.num_classes)
        if options.in_channels not in (None, channels):
            raise InputError(
                f"the published weights of {name} take {channels} channels, not {options.in_channels}"
            )
        body = _download(name, lambda: timm.create_model(name, **_timm_weights(config)))
        count = config.num_classes
    else:
        channels = options.in_channels or channels
        body, count = _with_file(
            options, config.num_classes, lambda n: timm.create_model(name, num_classes=n, in_chans=channels)
        )
    return Found(
        body,
        name,
        mean=config.mean,
        std=config.std,
        size=(height, width),
        channels=channels,
        names=imagenet_names(timm, count),
    )


def from_torchvision(name: str, options: Options) -> Found:
    """Load `torchvision:NAME`; normalization, size and class names are those of its default weights.

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
        state = _download(name, lambda: published.get_state_dict(progress=False, check_hash=True))
        body = models.get_model(name, weights=None, **_without_slow_start(name))
        body.load_state_dict(state)
        count = len(categories)
    else:
        body, count = _with_file(
            options,
            len(categories),
            lambda n: models.get_model(name, weights=None, num_classes=n, **_without_slow_start(name)),
        )
    crop = preset.crop_size
    return Found(
        body,
        name,
        mean=preset.mean,
        std=preset.std,
        size=(crop[0], crop[-1]),
        channels=3,
        names=[(category,) for category in categories] if count == len(categories) else None,
    )


def _with_file(options: Options, default: int, build: Callable[[int], nn.Module]) -> tuple[nn.Module, int]:
    """Build a network with as many classes as asked for, or as its file of weights has, and load that file."""
    assert options.weights is not None
    weights = read_weights(options.weights)
    count = options.num_classes or default
    body = build(count)
    if options.num_classes is None:
        in_file = count_classes(body, weights, options.match)
        if in_file is not None:
            count, body = in_file, build(in_file)
    load_state(body, weights, options.match)
    return body, count


def _refuse_new_head(options: Options, published: int) -> None:
    if options.num_classes not in (None, published):
        raise InputError(
            f"the published weights have {published} classes, not {options.num_classes}: the last layer would be random. "
            f"Give your own with --weights, or pick outputs with --class-indices."
        )


def _download(name: str, get: Callable[[], Any]) -> Any:
    try:
        return get()
    except Exception as error:  # every library on the way to a server raises errors of its own
        raise DownloadError(
            f"the published weights of {name} could not be had ({type(error).__name__}: {error}). "
            f"Where there is no network, give a file with --weights."
        ) from error


def _timm_weights(config: Any) -> dict[str, Any]:
    """Return what makes `timm.create_model` load published weights: from the hub's cache where they are there."""
    hub = require("huggingface_hub", extra="models", purpose="loading a timm model")
    if not config.hf_hub_id:
        return {"pretrained": True}
    for file in HUB_FILES:
        cached = hub.try_to_load_from_cache(config.hf_hub_id, file)
        if isinstance(cached, str):
            return {"pretrained": True, "pretrained_cfg_overlay": {"file": cached}}
    hub.utils.get_session().head(
        hub.constants.ENDPOINT, timeout=5
    )  # else the hub's client tries for a minute
    return {"pretrained": True}


def _without_slow_start(name: str) -> dict[str, bool]:
    """Return arguments that spare two networks a slow random start, and torchvision's warning about it."""
    return {"init_weights": False} if name in ("googlenet", "inception_v3") else {}


def _nearest(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=3)
    return f" Did you mean {' or '.join(close)}?" if close else ""
