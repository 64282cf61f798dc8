"""The folder of a run, and networks that passband can build with a file of weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from passband.errors import DamagedError, InputError
from passband.files import LEFT_OUT, SEAL, check_seal, has_weights, read_json
from passband.models.catalog import build_model
from passband.models.matching import Match
from passband.models.networks import PYTHON
from passband.models.sources import Found, Options, read_preparation
from passband.models.user_code import name_of
from passband.models.weights import Weights, load_state, read_weights
from passband.preparation import Preparation


def from_run(folder: Path, options: Options) -> Found:
    """Load the folder that a training run wrote: its network is built as `config.json` says.

    Raises:
        InputError: If it is not such a folder, or it is damaged. What version 0.1 wrote has no checksums, and is only
            seen to be damaged where it cannot be read.
    """
    options.refuse(
        "weights",
        "num_classes",
        "in_channels",
        because=f"the run {folder} holds its weights and their shapes",
    )
    config = folder / "config.json"
    if not config.is_file():
        raise InputError(
            f"{folder} is not the folder of a run: it has no config.json. `passband train` writes such folders."
        )
    description = read_json(config)
    if (folder / SEAL).is_file() or (isinstance(description, dict) and "schema" in description):
        try:
            check_seal(
                folder,
                ("config.json", "weights.safetensors") if _has_weights(description) else ("config.json",),
            )
        except DamagedError as error:
            raise DamagedError(f"{error}. Copy the run {folder} again, or train it again.") from error
    kind = description.get("kind") if isinstance(description, dict) else None
    if kind != "run":
        raise InputError(f"{folder} is not the folder of a run: its config.json is of the kind {kind!r}")
    if not _has_weights(description):
        why = (
            f"it was exported without (--bare): in its store, `passband runs remove {folder.name}` lets it be trained again"
            if description.get(LEFT_OUT)
            else f"its run failed: {description.get('message')}"
        )
        raise InputError(f"{folder} holds no network, since {why}")
    try:
        arguments, classes, size = description["model"], description["classes"], description["data"]["size"]
    except (KeyError, TypeError) as error:
        raise InputError(f"{config} is damaged: it has no {error}") from error
    return _load(
        arguments,
        read_weights(folder / "weights.safetensors"),
        "name",
        size=size,
        classes=classes,
        preparation=_preparation(description, config),
    )


def _preparation(description: dict[str, Any], config: Path) -> Preparation | None:
    """Return how pictures became the images of a run; older runs say which size was asked for."""
    if description.get("preparation") is not None:
        return read_preparation(description["preparation"], config)
    size = description.get("config", {}).get("size")
    if size is None:
        return None
    return Preparation().changed(size=size if isinstance(size, int) else (size[0], size[-1]))


def _has_weights(description: Any) -> bool:
    return not isinstance(description, dict) or has_weights(description)


def from_file(name: str, options: Options) -> Found:
    """Load one of passband's networks with a file of weights, from passband or from elsewhere.

    A file that `save_weights` wrote says how its network was built. Of another one, the shapes of the first and the
    last layer say it, where these have the names they have here.

    Raises:
        InputError: If the file cannot be read or is of another network.
    """
    weights = options.read_weights()
    arguments = weights.metadata.get("model", {"name": name, **_told_by_shapes(weights)})
    if arguments.get("name") != name:
        raise InputError(f"{weights.path} holds the weights of {arguments.get('name')!r}, not of {name!r}")
    said = {"num_classes": options.num_classes, "in_channels": options.in_channels}
    arguments = arguments | {key: value for key, value in said.items() if value is not None}
    return _load(
        arguments,
        weights,
        options.match,
        size=weights.metadata.get("size"),
        classes=weights.metadata.get("classes"),
        preparation=read_preparation(weights.metadata.get("preparation"), weights.path),
    )


def _load(
    arguments: dict[str, Any],
    weights: Weights,
    match: Match,
    *,
    size: Sequence[int] | None,
    classes: Sequence[str] | None,
    preparation: Preparation | None,
) -> Found:
    try:
        body = build_model(**arguments)
    except TypeError as error:
        raise InputError(f"{weights.path} belongs to a network that cannot be built: {error}") from error
    notices = load_state(body, weights, match)
    name = arguments["name"]
    return Found(
        body,
        name_of(name.removeprefix(PYTHON)) if name.startswith(PYTHON) else name,
        size=None if size is None else (size[0], size[-1]),
        channels=arguments.get("in_channels", 3),
        names=None if classes is None else [(name,) for name in classes],
        normalization="known" if weights.metadata else "unknown",
        network=arguments,
        preparation=preparation,
        notices=notices,
    )


def _told_by_shapes(weights: Weights) -> dict[str, Any]:
    arguments: dict[str, Any] = {"batch_norm": any(name.endswith("running_mean") for name in weights.state)}
    first, last = (
        next(
            (value for name, value in weights.state.items() if f".{name}".endswith(f".{layer}.weight")), None
        )
        for layer in ("stem", "classifier")  # whatever a wrapper put before their names
    )
    if first is not None and first.ndim == 4:
        arguments |= {"width": first.shape[0], "in_channels": first.shape[1]}
    if last is not None and last.ndim == 2:
        arguments["num_classes"] = last.shape[0]
    return arguments
