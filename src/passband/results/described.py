"""Settings in few words: what a run does otherwise than by default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from passband.detection.training_config import DetectorConfig
from passband.models.networks import XAVIER
from passband.train.optimizers import OPTIMIZERS
from passband.train.settings import RunSettings

APART = ("dataset", "scenes", "model", "seed", "epochs", "compile")
"""Said elsewhere, or of no account."""

BY_THEMSELVES = ("optimizer", "schedule", "initialization")
"""Settings whose values say what they are of."""


def describe_settings(kind: str, settings: Mapping[str, Any]) -> str:
    """Return what a run, a detector or a measurement is, in few words.

    Args:
        kind: Which of the three.
        settings: Its settings, as JSON holds them; those of an earlier version may lack some.

    Example:
        >>> describe_settings("run", {"dataset": "mnist", "model": "resnet8", "width": 16, "mixup": 0.5, "seed": 3})
        'resnet8, width 16, mixup 0.5'
    """
    if kind == "measurement":
        said = [f"{name} {_value(value)}" for name, value in settings.items() if name != "instrument"]
        return ", ".join([str(settings.get("instrument", "")), *said])
    if "source" in settings:
        return f"published {settings['source']}"
    network = str(settings.get("model", "retinanet" if kind == "detector" else ""))
    changes = [_setting(name, value) for name, value in changed_settings(kind, settings).items()]
    return ", ".join([network, *changes] if network else changes)


def changed_settings(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run or a detector that are not the default ones, data, network, seed and epochs aside."""
    usual = _usual(kind == "detector")
    if kind != "detector":
        optimizer = OPTIMIZERS.get(str(settings.get("optimizer", usual["optimizer"])))
        usual = usual | {
            "initialization": XAVIER,
            "learning_rate": optimizer.learning_rate if optimizer else None,
        }
        if settings.get("adversarial") is None:  # version 0.1 wrote what it was attacked with in any case
            settings = {name: value for name, value in settings.items() if not name.startswith("attack_")}
    return {
        name: value
        for name, value in settings.items()
        if name not in APART and value is not None and value != usual.get(name)
    }


@cache
def _usual(detector: bool) -> dict[str, Any]:
    """Return the default settings; a list of thousands of runs asks for them as often."""
    return asdict(DetectorConfig() if detector else RunSettings("data"))


def _setting(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"no {words}"
    if name == "adversarial" and isinstance(value, Mapping):
        return f"adversarial {_value(value['epsilon'])}"
    return _value(value) if name in BY_THEMSELVES else f"{words} {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list):
        return " ".join(map(_value, value))
    return str(value)
