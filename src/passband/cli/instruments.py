"""`passband instruments`."""

from __future__ import annotations

import inspect

from passband.cli import options
from passband.cli.console import print_json, print_lines, print_table
from passband.instruments.catalog import INSTRUMENTS


def instruments(name: str | None = None, /, *, json: options.Json = False) -> int:
    """List the instruments that a network can be looked at with, which `passband audit --with NAME` adds to an audit.

    Args:
        name: An instrument, of which all is shown that can be set: --with NAME:SETTING=VALUE,SETTING=VALUE.
    """
    if name is not None:
        return _show(name, json=json)
    if json:
        print_json([line._asdict() for line in INSTRUMENTS.lines.values()])
        return 0
    rows = [
        (line.name, line.summary, line.source, "yes" if line.needs_gradient else "")
        for line in INSTRUMENTS.lines.values()
    ]
    print_table("Instruments", ("name", "measures", "in the paper", "needs a gradient"), rows, wrapped=True)
    return 0


def _show(name: str, *, json: bool) -> int:
    INSTRUMENTS.check(name)
    from passband.instruments.settings import describe_settings

    kind = INSTRUMENTS.find(name)
    settings = describe_settings(kind())
    if json:
        print_json(INSTRUMENTS.lines[name]._asdict() | {"settings": settings})
        return 0
    print_lines([f"{name}: {kind.summary}", "", inspect.getdoc(kind) or "", ""])
    if settings:
        print_table("Settings", ("setting", "by itself"), list(settings.items()))
    return 0
