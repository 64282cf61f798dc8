"""Instruments with their settings as text, as `passband audit --with` takes them: `rings:rings=6,equal=energy`."""

from __future__ import annotations

import re
from dataclasses import fields
from fractions import Fraction
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from passband.checks import write_number
from passband.errors import InputError, UnknownNameError
from passband.frequency.component import Component, parse_component
from passband.instruments.catalog import INSTRUMENTS
from passband.instruments.instrument import Instrument

NONE = "none"
TRUTHS = {"true": True, "false": False}
SETTING = re.compile(r"([a-z_]+)=(.*)", re.DOTALL)


def parse_instrument(text: str) -> Instrument:
    """Return the instrument written NAME, or NAME:SETTING=VALUE,SETTING=VALUE; what is not named stays as it is by itself.

    A setting of several values goes on after the comma: `svd:radii=4,8,16,amplitude=raw`. `none` leaves a choice to the
    instrument, or a number unlimited, as its page says.

    Raises:
        UnknownNameError: If there is no such instrument, or it has no such setting.
        InputError: If a value is none of that setting, or is refused by the instrument.

    Example:
        >>> parse_instrument("rings:rings=6,equal=energy")
        Rings(rings=6, equal='energy', amplitude='clip')
    """
    name, colon, rest = text.strip().partition(":")
    kind = INSTRUMENTS.find(name)
    if not colon:
        return kind()
    types = get_type_hints(kind)
    settings: dict[str, list[str]] = {}
    last = ""
    for part in rest.split(","):
        match = SETTING.fullmatch(part.strip())
        if match is None and not last:
            raise InputError(
                f"settings are written {name}:SETTING=VALUE, with commas between them; got {text!r}"
            )
        if match is None:
            settings[last].append(part.strip())
            continue
        last = match[1]
        known = [each.name for each in fields(kind)]
        if last not in known:
            raise UnknownNameError(f"setting of {name}", last, known)
        if last in settings:
            raise InputError(f"{last} is set twice in {text!r}")
        settings[last] = [match[2].strip()]
    read = {
        setting: _read(types[setting], values, f"{name}:{setting}") for setting, values in settings.items()
    }
    return kind(**read)


def describe_settings(instrument: Instrument) -> dict[str, str]:
    """Return the settings of an instrument by their names, written as `parse_instrument` reads them.

    Example:
        >>> describe_settings(parse_instrument("fourier-heatmap:samples=none"))
        {'size': '15', 'samples': 'none', 'epsilon': 'none', 'clip': 'false'}
    """
    return {each.name: _written(getattr(instrument, each.name)) for each in fields(instrument)}


def _read(kind: Any, values: list[str], where: str) -> Any:
    """Return what texts are as a value of a type."""
    if get_origin(kind) in (Union, UnionType):
        kinds = get_args(kind)
        if NoneType in kinds and values == [NONE]:
            return None
        (kind,) = (each for each in kinds if each is not NoneType)
    if get_origin(kind) is tuple:
        return tuple(_read_one(get_args(kind)[0], value, where) for value in values)
    if len(values) > 1:
        raise InputError(f"{where} has one value, got {', '.join(values)}")
    return _read_one(kind, values[0], where)


def _read_one(kind: Any, text: str, where: str) -> Any:
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise UnknownNameError(where, text, get_args(kind))
        return text
    if kind is bool:
        if text not in TRUTHS:
            raise InputError(f"{where} is true or false, got {text!r}")
        return TRUTHS[text]
    if kind in (int, float):
        try:
            return int(text) if kind is int else float(Fraction(text))
        except (ValueError, ZeroDivisionError) as error:
            what = "a whole number" if kind is int else "a number, such as 0.03 or 8/255"
            raise InputError(f"{where} is {what}, got {text!r}") from error
    if isinstance(kind, type) and issubclass(kind, Component):
        return parse_component(text)
    if kind is str:
        return text
    raise InputError(
        f"{where} cannot be written in a line: make the instrument in Python, with pb.audit(instruments=[...])"
    )


def _written(value: Any) -> str:
    if value is None:
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(map(_written, value))
    return write_number(value) if isinstance(value, float) else str(value)
